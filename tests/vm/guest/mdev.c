// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "mdev.h"
#include "scenario.h"
#include "sysfs.h"

#define UDEVD_MS 5000

/* The exit code, or -errno. */
static int run_mdevctl(char *out, unsigned int size, const char *arguments)
{
	char command[1024];
	size_t len;
	int status;
	FILE *p;

	snprintf(command, sizeof(command), "mdevctl %s 2>&1", arguments);
	p = popen(command, "re");
	if (!p)
		return -errno;
	len = fread(out, 1, size - 1, p);
	out[len] = 0;
	while (!feof(p) && fgetc(p) != EOF)
		;
	status = pclose(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int mdevctl(const char *fmt, ...)
{
	char arguments[900], out[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(arguments, sizeof(arguments), fmt, args);
	va_end(args);
	if (!run_mdevctl(out, sizeof(out), arguments))
		return 0;
	note("mdevctl %s: %s", arguments, out);
	return -EIO;
}

int mdevctl_try(char *out, unsigned int size, const char *fmt, ...)
{
	char arguments[900];
	va_list args;

	va_start(args, fmt);
	vsnprintf(arguments, sizeof(arguments), fmt, args);
	va_end(args);
	return run_mdevctl(out, size, arguments);
}

int mdev_create(const char *parent, const char *type, const char *uuid)
{
	return sysfs_write(uuid, "/sys/bus/pci/devices/%s/mdev_supported_types/%s/create",
			   parent, type);
}

int mdev_remove(const char *uuid)
{
	return sysfs_write("1", MDEV_DIR "/%s/remove", uuid);
}

int mdev_remove_all(void)
{
	struct dirent *e;
	int ret = 0;
	DIR *dir;

	dir = opendir(MDEV_DIR);
	if (!dir)
		return 0;
	while (!ret && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			ret = mdev_remove(e->d_name);
	closedir(dir);
	return ret;
}

pid_t mdev_start_udevd(void)
{
	pid_t pid;

	unlink("/run/udev/control");
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		execl("/usr/lib/systemd/systemd-udevd", "systemd-udevd", NULL);
		_exit(127);
	}
	return WAIT_FOR(sysfs_exists("/run/udev/control"), UDEVD_MS) ? pid : -ETIMEDOUT;
}
