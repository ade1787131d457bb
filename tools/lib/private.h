/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of libmdr share: the root, and files below it. No name of these is
 * in the shared library's list of symbols.
 */
#ifndef MDR_PRIVATE_H
#define MDR_PRIVATE_H

#include <limits.h>

#include "libmdr.h"

#define MDR_CLASS "sys/class/mdev_recovery"
#define MDR_PCI "sys/bus/pci"
#define MDR_MDEVS "sys/bus/mdev/devices"

struct mdr {
	char root[PATH_MAX / 2];
	/* a test's kernel, which reacts to what was written */
	void (*written)(const char *path, const char *value);
};

/* Strings; the last one is followed by NULL. */
struct mdr_list {
	char **items;
	size_t count;
};

int mdr_list_add(struct mdr_list *list, const char *item);
const char *mdr_list_at(const struct mdr_list *list, size_t index);
void mdr_list_free(struct mdr_list *list);

#define MDR_FORMAT(at) __attribute__((format(printf, at, at + 1)))

/* A path below the root, without the first slash. -ENAMETOOLONG. */
int mdr_path(const struct mdr *mdr, char path[PATH_MAX], const char *format, ...) MDR_FORMAT(3);

/* A file's content without its last newline, to be freed; NULL if it cannot be read. */
char *mdr_read(const struct mdr *mdr, const char *format, ...) MDR_FORMAT(2);

/* The lines of a file. Having none is no error, nor is having no file. */
int mdr_read_lines(const struct mdr *mdr, struct mdr_list *lines, const char *format, ...)
	MDR_FORMAT(3);

/* The last part of where a link points to, to be freed; NULL if there is no link. */
char *mdr_read_link(const struct mdr *mdr, const char *format, ...) MDR_FORMAT(2);

int mdr_write(const struct mdr *mdr, const char *value, const char *format, ...) MDR_FORMAT(3);

bool mdr_exists(const struct mdr *mdr, const char *format, ...) MDR_FORMAT(2);

/* The names in a directory, sorted; those without a dot at the beginning. */
int mdr_read_dir(const struct mdr *mdr, struct mdr_list *names, const char *format, ...)
	MDR_FORMAT(3);

/* The root port above a function, to be freed; NULL if there is none. */
char *mdr_find_port(const struct mdr *mdr, const char *address);

#endif
