/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Measures the cost of an operation: in instructions where the emulator counts them
 * (QEMU -icount shift=0: the time stamp counter is the instruction count), elsewhere in
 * cycles of that counter.
 */
#ifndef MDR_BENCH_H
#define MDR_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "shim.h"
#include "vfio_user.h"

#define BENCH_MAX_ROUNDS 256

/* One way to assign a function: "vfio_pci", or a policy of ours. */
struct bench_side {
	const char *name;
	struct shim shim;	/* .addr for all; the rest for ours */
	struct vfio_user user;
};

/* Binds the nth function below a port; creates the mdev if it is ours. */
void bench_assign(struct bench_side *s, const char *name, const char *port,
		  unsigned int n);
/* The same, and opens the device. */
void bench_open(struct bench_side *s, const char *name, const char *port,
		unsigned int n);
/* The name by which the device is opened. */
const char *bench_device(const struct bench_side *s);
static inline bool bench_is_shim(const struct bench_side *s)
{
	return s->name[0] != 'v';
}

/* Samples of one metric. */
struct bench {
	unsigned int rounds;
	uint64_t sample[BENCH_MAX_ROUNDS];
};

static inline void bench_add(struct bench *b, uint64_t value)
{
	if (b->rounds < BENCH_MAX_ROUNDS)
		b->sample[b->rounds++] = value;
}

void bench_sort(struct bench *b);

/* Prints minimum and median as a result line, and empties b. */
void bench_say(struct bench *b, const struct bench_side *s, const char *unit,
	       const char *metric);
void bench_say_one(const struct bench_side *s, const char *unit, const char *metric,
		   uint64_t value);

static inline uint64_t bench_now(void)
{
	return __builtin_ia32_rdtsc();
}

/* The cost of reading the counter twice. */
uint64_t bench_nothing(void);

/* Nanoseconds that this thread was running, one per instruction, without sleeps. */
uint64_t bench_running(void);

/* Runs the statement rounds times, one sample each. */
#define BENCH(b, n_rounds, statement)					\
	do {								\
		uint64_t nothing_ = bench_nothing();			\
									\
		for (unsigned int i_ = 0; i_ < (n_rounds); i_++) {	\
			uint64_t start_ = bench_now();			\
									\
			statement;					\
			bench_add(b, bench_now() - start_ - nothing_);	\
		}							\
	} while (0)

#endif
