/* SPDX-License-Identifier: GPL-2.0-only */
/* Users of a device who are to leave it, and do not. */
#ifndef MDR_HOLDER_H
#define MDR_HOLDER_H

#include <sys/types.h>

enum grip {
	GRIP_FILE,	/* the open device */
	GRIP_MAPPING,	/* a mapping, all files closed */
	GRIP_THREAD,	/* the open device, in a thread that outlived the first one */
	GRIP_READS,	/* reads the mapping all the time: waits at a closed gate */
	GRIP_LEAVES,	/* closes when asked to */
};

/* A child that has the device by the time this returns. */
pid_t holder_fork(enum grip grip, const char *uuid);

#endif
