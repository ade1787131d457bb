/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long recoveries took, against the kernel's own: by its log, from the report
 * of the error to the end of the port's recovery.
 */
#ifndef MDR_TOOK_H
#define MDR_TOOK_H

#include "scenario.h"
#include "shim.h"

/* What a busy machine adds to a wake-up, and to the work that ends a recovery. */
#define TOOK_LATE_MS 500
/* The kernel's own recovery takes 200 ms, on a machine that has nothing else to do. */
#define TOOK_HOST_MS 1500

/*
 * The kernel's last recovery of the group's port, with the callbacks of the shim
 * in it; TOOK_HOST_MS if its log does not say, and at most that.
 */
unsigned int took_host_ms(const struct shim *s);

/* The last recovery took hardly longer than the kernel's. */
#define MEASURE_RECOVERY(name, s)						\
	MEASURE_BOUND(name, shim_recovery_ms((s)->group),			\
		      took_host_ms(s) + TOOK_LATE_MS)

/* A user waited hardly longer than the longest recovery after a strike(). */
#define MEASURE_STALL(name, ns)							\
	MEASURE_BOUND(name, (ns) / NS_PER_MS, took_longest_ms() + TOOK_LATE_MS)

/* strike() notes each recovery. */
void took_note(const struct shim *s);
uint64_t took_longest_ms(void);

#endif
