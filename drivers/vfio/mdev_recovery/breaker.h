/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The breaker gives up on a group whose errors come too often. Pure: no locks,
 * no I/O, no allocation. The caller serialises all calls for one breaker.
 */
#ifndef MDR_BREAKER_H
#define MDR_BREAKER_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
typedef unsigned long long u64;
#endif

/* Size of the ring; a limit has to be below it. */
#define MDR_BREAKER_MAX 64

struct mdr_breaker {
	u64 times[MDR_BREAKER_MAX];	/* ring; ns of a monotonic clock */
	unsigned int count;		/* errors since the last reset */
};

void mdr_breaker_reset(struct mdr_breaker *breaker);
bool mdr_breaker_trips(struct mdr_breaker *breaker, u64 now, unsigned int max,
		       u64 window);

#endif
