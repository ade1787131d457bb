// SPDX-License-Identifier: GPL-2.0-only
/* The breaker: see breaker.h. */
#include "breaker.h"

void mdr_breaker_reset(struct mdr_breaker *breaker)
{
	breaker->count = 0;
}

/*
 * Record an error at @now, in ns. True if the window of @window ns that ends there
 * holds more than @max errors; @max is below MDR_BREAKER_MAX, or 0 for no limit.
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
