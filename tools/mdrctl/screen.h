/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * screen: the terminal that stdout is, and what fits on it.
 */
#ifndef MDRCTL_SCREEN_H
#define MDRCTL_SCREEN_H

#include <stddef.h>

/* 0: not known, so everything fits. */
struct screen {
	unsigned int rows, columns;
};

struct screen screen_now(void);

/*
 * Prints the first lines of a text, at most so many, and no more of each than the screen is
 * wide. Colours take no room.
 */
void screen_print(const struct screen *screen, const char *text, unsigned int most);

unsigned int lines_of(const char *text);

#endif
