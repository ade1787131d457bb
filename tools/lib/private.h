/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of libmdr share: the root, files below it, and address spaces. The shared
 * library does not export these names.
 *
 * Groups, functions and mdevs are read from the files below the root. libudev has no root but
 * /sys: udev_device_new_from_syspath() refuses another path with EINVAL, so tests could not
 * have hosts of their own. The uevents, which have no root, are libudev's, see monitor.c.
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
	/* called after a write; a test's kernel reacts to it */
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

/* Puts the root before a path, which has no leading slash. -ENAMETOOLONG. */
int mdr_path(const struct mdr *mdr, char path[PATH_MAX], const char *format, ...) MDR_FORMAT(3);

/* The content of a file without its last newline, allocated; NULL if it cannot be read. */
char *mdr_read(const struct mdr *mdr, const char *format, ...) MDR_FORMAT(2);

/* The lines of a file. An empty or missing file is not an error. */
int mdr_read_lines(const struct mdr *mdr, struct mdr_list *lines, const char *format, ...)
	MDR_FORMAT(3);

/* The last part of a link's target, allocated; NULL if there is no link. */
char *mdr_read_link(const struct mdr *mdr, const char *format, ...) MDR_FORMAT(2);

int mdr_write(const struct mdr *mdr, const char *value, const char *format, ...) MDR_FORMAT(3);

bool mdr_exists(const struct mdr *mdr, const char *format, ...) MDR_FORMAT(2);

/* The names in a directory, sorted, without those that begin with a dot. */
int mdr_read_dir(const struct mdr *mdr, struct mdr_list *names, const char *format, ...)
	MDR_FORMAT(3);

/* Opens a file below dev. Returns a descriptor. */
int mdr_open_dev(const struct mdr *mdr, const char *name);

/* The address space of a device. -1 stands for what it does not have. */
struct mdr_space {
	int container, group;
	int iommufd;
	uint32_t ioas;	/* of the iommufd */
};

/* Both open the device too, and return its descriptor; on errors the space is to be closed. */
int mdr_space_open(const struct mdr *mdr, const char *uuid, struct mdr_space *space);
int mdr_iommufd_open(const struct mdr *mdr, const char *uuid, struct mdr_space *space);
void mdr_space_close(struct mdr_space *space);

int mdr_space_map(const struct mdr_space *space, void *memory, size_t size, uint64_t iova);
int mdr_space_unmap(const struct mdr_space *space, uint64_t iova, size_t size);
int mdr_iommufd_map(const struct mdr_space *space, void *memory, size_t size, uint64_t iova);
int mdr_iommufd_unmap(const struct mdr_space *space, uint64_t iova, size_t size);

/* The root port above a function, allocated; NULL if there is none. */
char *mdr_find_port(const struct mdr *mdr, const char *address);

#endif
