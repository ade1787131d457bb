// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "module.h"
#include "sysfs.h"

bool module_exists(const char *name)
{
	struct utsname uts;

	uname(&uts);
	return sysfs_exists("/lib/modules/%s/ours/%s.ko", uts.release, name);
}

bool module_loaded(const char *name)
{
	return sysfs_exists("/sys/module/%s/refcnt", name);
}

int module_load(const char *name)
{
	int status;
	pid_t pid;

	if (module_loaded(name))
		return 0;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		execl("/sbin/modprobe", "modprobe", name, NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ENOEXEC;
}

int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}
