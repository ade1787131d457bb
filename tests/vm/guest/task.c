// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "sysfs.h"
#include "task.h"

static bool is_in(pid_t task, const char *function)
{
	char stack[4096];

	return task > 0 && sysfs_read(stack, sizeof(stack), "/proc/%d/stack", task) > 0 &&
	       strstr(stack, function);
}

bool task_in(pid_t task, const char *function, unsigned int ms)
{
	return WAIT_FOR(is_in(task, function), ms);
}

bool task_at_gate(pid_t task, unsigned int ms)
{
	return task_in(task, "mdr_gate_wait", ms);
}

int task_device(pid_t pid)
{
	char path[64], to[64];

	for (int fd = 0; fd < 64; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		n = readlink(path, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = 0;
		if (strstr(to, "[vfio-device]"))
			return fd;
	}
	return -1;
}
