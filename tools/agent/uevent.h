/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uevent: what the kernel says of groups, straight from its socket: that needs no
 * udevd, and is not delayed by it. A filter in the kernel keeps out all that is not
 * about a group: no foreign uevent wakes the agent, or takes room in its buffer.
 */
#ifndef MDR_AGENT_UEVENT_H
#define MDR_AGENT_UEVENT_H

#include "group.h"

struct uevent {
	char group[GROUP_SIZE];
	char state[16];		/* "" if the group has come or gone */
};

/* Return: the socket, not blocking, or -errno. */
int uevent_open(void);

/* Sets the filter on a socket. Return: 0 or -errno. */
int uevent_filter(int fd);

/*
 * Takes one message from the socket. Return: 0; -EAGAIN if there is none; -ENOENT if it
 * is not about a group; -ENOBUFS if some were lost; another -errno.
 */
int uevent_read(int fd, struct uevent *uevent);

#endif
