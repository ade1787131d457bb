// SPDX-License-Identifier: GPL-2.0-only
/* The breaker: see breaker.h. */
#include "breaker.h"

void mdr_breaker_reset(struct mdr_breaker *breaker)
{
	breaker->count = 0;
}

/**
 * mdr_breaker_trips - record an error and judge the rate
 * @breaker: the breaker
 * @now: the time of the error, in nanoseconds
 * @max: errors allowed in a window, below MDR_BREAKER_MAX; 0 for no limit
 * @window: length of the window that ends at @now, in nanoseconds
 *
 * Return: true if the window holds more than @max errors, including this one.
 */
bool mdr_breaker_trips(struct mdr_breaker *breaker, u64 now, unsigned int max,
		       u64 window)
{
	u64 oldest;

	breaker->times[breaker->count++ % MDR_BREAKER_MAX] = now;
	if (!max || max >= MDR_BREAKER_MAX || breaker->count <= max)
		return false;

	oldest = breaker->times[(breaker->count - 1 - max) % MDR_BREAKER_MAX];
	return now - oldest <= window;
}
