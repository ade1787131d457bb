/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls of an access, counted by whatever this machine has: instructions by
 * the processor's counter (perf), or else ticks of the time stamp counter.
 */
#ifndef MDR_COUNTER_H
#define MDR_COUNTER_H

#include "vfio_user.h"

struct counter {
	int fd;			/* of perf, or -1 */
	int error;		/* why there is none, an errno */
};

void counter_open(struct counter *c);
const char *counter_unit(const struct counter *c);

/*
 * Measures a device that is open. No register is written but what vfio-pci keeps
 * for itself; a BAR is read only if asked for (bar >= 0), at off. Calls say()
 * with "METRIC UNIT SIDE MINIMUM MEDIAN". 0 or -errno.
 */
int counter_measure(struct counter *c, struct vfio_user *u, const char *side,
		    int bar, uint64_t off, void (*say)(const char *line));

#endif
