/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDRCTL_FILES_H
#define MDRCTL_FILES_H

#include <stdbool.h>

#include "libmdr.h"

/* The content of a file below the root, without its newline, allocated; or NULL. */
char *read_text(const struct mdr *mdr, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Does a file below the root match this pattern? {a,b} is a or b. */
bool has_file(const struct mdr *mdr, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
