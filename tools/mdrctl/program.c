// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other programs: mdevctl, modprobe.
 */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "mdrctl.h"

extern char **environ;

int run_program(const struct mdr *mdr, const char *const *argv)
{
	int ret, status;
	pid_t pid;

	/* mdevctl's own name of a root */
	if (*mdr_root(mdr))
		setenv("MDEVCTL_ENV_ROOT", mdr_root(mdr), 1);
	fflush(stdout);
	ret = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ);
	if (ret)
		return -ret;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}
