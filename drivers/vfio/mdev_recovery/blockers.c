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
 * Does the function stop non-fatal walks? A disconnected one does, whatever its driver is
 * (report_error_detected() in drivers/pci/pcie/err.c).
 *
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
	if (pci_dev_is_disconnected(pdev))
		return true;

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

/* Add a line to @buf, unless it has no room for all of it. */
static ssize_t mdr_blocker_emit(char *buf, ssize_t at, struct pci_dev *pdev,
				struct pci_dev *port)
{
	char line[64];
	int length;

	length = scnprintf(line, sizeof(line), "%s %s\n", pci_name(pdev),
			   pci_name(port));
	return at + length < PAGE_SIZE ?
		       at + sysfs_emit_at(buf, at, "%s", line) : at;
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
		/* it is not without a handler, and leaves soon */
		count += !pci_dev_is_disconnected(pdev);
		if (buf)
			*at = mdr_blocker_emit(buf, *at, pdev, port);
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

/*
 * Will the kernel abandon a fatal walk below this port? Ours vote for a reset then, which
 * outweighs the vote of a function that is disconnected (merge_result()).
 */
static bool mdr_port_has_blockers(struct pci_dev *port)
{
	struct pci_dev *pdev = NULL;
	bool blocked = false;

	for_each_pci_dev(pdev)
		if (mdr_pci_is_below(pdev, port))
			blocked |= !pci_dev_is_disconnected(pdev) &&
				   mdr_is_blocker(pdev);
	return blocked;
}

/*
 * Has an abandoned recovery made its reset? That holds the device locks of all functions
 * below the port, and leaves the function or a bridge above it blank.
 */
static bool mdr_function_shows_reset(struct mdr_function *function)
{
	struct pci_dev *pdev = function->pdev;

	return !function->error.was_blank &&
	       mdr_port_has_blockers(mdr_walk_port_of(function)) &&
	       (mdr_bridges_are_blank(pdev) ||
		(mdr_function_answers(pdev) &&
		 mdr_function_is_blank(function)));
}

/*
 * Does the host reset this function no more? Of two walks, one may be past its reset, and
 * the other may still make its own.
 */
static bool mdr_function_abandoned(struct pci_dev *pdev)
{
	struct mdr_function *function;
	bool abandoned = true;

	if (!device_trylock(&pdev->dev))
		return false;
	function = mdr_function_find(pdev);
	if (function && READ_ONCE(function->recovering))
		abandoned = !READ_ONCE(function->walkers[1]) &&
			    (function->error.past_reset ==
				     READ_ONCE(function->walkers[0]) ||
			     mdr_function_shows_reset(function));
	device_unlock(&pdev->dev);
	return abandoned;
}

/*
 * Not every kernel tells that it abandons a recovery (6.12 does not). With a
 * blocker below the port of the walk it always abandons it, right after its reset; and once
 * a walk has come to slot_reset, it resets nothing any more. Each function that waits for the
 * host has to show one of these: otherwise the host might reset it later, with a user inside.
 */
bool mdr_host_has_abandoned(struct mdr_group *group)
{
	struct mdr_snapshot snapshot;
	bool abandoned;
	unsigned int i;

	abandoned = !mdr_snapshot_take(group, MDR_SNAPSHOT_ALL, &snapshot);
	for (i = 0; i < snapshot.count; i++)
		abandoned &= mdr_function_abandoned(snapshot.pdevs[i]);
	mdr_snapshot_put(&snapshot);
	return abandoned;
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
