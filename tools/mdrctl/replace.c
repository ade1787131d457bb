// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mdrctl.h"

void directories_make(const char *path)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", path);
	for (char *at = strchr(dir + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = 0;
		mkdir(dir, 0755);
		*at = '/';
	}
}

/* Root would put a file in the place of /dev/null, or of the link /dev/stdout. */
static int may_replace(const char *path)
{
	struct stat st;

	if (lstat(path, &st) || S_ISREG(st.st_mode))
		return 0;
	return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

/*
 * The directory may belong to somebody else, like that of node_exporter. A name that
 * others can foretell could be a link of theirs to a file of ours.
 */
static FILE *open_temporary(char *path)
{
	int fd = mkstemp(path);
	mode_t mask = umask(0);
	FILE *f;

	umask(mask);
	if (fd < 0)
		return NULL;
	/* some file systems have one mode for all */
	if (fchmod(fd, 0666 & ~mask))
		errno = 0;
	f = fdopen(fd, "w");
	if (!f) {
		close(fd);
		unlink(path);
	}
	return f;
}

int file_replace(const char *path, const char *text)
{
	char temporary[PATH_MAX + 8];
	FILE *f;
	int ret;

	ret = may_replace(path);
	if (ret)
		return ret;
	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	f = open_temporary(temporary);
	if (!f)
		return -errno;
	ret = fputs(text, f) < 0 || fflush(f) || fsync(fileno(f)) ? -errno : 0;
	if (fclose(f) && !ret)
		ret = -errno;
	if (!ret && rename(temporary, path))
		ret = -errno;
	if (ret)
		unlink(temporary);
	return ret;
}

int fail_replace(int error, const char *path)
{
	if (error == -EINVAL)
		return fail(END_FAILED, path, "name a regular file",
			    "is no regular file, and would be replaced by one");
	return fail_errno(error, path, error == -ENOENT ? "make its directory first" : NULL);
}
