/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostdev: an mdev in the XML of a running domain,
 * <hostdev mode='subsystem' type='mdev'><source><address uuid='...'/>, and what the
 * XML says of the guest's port above it.
 */
#ifndef MDR_AGENT_HOSTDEV_H
#define MDR_AGENT_HOSTDEV_H

#include "group.h"

#define PORT_SIZE	64

/* Why an error at the guest's port would not do: what the XML alone can tell. */
enum obstacle {
	OBSTACLE_NONE,
	OBSTACLE_NO_PORT,	/* it sits on the guest's root bus, or nowhere */
	OBSTACLE_NOT_ROOT_PORT,	/* a bridge or a switch is above it */
	OBSTACLE_NEIGHBOUR,	/* a device that is no mdev sits below the port as well */
	OBSTACLE_LINK,		/* the port cannot report an active link */
};

struct hostdev {
	char mdev[UUID_SIZE];
	/*
	 * What attaches it again: the element as it is, with its place in the guest,
	 * but without an alias that libvirt chose, since libvirt may reuse it.
	 */
	const char *xml;
	char alias[PORT_SIZE];		/* QEMU's name of the device, or "" */
	char port[PORT_SIZE];		/* QEMU's name of the controller above, or "" */
	enum obstacle obstacle;
	char neighbour[PORT_SIZE];	/* the device, or the kind of controller, if any */
	unsigned int mdevs;		/* below the port, this one included */
};

/*
 * Calls each() for every mdev in a domain's XML. Return: 0; -EINVAL if it is not the
 * XML of a domain; -ENOMEM.
 */
int hostdev_each(const char *domain_xml,
		 void (*each)(const struct hostdev *hostdev, void *arg), void *arg);

#endif
