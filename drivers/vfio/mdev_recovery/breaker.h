/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The breaker: gives up on a group whose errors come too often. A pure function
 * of the times of its errors; no locks, no I/O, no allocation.
 */
#ifndef MDR_BREAKER_H
#define MDR_BREAKER_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
typedef unsigned long long u64;
#endif

/* The most errors in a window that can be asked for. */
#define MDR_BREAKER_MAX 64

/**
 * struct mdr_breaker - times of the latest errors of a group
 * @times: a ring, in nanoseconds of one clock that never goes back
 * @count: how many errors since the last reset of the breaker
 */
struct mdr_breaker {
	u64 times[MDR_BREAKER_MAX];
	unsigned int count;
};

void mdr_breaker_reset(struct mdr_breaker *breaker);
bool mdr_breaker_trips(struct mdr_breaker *breaker, u64 now, unsigned int max,
		       u64 window);

#endif
