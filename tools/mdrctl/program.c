// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs other programs, like mdevctl and modprobe.
 */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mdrctl.h"

extern char **environ;

static int start(const struct mdr *mdr, const char *const *argv,
		 const posix_spawn_file_actions_t *actions, pid_t *pid)
{
	/* mdevctl takes its root from here */
	if (*mdr_root(mdr))
		setenv("MDEVCTL_ENV_ROOT", mdr_root(mdr), 1);
	fflush(stdout);
	return -posix_spawnp(pid, argv[0], actions, NULL, (char *const *)argv, environ);
}

static int end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int run_program(const struct mdr *mdr, const char *const *argv)
{
	pid_t pid;
	int ret;

	ret = start(mdr, argv, NULL, &pid);
	return ret ? ret : end(pid);
}

int run_program_json(const struct mdr *mdr, const char *const *argv, struct json_object **tree)
{
	posix_spawn_file_actions_t actions;
	int fds[2], ret;
	pid_t pid;

	*tree = NULL;
	if (pipe(fds))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, fds[0]);
	posix_spawn_file_actions_addclose(&actions, fds[1]);
	ret = start(mdr, argv, &actions, &pid);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (!ret) {
		*tree = json_object_from_fd(fds[0]);
		ret = end(pid);
	}
	close(fds[0]);
	return ret;
}
