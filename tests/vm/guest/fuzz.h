/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls and files of the user API with arguments that are drawn by a seed. A thread with
 * the same seed draws the same calls in the same order; how the threads meet is another
 * matter.
 */
#ifndef MDR_FUZZ_H
#define MDR_FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>

#include "shim.h"

#define FUZZ_MDEVS 2

/* Mdevs of one group, or just one. Shared by all processes. */
struct fuzz_target {
	const char *port;
	unsigned int count;
	struct shim mdevs[FUZZ_MDEVS];
};

/* What was drawn, in memory that all processes share. */
struct fuzz_count {
	atomic_ulong calls, done, opens, loads, faults, writes, accepted, removals;
};

extern struct fuzz_count *fuzz_count;

/* Below n, which is not 0. */
unsigned int fuzz_below(unsigned int *seed, unsigned int n);
/* A number where things may go wrong. */
uint32_t fuzz_word(unsigned int *seed);

/* A user: draws calls in two threads, until it is killed. */
void fuzz_user(const struct fuzz_target *target, unsigned int seed) __attribute__((noreturn));

/*
 * An administrator: reads and writes every file of the groups and mdevs, removes and makes
 * mdevs, until it is killed.
 */
void fuzz_files(const struct fuzz_target *targets, unsigned int count, unsigned int seed)
	__attribute__((noreturn));

#endif
