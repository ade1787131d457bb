/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostdev: an mdev in the XML of a domain,
 * <hostdev mode='subsystem' type='mdev'><source><address uuid='...'/>.
 */
#ifndef MDR_REATTACHD_HOSTDEV_H
#define MDR_REATTACHD_HOSTDEV_H

#include "group.h"

/*
 * Calls each() for every mdev in a domain's XML, with its UUID and with the
 * XML to attach it again: the element as it is, its place in the guest
 * included, but without an alias that libvirt gave and may give to another.
 * Return: 0; -EINVAL if it is no domain's XML; -ENOMEM.
 */
int hostdev_each(const char *domain_xml,
		 void (*each)(const char *mdev, const char *xml, void *arg), void *arg);

#endif
