/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a scenario's processes leave behind for the harness: in memory shared
 * by all of them, so it survives whatever way they end.
 */
#ifndef MDR_RESULT_H
#define MDR_RESULT_H

#include <pthread.h>
#include <stdbool.h>

#define RESULT_MAX_WHY 16

struct result {
	/* of all fields; robust, since a holder may be killed */
	pthread_mutex_t lock;
	/* the scenario came to an end by itself, or ended itself */
	bool finished;
	bool skipped;
	/* counts on past RESULT_MAX_WHY */
	unsigned int failures;
	char why[RESULT_MAX_WHY][400];
	char skip[200];
	/* "name=value name=value" */
	char measured[800];
};

/* Of the scenario that runs; there is one at a time. */
extern struct result *result;

int result_init(void);
void result_reset(void);

__attribute__((format(printf, 1, 2)))
void result_fail(const char *fmt, ...);

#endif
