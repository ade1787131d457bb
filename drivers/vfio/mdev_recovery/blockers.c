// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blockers: functions that make the kernel abandon a recovery, because they have
 * no driver or one without error_detected(). A walk of the host stops for all of
 * them if it meets one, so each blocks the walks that start at, or above, the
 * lowest port that it shares with a function of ours.
 */
#include <linux/rcupdate.h>

#include "function.h"
#include "group.h"

/*
 * Without the device lock: vfio-pci-core's resets of somebody else's function
 * only try to take it, and would fail while we have it. A driver clears
 * pdev->driver before its module goes, and the module's memory goes after a
 * grace period (free_module()).
 */
static bool mdr_is_blocker(struct pci_dev *pdev)
{
	struct pci_driver *driver;

	if (pdev->hdr_type == PCI_HEADER_TYPE_BRIDGE)
		return false;

	guard(rcu)();
	driver = READ_ONCE(pdev->driver);
	return !driver || !driver->err_handler ||
	       !driver->err_handler->error_detected;
}

/* Does the host start walks here? Not at the upstream port of a switch. */
static bool mdr_is_walk_port(struct pci_dev *bridge)
{
	int type = pci_is_pcie(bridge) ? pci_pcie_type(bridge) : -1;

	return type == PCI_EXP_TYPE_ROOT_PORT ||
	       type == PCI_EXP_TYPE_DOWNSTREAM;
}

/* The lowest port above both; NULL if they share none. */
static struct pci_dev *mdr_shared_port(struct pci_dev *pdev,
				       struct pci_dev *other)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);

	while (port && (!mdr_is_walk_port(port) ||
			!mdr_pci_is_below(other, port)))
		port = pci_upstream_bridge(port);
	return port;
}

/* From which port on does the device stop walks that reach the group? */
static struct pci_dev *mdr_blocks_from(struct pci_dev *pdev,
				       struct mdr_snapshot *snapshot)
{
	struct pci_dev *lowest = NULL, *port;
	unsigned int i;

	for (i = 0; i < snapshot->count; i++) {
		port = mdr_shared_port(pdev, snapshot->pdevs[i]);
		if (port && (!lowest || mdr_pci_is_below(port, lowest)))
			lowest = port;
	}
	return lowest;
}

/*
 * for_each_pci_dev() takes no pci_bus_sem, and must not: the AER thread holds it
 * while it waits for device locks, and a task that unbinds a function holds its
 * device lock while it waits for readers of our files.
 */
static int mdr_blockers_walk(struct mdr_group *group, char *buf, ssize_t *at)
{
	struct mdr_snapshot snapshot;
	struct pci_dev *pdev = NULL, *port;
	int count = 0, ret;

	ret = mdr_snapshot_take(group, MDR_SNAPSHOT_ALL, &snapshot);
	if (ret)
		return ret;
	for_each_pci_dev(pdev) {
		if (!mdr_is_blocker(pdev))
			continue;
		port = mdr_blocks_from(pdev, &snapshot);
		if (!port)
			continue;
		count++;
		if (buf)
			*at += sysfs_emit_at(buf, *at, "%s %s\n",
					     pci_name(pdev), pci_name(port));
	}
	mdr_snapshot_put(&snapshot);
	return count;
}

/**
 * mdr_blockers_show - list what stops walks that reach a group
 * @group: the group
 * @buf: a sysfs page: an address a line, and the port from which on it blocks
 *
 * Context: process context, may sleep.
 * Return: the length of the list, or -ENOMEM.
 */
ssize_t mdr_blockers_show(struct mdr_group *group, char *buf)
{
	ssize_t at = 0;
	int ret;

	ret = mdr_blockers_walk(group, buf, &at);
	return ret < 0 ? ret : at;
}

/**
 * mdr_port_has_blockers - will the kernel abandon a walk below this port?
 * @port: the port
 *
 * Context: process context, may sleep.
 * Return: true if something below it stops the walk.
 */
bool mdr_port_has_blockers(struct pci_dev *port)
{
	struct pci_dev *pdev = NULL;
	bool blocked = false;

	for_each_pci_dev(pdev)
		if (mdr_pci_is_below(pdev, port))
			blocked |= mdr_is_blocker(pdev);
	return blocked;
}

/**
 * mdr_blockers_warn - tell the administrator about blockers
 * @function: the function that an mdev was made of
 *
 * Context: process context, may sleep.
 */
void mdr_blockers_warn(struct mdr_function *function)
{
	int count = mdr_blockers_walk(function->group, NULL, NULL);

	if (count > 0)
		pci_warn(function->pdev,
			 "%d function(s) below %s have no error handler, so the kernel will not recover any of them; bind them to mdr-pci (see /sys/class/mdev_recovery/%s/blockers)\n",
			 count, pci_name(function->domain->port),
			 dev_name(&function->group->dev));
}
