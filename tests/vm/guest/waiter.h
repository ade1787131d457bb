/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One access to a device that may have to wait: its duration and its result. It runs
 * in the caller's thread, or in its own thread while the caller watches.
 */
#ifndef MDR_WAITER_H
#define MDR_WAITER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "access.h"

enum waiter_kind {
	WAITER_LOAD = ACCESS_MAP_READ,
	WAITER_STORE = ACCESS_MAP_WRITE,
	WAITER_PREAD = ACCESS_PREAD,
	WAITER_PWRITE = ACCESS_PWRITE,
	WAITER_IOCTL,	/* GET_IRQ_INFO: one that enters the gate */
	WAITER_RESET,	/* VFIO_DEVICE_RESET */
};

struct waiter {
	/* set by the caller; registers are 32 bits */
	struct vfio_user *u;
	enum waiter_kind kind;
	unsigned int region;
	uint64_t off;
	uint32_t value;		/* to write; or, afterwards, what was read */

	/* read by the caller afterwards */
	int error;		/* 0 or errno; EFAULT stands for a SIGBUS */
	uint64_t ns;

	pthread_t thread;
	atomic_int task;		/* its thread id */
	atomic_bool done;
};

/* Maps the region if needed, so that later only the access itself happens. */
int waiter_prepare(struct waiter *w);

/* Runs in the caller's thread. */
void waiter_run(struct waiter *w);

/* Runs in its own thread; has it ended within ms? */
int waiter_start(struct waiter *w);
bool waiter_ended(struct waiter *w, unsigned int ms);
/* Is it in this function of the kernel within ms; is it waiting at a closed gate? */
bool waiter_in(struct waiter *w, const char *function, unsigned int ms);
bool waiter_waits(struct waiter *w, unsigned int ms);

/* Runs in its own child process, which then exits. */
pid_t waiter_fork(struct waiter *w);

#endif
