/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that access a device as fast as they can and record what they see: the
 * results of the accesses, and the long ones.
 */
#ifndef MDR_ACCESS_LOG_H
#define MDR_ACCESS_LOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "access.h"

#define ACCESS_MAX_STALLS 16
#define ACCESS_STALL_NS (20 * 1000000ull)

struct access_stall {
	uint64_t start_ns;
	uint64_t end_ns;
	uint32_t value;		/* the result of the access */
	int error;		/* 0 or errno; EFAULT stands for a SIGBUS */
};

struct access_log {
	/* set by the caller; registers are 32 bits */
	struct vfio_user *u;
	enum access_kind kind;
	unsigned int region;
	uint64_t off;
	uint32_t value;		/* to write, or expected from a read */
	uint32_t ignore;	/* bits of a read that may have any value */
	unsigned int pause_us;	/* between two accesses */

	/* read by the caller after access_stop() */
	uint64_t count;
	uint64_t ones;		/* reads that gave all-ones */
	uint64_t wrong;		/* neither value nor all-ones */
	uint32_t last_wrong;
	uint64_t errors;	/* failed system calls */
	uint64_t faults;	/* SIGBUS */
	int last_errno;
	uint64_t longest_ns;
	unsigned int nr_stalls;	/* those longer than ACCESS_STALL_NS */
	struct access_stall stalls[ACCESS_MAX_STALLS];

	/* the thread's */
	pthread_t thread;
	atomic_bool stop;
	atomic_uint_fast64_t live_count;
};

/* Maps the region if needed, starts the thread, waits for its first access. */
int access_start(struct access_log *log);
/* Waits for its current access to end. */
void access_stop(struct access_log *log);
/* The number of accesses so far, while the thread runs. */
uint64_t access_count(struct access_log *log);

#endif
