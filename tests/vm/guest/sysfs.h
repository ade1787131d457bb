/* SPDX-License-Identifier: GPL-2.0-only */
/* Small files of /sys and /proc. All return 0 or more, or -errno. */
#ifndef MDR_SYSFS_H
#define MDR_SYSFS_H

#include <stdbool.h>
#include <stddef.h>

__attribute__((format(printf, 2, 3)))
int sysfs_write(const char *value, const char *path, ...);

/* The length read. buf ends with 0 and has no newline at its end. */
__attribute__((format(printf, 3, 4)))
int sysfs_read(char *buf, size_t size, const char *path, ...);

/* A number in any base of C; a negative number looks like -errno. */
__attribute__((format(printf, 1, 2)))
long sysfs_read_number(const char *path, ...);

/* The last component of a link's target. */
__attribute__((format(printf, 3, 4)))
int sysfs_link(char *buf, size_t size, const char *path, ...);

__attribute__((format(printf, 1, 2)))
bool sysfs_exists(const char *path, ...);

#endif
