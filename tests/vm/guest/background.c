// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "scenario.h"
#include "task.h"

static void *background_thread(void *arg)
{
	struct background *b = arg;
	uint64_t begin = now_ns();

	atomic_store(&b->task, gettid());
	b->ret = b->call(b->name);
	b->ns = now_ns() - begin;
	atomic_store(&b->done, true);
	return NULL;
}

void background_start(struct background *b)
{
	pthread_create(&b->thread, NULL, background_thread, b);
}

bool background_in(struct background *b, const char *function, unsigned int ms)
{
	return WAIT_FOR(task_in(atomic_load(&b->task), function, 0), ms);
}

uint64_t background_ms(struct background *b, unsigned int bound_ms)
{
	bool done = WAIT_FOR(atomic_load(&b->done), bound_ms);

	REQUIRE(done, "%s: the call does not end within %u ms", b->name, bound_ms);
	CHECK_OK(b->ret);
	return b->ns / 1000000;
}
