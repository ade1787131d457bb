/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts the calls of an access with what this machine has: instructions, with the
 * processor's counter (perf), or else ticks of the time stamp counter.
 */
#ifndef MDR_COUNTER_H
#define MDR_COUNTER_H

#include "vfio_user.h"

/* For qsort() of samples. */
int counter_compare(const void *a, const void *b);

struct counter {
	int fd;			/* of perf, or -1 */
	int error;		/* the errno if there is none */
};

void counter_open(struct counter *c);
const char *counter_unit(const struct counter *c);

/*
 * Measures an open device. Writes only registers that vfio-pci emulates; reads a BAR
 * only on request (bar >= 0), at off. Calls say() with "METRIC UNIT SIDE MINIMUM
 * MEDIAN". 0 or -errno.
 */
int counter_measure(struct counter *c, struct vfio_user *u, const char *side,
		    int bar, uint64_t off, void (*say)(const char *line));

#endif
