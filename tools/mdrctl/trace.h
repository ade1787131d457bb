/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A trace of the kernel, as text: what mdev_recovery has written into it.
 */
#ifndef MDRCTL_TRACE_H
#define MDRCTL_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum point_kind {
	POINT_STATE,		/* a group went from one state to another */
	POINT_DRAIN,		/* the host waited for users to leave the gate */
	POINT_RESTORE,		/* a function was restored, or could not be yet */
	POINT_STALL,		/* a user waited at the gate */
	POINT_LOST,		/* the trace has a hole here; nothing else is set */
};

#define WORD_SIZE 32

/* What has a duration is written at its end. */
struct point {
	enum point_kind kind;
	int64_t at_us;		/* by the clock of the trace */
	char group[WORD_SIZE];
	uint64_t event;				/* POINT_STATE */
	char from[WORD_SIZE], why[WORD_SIZE], to[WORD_SIZE];
	uint64_t ns;				/* the others */
	int result;		/* 0 or -errno; of a drain: 1 if it did drain */
};

/* Calls see() for every point of the trace, in its order. */
void trace_each(FILE *trace, void (*see)(const struct point *point, void *arg), void *arg);

#endif
