/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs a call that may block in its own thread. */
#ifndef MDR_BACKGROUND_H
#define MDR_BACKGROUND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct background {
	/* set by the caller */
	int (*call)(const char *name);
	const char *name;

	/* valid when it is done */
	uint64_t ns;
	int ret;

	pthread_t thread;
	atomic_int task;		/* its thread id */
	atomic_bool done;
};

void background_start(struct background *b);

/* Does the call get into this function of the kernel within ms? */
bool background_in(struct background *b, const char *function, unsigned int ms);

/* The time it took; ends the scenario if that exceeds the bound. */
uint64_t background_ms(struct background *b, unsigned int bound_ms);

#endif
