/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entries of mdev_recovery in a kernel trace, as text.
 */
#ifndef MDRCTL_TRACE_H
#define MDRCTL_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum point_kind {
	POINT_STATE,		/* the state of a group changed */
	POINT_DRAIN,		/* the host waited for users to leave the gate */
	POINT_RESTORE,		/* an attempt to restore a function */
	POINT_STALL,		/* a user waited at the gate */
	POINT_LOST,		/* the trace has a hole here; nothing else is set */
};

#define WORD_SIZE 32

/* Entries with a duration are written at the end of it. */
struct point {
	enum point_kind kind;
	int64_t at_us;		/* by the clock of the trace */
	char group[WORD_SIZE];
	uint64_t event;				/* POINT_STATE */
	char from[WORD_SIZE], why[WORD_SIZE], to[WORD_SIZE];
	uint64_t ns;				/* the others */
	int result;		/* 0 or -errno; for a drain 1 if it succeeded */
};

/* Calls see() for every point of the trace, in order. */
void trace_each(FILE *trace, void (*see)(const struct point *point, void *arg), void *arg);

#endif
