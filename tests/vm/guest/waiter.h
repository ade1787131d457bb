/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One access to a device that may have to wait: how long it took and what it
 * gave. In the caller's thread, or in one of its own while the caller looks on.
 * A SIGBUS is caught: not in one process with access_log.h.
 */
#ifndef MDR_WAITER_H
#define MDR_WAITER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "vfio_user.h"

enum waiter_kind {
	WAITER_LOAD,	/* from the mapped region */
	WAITER_STORE,
	WAITER_PREAD,
	WAITER_PWRITE,
	WAITER_IOCTL,	/* GET_IRQ_INFO: one that enters the gate */
	WAITER_RESET,	/* VFIO_DEVICE_RESET */
};

struct waiter {
	/* set by the caller; registers are 32 bits */
	struct vfio_user *u;
	enum waiter_kind kind;
	unsigned int region;
	uint64_t off;
	uint32_t value;		/* to write; afterwards what was read */

	/* read by the caller afterwards */
	int error;		/* 0 or errno; EFAULT stands for a SIGBUS */
	uint64_t ns;

	pthread_t thread;
	atomic_bool done;
};

/* Maps the region if need be, so that the access itself is all that happens. */
int waiter_prepare(struct waiter *w);

/* Here and now. */
void waiter_run(struct waiter *w);

/* In a thread of its own; has it come to its end within ms? */
int waiter_start(struct waiter *w);
bool waiter_ended(struct waiter *w, unsigned int ms);

/* In a child of its own, which ends with it. */
pid_t waiter_fork(struct waiter *w);

#endif
