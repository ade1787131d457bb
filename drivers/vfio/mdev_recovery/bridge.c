// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bridges between a root port and a function: switch ports, and bridges to
 * conventional PCI.
 *
 * A reset at a port leaves every bridge below it without bus numbers, and what
 * lies behind them out of reach. After a recovery that went well the port driver
 * has restored switch ports. After one that the kernel abandoned, or for a bridge
 * without a driver, nobody has. The kernel saves the config space of each bridge
 * when it finds it (pci_bus_add_device()); that goes back here.
 *
 * The reference on a function keeps the bridges above it: a bus keeps its bridge,
 * and a device keeps its bus.
 */
#include "function.h"

/* How many bridges one can pass on the way up: there are 256 bus numbers. */
#define MDR_MAX_BRIDGES 256

/**
 * mdr_pci_is_below - is a device below a bridge?
 * @pdev: the device, referenced
 * @bridge: the bridge
 *
 * Return: true if it is, at whatever depth.
 */
bool mdr_pci_is_below(struct pci_dev *pdev, struct pci_dev *bridge)
{
	struct pci_dev *above = pci_upstream_bridge(pdev);

	while (above && above != bridge)
		above = pci_upstream_bridge(above);
	return above;
}

/**
 * mdr_pci_root - the top of the hierarchy that a device is in
 * @pdev: the device, referenced
 *
 * Return: its root port; the device itself if it is on a root bus.
 */
struct pci_dev *mdr_pci_root(struct pci_dev *pdev)
{
	struct pci_dev *above;

	while ((above = pci_upstream_bridge(pdev)))
		pdev = above;
	return pdev;
}

/* The bridge that is @depth bridges below the root port, on the way to @pdev. */
static struct pci_dev *mdr_bridge_at(struct pci_dev *pdev, unsigned int depth)
{
	struct pci_dev *bridge, *above;
	unsigned int below = 0;

	for (bridge = pci_upstream_bridge(pdev); bridge;
	     bridge = pci_upstream_bridge(bridge))
		below++;
	if (depth >= below)
		return NULL;
	for (above = pdev; below > depth; below--)
		above = pci_upstream_bridge(above);
	return above;
}

static bool mdr_bridge_answers(struct pci_dev *bridge)
{
	return pci_device_is_present(bridge);
}

/* A reset clears the bus numbers (PCI Express 6.0, 7.5.1.3.3 to 7.5.1.3.5). */
static bool mdr_bridge_is_blank(struct pci_dev *bridge)
{
	u32 buses;

	if (!bridge->subordinate ||
	    pci_read_config_dword(bridge, PCI_PRIMARY_BUS, &buses))
		return false;
	return ((buses >> 8) & 0xff) != bridge->subordinate->number;
}

static bool mdr_bridge_link_is_down(struct pci_dev *bridge)
{
	u16 status;

	if (!bridge->link_active_reporting ||
	    pcie_capability_read_word(bridge, PCI_EXP_LNKSTA, &status))
		return false;
	return !(status & PCI_EXP_LNKSTA_DLLLA);
}

/**
 * mdr_bridges_are_blank - did a reset reach a bridge above a function?
 * @pdev: the function, referenced
 *
 * Return: true if a bridge answers and has no bus numbers.
 */
bool mdr_bridges_are_blank(struct pci_dev *pdev)
{
	struct pci_dev *bridge;
	unsigned int depth;

	/* the root port itself is not below any reset of its own */
	for (depth = 1; depth < MDR_MAX_BRIDGES; depth++) {
		bridge = mdr_bridge_at(pdev, depth);
		if (!bridge || !mdr_bridge_answers(bridge))
			return false;
		if (mdr_bridge_is_blank(bridge))
			return true;
	}
	return false;
}

/*
 * The kernel saves a bridge before something below it turns its bus mastering on,
 * and so loses that in its own recovery, too. Without it no DMA passes.
 */
static bool mdr_bridge_lost_master(struct pci_dev *bridge)
{
	u16 command;

	return bridge->is_busmaster &&
	       !pci_read_config_word(bridge, PCI_COMMAND, &command) &&
	       !(command & PCI_COMMAND_MASTER);
}

/* With the device lock of the bridge held, as the port driver has it. */
static int mdr_bridge_restore(struct pci_dev *bridge)
{
	if (!mdr_bridge_is_blank(bridge)) {
		if (mdr_bridge_lost_master(bridge))
			pci_set_master(bridge);
		return 0;
	}
	pci_restore_state(bridge);
	if (mdr_bridge_is_blank(bridge)) {
		pci_err(bridge, "bridge does not take its bus numbers back: remove and rescan it\n");
		return -EIO;
	}
	if (bridge->is_busmaster)
		pci_set_master(bridge);
	/* the kernel's copy stays good for the next time */
	pci_save_state(bridge);
	mdr_pci_unfreeze(bridge);
	pci_notice(bridge, "bridge was reset and not restored, restored it\n");
	return 0;
}

/**
 * mdr_bridges_restore - open the way to a function
 * @pdev: the function, referenced
 *
 * From the top down, restores each bridge that a reset has left blank, or without
 * bus mastering. Only looks at the ones that are well.
 *
 * Context: process context, may sleep; the host is done with the function. Only
 * tries to take the device locks of the bridges.
 * Return: 0; -ENODEV if a bridge does not answer; -ENOLINK if the link below one
 * is down; -EBUSY if somebody holds a bridge; -EIO if a bridge stays blank.
 */
int mdr_bridges_restore(struct pci_dev *pdev)
{
	struct pci_dev *bridge;
	unsigned int depth;
	int ret = 0;

	for (depth = 0; depth < MDR_MAX_BRIDGES && !ret; depth++) {
		bridge = mdr_bridge_at(pdev, depth);
		if (!bridge)
			break;
		if (pci_dev_is_disconnected(bridge) ||
		    !mdr_bridge_answers(bridge))
			return -ENODEV;
		if (mdr_bridge_is_blank(bridge) ||
		    mdr_bridge_lost_master(bridge)) {
			if (!device_trylock(&bridge->dev))
				return -EBUSY;
			ret = mdr_bridge_restore(bridge);
			device_unlock(&bridge->dev);
		}
		if (!ret && mdr_bridge_link_is_down(bridge))
			ret = -ENOLINK;
	}
	return ret;
}
