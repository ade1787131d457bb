/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostdev: an mdev in the XML of a domain,
 * <hostdev mode='subsystem' type='mdev'><source><address uuid='...'/>.
 */
#ifndef MDR_AGENT_HOSTDEV_H
#define MDR_AGENT_HOSTDEV_H

#include "group.h"

/*
 * Calls each() for every mdev in a domain's XML, with its UUID and the XML that
 * attaches it again. That is the element as it is, with its place in the guest, but
 * without an alias that libvirt chose, since libvirt may reuse it.
 * Return: 0; -EINVAL if it is not the XML of a domain; -ENOMEM.
 */
int hostdev_each(const char *domain_xml,
		 void (*each)(const char *mdev, const char *xml, void *arg), void *arg);

#endif
