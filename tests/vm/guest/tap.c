// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>

#include "tap.h"

#define TAP_PORT 0xe9

/* Shared with all children; robust, since a child may be killed at any time. */
static pthread_mutex_t *lock;

int tap_open(void)
{
	pthread_mutexattr_t attr;

	if (ioperm(TAP_PORT, 1, 1))
		return -errno;
	lock = mmap(NULL, sizeof(*lock), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (lock == MAP_FAILED)
		return -errno;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	return -pthread_mutex_init(lock, &attr);
}

void tap_line(const char *fmt, ...)
{
	char line[2048];
	va_list args;
	size_t len;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	len = strlen(line);
	/* a message with several lines stays one comment */
	for (char *p = line; (p = strchr(p, '\n')); )
		*p = ' ';
	line[len++] = '\n';

	if (pthread_mutex_lock(lock) == EOWNERDEAD) {
		pthread_mutex_consistent(lock);
		outb('\n', TAP_PORT);
	}
	outsb(TAP_PORT, line, len);
	pthread_mutex_unlock(lock);
}
