// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the domain's guest: loads the modules of /modules in the order of
 * their names, and starts the workers. The host reads the console.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "say.h"
#include "work.h"

static int no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static char cmdline[1024];

static void load_modules(void)
{
	struct dirent **names;
	int n = scandir("/modules", &names, no_dots, alphasort), fd;
	char path[300];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			say("module %s: %m", names[i]->d_name);
		close(fd);
	}
}

/* With mdr.verbose the kernel says all, once it has booted: the console is slow. */
static void set_loglevel(void)
{
	if (strstr(cmdline, "mdr.verbose") && klogctl(8, NULL, 8))
		say("loglevel: %m");
}

/* The number of MiB that the disk's worker writes: mdr.mib= on the command line. */
static unsigned int mib(void)
{
	const char *p = strstr(cmdline, "mdr.mib=");

	return p ? strtoul(p + 8, NULL, 10) : 64;
}

static void read_cmdline(void)
{
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, cmdline, sizeof(cmdline) - 1) < 0)
		say("cmdline: %m");
	close(fd);
}

int main(void)
{
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	read_cmdline();
	say("guest up");
	load_modules();
	if (!fork())
		disk_work(mib());
	if (!fork())
		net_work("igb", 1);
	if (!fork())
		net_work("virtio_net", 2);
	if (!fork())
		net_work("e1000e", 3);
	set_loglevel();
	say("guest ready");
	for (;;)
		if (wait(NULL) > 0)
			say("a worker ended");
		else
			pause();
}
