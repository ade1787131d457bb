// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files below the root, and lists of strings.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

#define FILE_MOST 65536	/* bytes; a sysfs file has at most one page */

int mdr_list_add(struct mdr_list *list, const char *item)
{
	char **items = realloc(list->items, (list->count + 2) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->count] = strdup(item);
	if (!items[list->count])
		return -ENOMEM;
	items[++list->count] = NULL;
	return 0;
}

const char *mdr_list_at(const struct mdr_list *list, size_t index)
{
	return index < list->count ? list->items[index] : NULL;
}

void mdr_list_free(struct mdr_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct mdr_list) {};
}

static int path_of(const struct mdr *mdr, char path[PATH_MAX], const char *format, va_list args)
{
	int at = snprintf(path, PATH_MAX, "%s/", mdr->root);
	int len = vsnprintf(path + at, PATH_MAX - at, format, args);

	return len < 0 || len >= PATH_MAX - at ? -ENAMETOOLONG : 0;
}

/* Formats a path from the variable arguments after "format". */
#define PATH_OF(ret, mdr, path, format)				\
	do {							\
		va_list args;					\
								\
		va_start(args, format);				\
		ret = path_of(mdr, path, format, args);		\
		va_end(args);					\
	} while (0)

int mdr_path(const struct mdr *mdr, char path[PATH_MAX], const char *format, ...)
{
	int ret;

	PATH_OF(ret, mdr, path, format);
	return ret;
}

static char *read_file(const char *path)
{
	char *text = calloc(1, FILE_MOST + 1);
	size_t len = 0;
	ssize_t got;
	int fd;

	fd = text ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0) {
		free(text);
		return NULL;
	}
	do {
		got = read(fd, text + len, FILE_MOST - len);
		len += got > 0 ? got : 0;
	} while (got > 0);
	close(fd);
	if (got < 0) {
		free(text);
		return NULL;
	}
	if (len && text[len - 1] == '\n')
		text[len - 1] = 0;
	return text;
}

char *mdr_read(const struct mdr *mdr, const char *format, ...)
{
	char path[PATH_MAX];
	int ret;

	PATH_OF(ret, mdr, path, format);
	return ret ? NULL : read_file(path);
}

int mdr_read_lines(const struct mdr *mdr, struct mdr_list *lines, const char *format, ...)
{
	char path[PATH_MAX], *text, *line, *rest;
	int ret;

	PATH_OF(ret, mdr, path, format);
	text = ret ? NULL : read_file(path);
	if (!text)
		return ret;
	for (line = strtok_r(text, "\n", &rest); line && !ret; line = strtok_r(NULL, "\n", &rest))
		ret = mdr_list_add(lines, line);
	free(text);
	return ret;
}

char *mdr_read_link(const struct mdr *mdr, const char *format, ...)
{
	char path[PATH_MAX], target[PATH_MAX], *last;
	ssize_t len;
	int ret;

	PATH_OF(ret, mdr, path, format);
	len = ret ? -1 : readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return NULL;
	target[len] = 0;
	last = strrchr(target, '/');
	return strdup(last ? last + 1 : target);
}

int mdr_write(const struct mdr *mdr, const char *value, const char *format, ...)
{
	char path[PATH_MAX];
	ssize_t done;
	int fd, ret;

	PATH_OF(ret, mdr, path, format);
	if (ret)
		return ret;
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* in one piece: sysfs takes each write as a value */
	done = write(fd, value, strlen(value));
	ret = done < 0 ? -errno : 0;
	close(fd);
	if (!ret && mdr->written)
		mdr->written(path, value);
	return ret;
}

bool mdr_exists(const struct mdr *mdr, const char *format, ...)
{
	char path[PATH_MAX];
	int ret;

	PATH_OF(ret, mdr, path, format);
	return !ret && !access(path, F_OK);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char * const *)a, *(char * const *)b);
}

int mdr_read_dir(const struct mdr *mdr, struct mdr_list *names, const char *format, ...)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int ret;

	PATH_OF(ret, mdr, path, format);
	if (ret)
		return ret;
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!ret && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			ret = mdr_list_add(names, entry->d_name);
	closedir(dir);
	if (!ret && names->count)
		qsort(names->items, names->count, sizeof(*names->items), by_name);
	return ret;
}
