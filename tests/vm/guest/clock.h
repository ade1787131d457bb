/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDR_CLOCK_H
#define MDR_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_MS 1000000ull

/*
 * How many times longer than a stock kernel this one may take: mdr.patience on the
 * kernel's command line, 1 by default. All bounds of waits are multiplied by it.
 */
extern unsigned int patience;

static inline unsigned int patient_ms(unsigned int ms)
{
	return ms * patience;
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static inline uint64_t now_ms(void)
{
	return now_ns() / NS_PER_MS;
}

static inline void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000l };

	while (nanosleep(&ts, &ts))
		;
}

/*
 * Evaluates cond until it is true or patient_ms(ms) have passed; the value is
 * whether it became true.
 */
#define WAIT_FOR(cond, ms) ({					\
	uint64_t wait_end_ = now_ms() + patient_ms(ms);		\
	bool wait_ok_;						\
								\
	while (!(wait_ok_ = !!(cond)) && now_ms() < wait_end_)	\
		sleep_ms(2);					\
	wait_ok_;						\
})

#endif
