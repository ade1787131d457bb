/* SPDX-License-Identifier: GPL-2.0-only */
/* Users that hold on to a device when they are asked to release it. */
#ifndef MDR_HOLDER_H
#define MDR_HOLDER_H

#include <sys/types.h>

#include "vfio_user.h"

enum grip {
	GRIP_FILE,	/* the open device */
	GRIP_MAPPING,	/* only a mapping, all files closed */
	GRIP_THREAD,	/* the open device, in a thread that outlives the first thread */
	GRIP_READS,	/* reads the mapping all the time, so it waits at a closed gate */
	GRIP_LEAVES,	/* closes when asked to */
	GRIP_SOCKET,	/* the file in a socket that nobody reads, all others closed */
	GRIP_RING,	/* the file in an io_uring, all others closed */
	GRIP_OWN_FILES,	/* the file in descriptors that one of its threads has for itself */
	GRIP_SOCKET_THREAD,	/* as in a socket, and the first thread has ended */
};

/* Starts a child; it has the device when this returns. */
pid_t holder_fork(enum grip grip, const char *uuid);

/* The same with a device that the caller has opened and goes on having. */
pid_t holder_inherit(enum grip grip, struct vfio_user *parent);

/* Sends a file into a socket that nobody reads. Returns the end that has it. */
int holder_hide(int fd);

#endif
