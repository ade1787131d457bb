// SPDX-License-Identifier: GPL-2.0-only
/*
 * The breaker: see breaker.h.
 */
#include "breaker.h"

/**
 * mdr_breaker_reset - forget all errors
 * @breaker: the breaker
 *
 * Context: any; the caller serialises all calls for one breaker.
 */
void mdr_breaker_reset(struct mdr_breaker *breaker)
{
	breaker->count = 0;
}

/**
 * mdr_breaker_trips - note an error: is it one too many?
 * @breaker: the breaker
 * @now: the time of the error, in nanoseconds
 * @max: how many errors a window may hold, up to MDR_BREAKER_MAX - 1; 0 for any
 *	number
 * @window: length of the window that ends at @now, in nanoseconds
 *
 * Context: any; the caller serialises all calls for one breaker.
 * Return: true if the window holds more than @max errors, this one included.
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
