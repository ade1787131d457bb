// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blockers: functions below the port of a domain that make the kernel abandon
 * the recovery of all of them, because they have no driver or one without
 * error_detected().
 */
#include "function.h"
#include "group.h"

struct mdr_blockers {
	char *buf;
	ssize_t at;
	unsigned int count;
};

static bool mdr_is_blocker(struct pci_dev *pdev)
{
	bool blocks;

	if (pdev->hdr_type == PCI_HEADER_TYPE_BRIDGE)
		return false;
	/* being bound or unbound right now: ask again later */
	if (!device_trylock(&pdev->dev))
		return false;
	blocks = !pdev->driver || !pdev->driver->err_handler ||
		 !pdev->driver->err_handler->error_detected;
	device_unlock(&pdev->dev);
	return blocks;
}

static bool mdr_is_below(struct pci_dev *pdev, struct pci_dev *port)
{
	struct pci_dev *bridge = pci_upstream_bridge(pdev);

	while (bridge && bridge != port)
		bridge = pci_upstream_bridge(bridge);
	return bridge;
}

/*
 * for_each_pci_dev() takes no pci_bus_sem, and must not: the AER thread holds it
 * while it waits for device locks, and whoever unbinds a function holds its
 * device lock while it waits for readers of our files.
 */
static void mdr_blockers_walk(struct pci_dev *port,
			      struct mdr_blockers *blockers)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		if (!mdr_is_below(pdev, port) || !mdr_is_blocker(pdev))
			continue;
		blockers->count++;
		if (blockers->buf)
			blockers->at += sysfs_emit_at(blockers->buf,
						      blockers->at, "%s\n",
						      pci_name(pdev));
	}
}

/**
 * mdr_blockers_show - list the blockers below a port, one address a line
 * @port: the port of a domain
 * @buf: a sysfs page
 * @at: where in it
 *
 * Context: process context, may sleep.
 * Return: where the page ends now.
 */
ssize_t mdr_blockers_show(struct pci_dev *port, char *buf, ssize_t at)
{
	struct mdr_blockers blockers = { .buf = buf, .at = at };

	mdr_blockers_walk(port, &blockers);
	return blockers.at;
}

/**
 * mdr_has_blockers - will the kernel abandon recoveries below a port?
 * @port: the port
 *
 * Context: process context, may sleep.
 * Return: true if some function below has no error handler.
 */
bool mdr_has_blockers(struct pci_dev *port)
{
	struct mdr_blockers blockers = {};

	mdr_blockers_walk(port, &blockers);
	return blockers.count;
}

/**
 * mdr_blockers_warn - tell the administrator once about blockers
 * @function: the function that an mdev was made of
 *
 * Context: process context, may sleep.
 */
void mdr_blockers_warn(struct mdr_function *function)
{
	struct mdr_blockers blockers = {};

	mdr_blockers_walk(function->domain->port, &blockers);
	if (blockers.count)
		pci_warn(function->pdev,
			 "%u function(s) below %s have no error handler, so the kernel will not recover any of them; bind them to mdr-pci (see /sys/class/mdev_recovery/%s/blockers)\n",
			 blockers.count, pci_name(function->domain->port),
			 dev_name(&function->group->dev));
}
