// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sysfs.h"

#define FORMAT_PATH(path, fmt)				\
	do {						\
		va_list args_;				\
							\
		va_start(args_, fmt);			\
		vsnprintf(path, sizeof(path), fmt, args_); \
		va_end(args_);				\
	} while (0)

static int read_file(char *buf, size_t size, const char *path)
{
	ssize_t len;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, buf, size - 1);
	err = errno;
	close(fd);
	if (len < 0)
		return -err;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = 0;
	return len;
}

int sysfs_write(const char *value, const char *path_fmt, ...)
{
	char path[PATH_MAX];
	ssize_t len;
	int fd, err;

	FORMAT_PATH(path, path_fmt);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = write(fd, value, strlen(value));
	err = errno;
	close(fd);
	return len < 0 ? -err : 0;
}

int sysfs_read(char *buf, size_t size, const char *path_fmt, ...)
{
	char path[PATH_MAX];

	FORMAT_PATH(path, path_fmt);
	buf[0] = 0;
	return read_file(buf, size, path);
}

long sysfs_read_number(const char *path_fmt, ...)
{
	char path[PATH_MAX], buf[64];
	int ret;

	FORMAT_PATH(path, path_fmt);
	ret = read_file(buf, sizeof(buf), path);
	return ret < 0 ? ret : strtol(buf, NULL, 0);
}

int sysfs_link(char *buf, size_t size, const char *path_fmt, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;
	ssize_t len;

	FORMAT_PATH(path, path_fmt);
	buf[0] = 0;
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = 0;
	last = strrchr(target, '/');
	return snprintf(buf, size, "%s", last ? last + 1 : target);
}

bool sysfs_exists(const char *path_fmt, ...)
{
	char path[PATH_MAX];

	FORMAT_PATH(path, path_fmt);
	return access(path, F_OK) == 0;
}
