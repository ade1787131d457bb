// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files below libmdr's root.
 */
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"

#define PATH_OF(mdr, path, format)						\
	do {									\
		int at = snprintf(path, PATH_MAX, "%s/", mdr_root(mdr));	\
		va_list args;							\
										\
		va_start(args, format);						\
		vsnprintf(path + at, PATH_MAX - at, format, args);		\
		va_end(args);							\
	} while (0)

char *read_text(const struct mdr *mdr, const char *format, ...)
{
	char path[PATH_MAX], *text;
	ssize_t got;
	int fd;

	PATH_OF(mdr, path, format);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	text = calloc(1, 4097);
	got = text ? read(fd, text, 4096) : -1;
	close(fd);
	if (got < 0) {
		free(text);
		return NULL;
	}
	if (got && text[got - 1] == '\n')
		text[got - 1] = 0;
	return text;
}

bool has_file(const struct mdr *mdr, const char *format, ...)
{
	char path[PATH_MAX];
	glob_t found;
	bool has;

	PATH_OF(mdr, path, format);
	has = !glob(path, GLOB_BRACE, NULL, &found);
	globfree(&found);
	return has;
}
