// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenario.h"
#include "stuck.h"
#include "sysfs.h"

static void report_thread(const char *pid, const char *tid)
{
	char stack[1500], comm[32];
	char *line, *rest = stack;

	sysfs_read(comm, sizeof(comm), "/proc/%s/task/%s/comm", pid, tid);
	if (sysfs_read(stack, sizeof(stack), "/proc/%s/task/%s/stack", pid, tid) <= 0)
		snprintf(stack, sizeof(stack), "in user space");
	note("  thread %s (%s):", tid, comm);
	while ((line = strsep(&rest, "\n")))
		note("    %s", line);
}

static void report_process(const char *pid)
{
	char path[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/task", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			report_thread(pid, e->d_name);
	closedir(dir);
}

void stuck_report(pid_t group)
{
	struct dirent *e;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return;
	while ((e = readdir(dir))) {
		pid_t pid = atoi(e->d_name);

		if (pid > 1 && getpgid(pid) == group)
			report_process(e->d_name);
	}
	closedir(dir);
}
