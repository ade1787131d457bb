// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blockers: functions that make the kernel abandon a recovery, because they have no
 * driver or one without error_detected(). One blocker stops a walk for all functions,
 * if the walk starts at or above the lowest port that it shares with one of ours.
 */
#include <linux/rcupdate.h>

#include "function.h"
#include "group.h"

/*
 * A walk goes down from bridge to bus. A VF whose number is beyond the bus of its PF is
 * on a bus that the kernel has added below no bridge.
 */
static bool mdr_is_beside_walks(struct pci_dev *pdev)
{
	return pdev->is_virtfn && !pdev->bus->self;
}

/*
 * Without the device lock: vfio-pci-core only tries to take it when it resets another
 * user's function, and would fail. RCU is enough: a driver clears pdev->driver before its
 * module goes, and the module's memory goes a grace period later (free_module()).
 */
static bool mdr_is_blocker(struct pci_dev *pdev)
{
	struct pci_driver *driver;

	if (pdev->hdr_type == PCI_HEADER_TYPE_BRIDGE ||
	    mdr_is_beside_walks(pdev))
		return false;

	guard(rcu)();
	driver = READ_ONCE(pdev->driver);
	return !driver || !driver->err_handler ||
	       !driver->err_handler->error_detected;
}

/* Does the host start walks here? It does not at a switch's upstream port. */
static bool mdr_is_walk_port(struct pci_dev *bridge)
{
	int type = pci_is_pcie(bridge) ? pci_pcie_type(bridge) : -1;

	return type == PCI_EXP_TYPE_ROOT_PORT ||
	       type == PCI_EXP_TYPE_DOWNSTREAM;
}

/* The lowest port above both, or NULL. */
static struct pci_dev *mdr_shared_port(struct pci_dev *pdev,
				       struct pci_dev *other)
{
	struct pci_dev *port = mdr_pci_above(pdev);

	while (port && (!mdr_is_walk_port(port) ||
			!mdr_pci_is_below(other, port)))
		port = mdr_pci_above(port);
	return port;
}

/* The lowest port from which walks to the group meet @pdev, or NULL. */
static struct pci_dev *mdr_blocks_from(struct pci_dev *pdev,
				       struct mdr_snapshot *snapshot)
{
	struct pci_dev *lowest = NULL, *port;
	unsigned int i;

	for (i = 0; i < snapshot->count; i++) {
		if (mdr_is_beside_walks(snapshot->pdevs[i]))
			continue;
		port = mdr_shared_port(pdev, snapshot->pdevs[i]);
		if (port && (!lowest || mdr_pci_is_below(port, lowest)))
			lowest = port;
	}
	return lowest;
}

/*
 * Never take pci_bus_sem here: the AER thread holds it while it waits for
 * device locks, and a task that unbinds a function holds its device lock while
 * it waits for readers of our files. for_each_pci_dev() does not take it.
 */
static int mdr_blockers_walk(struct mdr_group *group, char *buf, ssize_t *at)
{
	struct mdr_snapshot snapshot;
	struct pci_dev *pdev = NULL, *port;
	int count = 0, ret;

	ret = mdr_snapshot_take_briefly(group, &snapshot);
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

/* List what stops walks to the group, and the port from which it does. */
ssize_t mdr_blockers_show(struct mdr_group *group, char *buf)
{
	ssize_t at = 0;
	int ret;

	ret = mdr_blockers_walk(group, buf, &at);
	return ret < 0 ? ret : at;
}

/* Will the kernel abandon a walk below this port? */
bool mdr_port_has_blockers(struct pci_dev *port)
{
	struct pci_dev *pdev = NULL;
	bool blocked = false;

	for_each_pci_dev(pdev)
		if (mdr_pci_is_below(pdev, port))
			blocked |= mdr_is_blocker(pdev);
	return blocked;
}

void mdr_blockers_warn(struct mdr_function *function)
{
	int count = mdr_blockers_walk(function->group, NULL, NULL);

	if (count > 0)
		pci_warn(function->pdev,
			 "%d function(s) below %s have no error handler, so the kernel will not recover any of them; bind them to mdr-pci (see /sys/class/mdev_recovery/%s/blockers)\n",
			 count, pci_name(function->domain->port),
			 dev_name(&function->group->dev));
}
