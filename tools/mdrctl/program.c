// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs other programs, like mdevctl and modprobe, and keeps signals away from what must
 * not be left half done.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mdrctl.h"

extern char **environ;

/* Those that would end mdrctl, or the one that came; and the program that it is passed to. */
static const int endings[] = { SIGHUP, SIGINT, SIGTERM };
static volatile sig_atomic_t came, passes;
static volatile pid_t running;

static void on_signal(int signo)
{
	came = signo;
	if (passes && running > 0)
		kill(running, signo);
}

void interrupts_keep(void)
{
	const struct sigaction keep = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct sigaction was;

	passes = true;
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		/* nohup, and a shell for what it runs in the background, have them ignored */
		if (!sigaction(endings[i], NULL, &was) && was.sa_handler != SIG_IGN)
			sigaction(endings[i], &keep, NULL);
}

int interrupted(void)
{
	return came;
}

static void mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		sigaddset(&set, endings[i]);
	sigprocmask(how, &set, NULL);
}

void interrupts_hold(void)
{
	passes = false;
	mask(SIG_BLOCK);
}

void interrupts_end(void)
{
	fflush(stdout);
	mask(SIG_UNBLOCK);
	if (!came)
		return;
	signal(came, SIG_DFL);
	raise(came);
}

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
	siginfo_t info;
	int status;

	running = pid;
	/* before that */
	if (passes && came)
		kill(pid, came);
	/* until it is reaped below, no other process has its id */
	while (waitid(P_PID, pid, &info, WEXITED | WNOWAIT) && errno == EINTR)
		;
	running = 0;
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

/* Its output is read from *from. */
static int start_piped(const struct mdr *mdr, const char *const *argv, bool quiet, int *from,
		       pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int fds[2], ret;

	if (pipe(fds))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, fds[0]);
	posix_spawn_file_actions_addclose(&actions, fds[1]);
	if (quiet)
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	ret = start(mdr, argv, &actions, pid);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (ret)
		close(fds[0]);
	*from = fds[0];
	return ret;
}

int run_program_json(const struct mdr *mdr, const char *const *argv, struct json_object **tree)
{
	int from, ret;
	pid_t pid;

	*tree = NULL;
	ret = start_piped(mdr, argv, false, &from, &pid);
	if (ret)
		return ret;
	*tree = json_object_from_fd(from);
	ret = end(pid);
	close(from);
	return ret;
}

int run_program_line(const struct mdr *mdr, const char *const *argv, char *line, size_t size)
{
	int from, ret;
	FILE *output;
	pid_t pid;

	*line = 0;
	ret = start_piped(mdr, argv, true, &from, &pid);
	if (ret)
		return ret;
	output = fdopen(from, "r");
	if (output && fgets(line, size, output))
		line[strcspn(line, "\n")] = 0;
	if (output)
		fclose(output);
	else
		close(from);
	return end(pid);
}
