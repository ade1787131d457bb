/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDRCTL_FILES_H
#define MDRCTL_FILES_H

#include <stdbool.h>

#include "libmdr.h"

/* A file below the root, without its newline, to be freed; NULL if it cannot be read. */
char *read_text(const struct mdr *mdr, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Is there a file of that pattern below the root? */
bool has_file(const struct mdr *mdr, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
