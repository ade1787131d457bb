// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blockers: functions below the port of a domain that make the kernel abandon
 * the recovery of all of them, because they have no driver or one without
 * error_detected().
 */
#include "mdr.h"

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

static int mdr_blockers_add(struct pci_dev *pdev, void *data)
{
	struct mdr_blockers *blockers = data;

	if (!mdr_is_blocker(pdev))
		return 0;
	blockers->count++;
	if (blockers->buf)
		blockers->at += sysfs_emit_at(blockers->buf, blockers->at,
					      "%s\n", pci_name(pdev));
	return 0;
}

static void mdr_blockers_walk(struct pci_dev *port,
			      struct mdr_blockers *blockers)
{
	if (port->subordinate)
		pci_walk_bus(port->subordinate, mdr_blockers_add, blockers);
}

/**
 * mdr_blockers_show - list the blockers below a port, one address a line
 * @port: the port of a domain
 * @buf: a sysfs page
 * @at: where in it
 *
 * Context: process context, may sleep; takes pci_bus_sem for reading.
 * Return: where the page ends now.
 */
ssize_t mdr_blockers_show(struct pci_dev *port, char *buf, ssize_t at)
{
	struct mdr_blockers blockers = { .buf = buf, .at = at };

	mdr_blockers_walk(port, &blockers);
	return blockers.at;
}

/**
 * mdr_blockers_warn - tell the administrator once about blockers
 * @function: the function that an mdev was made of
 *
 * Context: process context, may sleep; takes pci_bus_sem for reading.
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
