// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "cpu.h"

#define SLEEP_MS 20
#define ANSWER_MS 8000

static int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/* A sleep on that CPU comes to its end. */
static int check_timer(int cpu)
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		if (pin(cpu))
			_exit(1);
		sleep_ms(SLEEP_MS);
		_exit(0);
	}
	if (WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid, ANSWER_MS))
		return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
	kill(pid, SIGKILL);
	return -EIO;
}

int cpu_check_timers(void)
{
	cpu_set_t all;
	int ret = 0;

	if (sched_getaffinity(0, sizeof(all), &all))
		return -errno;
	/* the boot CPU has shown that it ticks, and watches over the others */
	ret = pin(0);
	for (int cpu = 1; cpu < CPU_COUNT(&all) && !ret; cpu++)
		ret = check_timer(cpu);
	sched_setaffinity(0, sizeof(all), &all);
	return ret;
}
