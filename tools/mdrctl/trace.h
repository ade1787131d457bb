/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entries of mdev_recovery in the rings of a tracefs instance.
 */
#ifndef MDRCTL_TRACE_H
#define MDRCTL_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include <tracefs.h>

enum point_kind {
	POINT_STATE,		/* the state of a group changed */
	POINT_DRAIN,		/* the host waited for users to leave the gate */
	POINT_RESTORE,		/* an attempt to restore a function */
	POINT_STALL,		/* a user waited at the gate */
	POINT_LOST,		/* the trace may have holes before; nothing else is set */
};

#define WORD_SIZE 32

/* Entries with a duration are written at the end of it. */
struct point {
	enum point_kind kind;
	uint64_t at_ns;		/* by the clock of the trace */
	char group[WORD_SIZE];
	uint64_t event;				/* POINT_STATE */
	char from[WORD_SIZE], why[WORD_SIZE], to[WORD_SIZE];
	uint64_t ns;				/* the others */
	int result;		/* 0 or -errno; for a drain 1 if it succeeded */
	size_t order;		/* of entries of the same time */
};

struct trace {
	struct point *points;	/* by their time */
	size_t count, room;
};

/*
 * Reads the rings of the instance, and takes nothing out of them; top: the instance that
 * all of tracefs is. Free the points. Returns 0 or -errno; -EPROTO: the tracepoints of the
 * module that is loaded are others.
 */
int trace_read(struct tracefs_instance *top, struct tracefs_instance *instance,
	       struct trace *trace);

#endif
