// SPDX-License-Identifier: GPL-2.0-only
/* A scenario's side of its result: see result.h for the harness's side. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "result.h"
#include "scenario.h"
#include "tap.h"

struct result *result;

int result_init(void)
{
	pthread_mutexattr_t attr;

	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED)
		return -errno;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	return -pthread_mutex_init(&result->lock, &attr);
}

static void lock_result(void)
{
	if (pthread_mutex_lock(&result->lock) == EOWNERDEAD)
		pthread_mutex_consistent(&result->lock);
}

static void unlock_result(void)
{
	pthread_mutex_unlock(&result->lock);
}

void result_reset(void)
{
	lock_result();
	result->finished = false;
	result->skipped = false;
	result->failures = 0;
	result->measured[0] = 0;
	unlock_result();
}

static void fail_args(const char *where, const char *fmt, va_list args)
{
	char text[320];

	vsnprintf(text, sizeof(text), fmt, args);
	lock_result();
	if (result->failures < RESULT_MAX_WHY)
		snprintf(result->why[result->failures], sizeof(result->why[0]),
			 "%s%s", where, text);
	result->failures++;
	unlock_result();
}

void result_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fail_args("", fmt, args);
	va_end(args);
}

void scenario_fail(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	char where[64];
	va_list args;

	snprintf(where, sizeof(where), "%s:%d: ", base ? base + 1 : file, line);
	va_start(args, fmt);
	fail_args(where, fmt, args);
	va_end(args);
}

void scenario_end(void)
{
	result->finished = true;
	_exit(1);
}

void scenario_skip(const char *fmt, ...)
{
	va_list args;

	lock_result();
	va_start(args, fmt);
	vsnprintf(result->skip, sizeof(result->skip), fmt, args);
	va_end(args);
	result->skipped = true;
	unlock_result();
	scenario_end();
}

void scenario_measure(const char *name, const char *fmt, ...)
{
	const size_t size = sizeof(result->measured);
	char *to = result->measured;
	va_list args;
	size_t used;

	lock_result();
	used = strlen(to);
	used += snprintf(to + used, size - used, "%s%s=", used ? " " : "", name);
	if (used < size) {
		va_start(args, fmt);
		vsnprintf(to + used, size - used, fmt, args);
		va_end(args);
	}
	unlock_result();
}

void note(const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	tap_line("# %s", text);
}
