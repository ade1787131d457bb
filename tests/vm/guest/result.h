/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The result that a scenario's processes leave for the harness. It is in memory that
 * they all share, so it survives however they end.
 */
#ifndef MDR_RESULT_H
#define MDR_RESULT_H

#include <pthread.h>
#include <stdbool.h>

#define RESULT_MAX_WHY 16

struct result {
	/* protects all fields; robust, since its holder may be killed */
	pthread_mutex_t lock;
	/* the scenario returned, or ended itself */
	bool finished;
	bool skipped;
	/* may exceed RESULT_MAX_WHY */
	unsigned int failures;
	char why[RESULT_MAX_WHY][400];
	char skip[200];
	/* "name=value name=value" */
	char measured[800];
};

/* The result of the running scenario; only one runs at a time. */
extern struct result *result;

int result_init(void);
void result_reset(void);

__attribute__((format(printf, 1, 2)))
void result_fail(const char *fmt, ...);

#endif
