// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "aer_thread.h"
#include "clock.h"
#include "sysfs.h"

#define MAX_THREADS 16
/* by then an error that was just injected has raised its interrupt */
#define AGAIN_MS 10

/* They change only when a port is unbound. */
static int threads[MAX_THREADS];
static unsigned int nr_threads;

/* The state as a letter; 0 if pid is not such a thread, or has ended. */
static char thread_state(int pid)
{
	char stat[512], *end;

	if (sysfs_read(stat, sizeof(stat), "/proc/%d/stat", pid) <= 0)
		return 0;
	end = strrchr(stat, ')');
	if (!end || !strstr(stat, "(irq/") || strncmp(end - 7, "-aerdrv", 7))
		return 0;
	return end[2];
}

static void find_threads(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	int pid;

	nr_threads = 0;
	while (dir && (e = readdir(dir))) {
		pid = atoi(e->d_name);
		if (pid > 0 && nr_threads < MAX_THREADS && thread_state(pid))
			threads[nr_threads++] = pid;
	}
	if (dir)
		closedir(dir);
}

/*
 * A thread sleeps interruptibly only while it waits for the next interrupt, and
 * then its queue is empty.
 */
static bool all_idle(void)
{
	bool idle = nr_threads > 0;

	for (unsigned int i = 0; i < nr_threads && idle; i++) {
		char state = thread_state(threads[i]);

		if (!state)
			nr_threads = 0;
		idle = state == 'S';
	}
	if (!nr_threads)
		find_threads();
	return idle;
}

static bool idle_twice(void)
{
	if (!all_idle())
		return false;
	sleep_ms(AGAIN_MS);
	return all_idle();
}

bool aer_wait_idle(unsigned int ms)
{
	return WAIT_FOR(idle_twice(), ms);
}
