// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bridges between a root port and a function: switch ports, and bridges to
 * conventional PCI.
 *
 * A reset at a port clears the bus numbers of every bridge below it, and
 * nothing behind them can be reached. The port driver restores switch ports in
 * a recovery that succeeds. Nobody restores them in one that the kernel
 * abandons, nor a bridge without a driver; this file does, from the config
 * space that the kernel saved when it found the bridge (pci_bus_add_device()).
 *
 * The reference on a function pins the bridges above it: a device pins its bus,
 * and a bus its bridge.
 */
#include "function.h"

/* Bound on the bridges above a function: there are 256 bus numbers. */
#define MDR_MAX_BRIDGES 256

/* Is a referenced device below @bridge, at whatever depth? */
bool mdr_pci_is_below(struct pci_dev *pdev, struct pci_dev *bridge)
{
	struct pci_dev *above = pci_upstream_bridge(pdev);

	while (above && above != bridge)
		above = pci_upstream_bridge(above);
	return above;
}

/* The root port of a referenced device; itself if it is on a root bus. */
struct pci_dev *mdr_pci_root(struct pci_dev *pdev)
{
	struct pci_dev *above;

	while ((above = pci_upstream_bridge(pdev)))
		pdev = above;
	return pdev;
}

/* The bridge on the way to @pdev that is @depth bridges below the root port. */
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

/* Has a bridge above a referenced function lost its bus numbers to a reset? */
bool mdr_bridges_are_blank(struct pci_dev *pdev)
{
	struct pci_dev *bridge;
	unsigned int depth;

	/* from 1: resets happen below a port, so none reaches the root port */
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
 * The kernel saves a bridge before a device below it turns on bus mastering, so
 * even the kernel's own recovery loses it. Without it no DMA passes.
 */
static bool mdr_bridge_lost_master(struct pci_dev *bridge)
{
	u16 command;

	return bridge->is_busmaster &&
	       !pci_read_config_word(bridge, PCI_COMMAND, &command) &&
	       !(command & PCI_COMMAND_MASTER);
}

/* Call with the device lock of the bridge held, as the port driver does. */
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
	/* restoring used up the kernel's copy: save it again */
	pci_save_state(bridge);
	mdr_pci_unfreeze(bridge);
	pci_notice(bridge, "bridge was reset and not restored, restored it\n");
	return 0;
}

/*
 * Make a referenced function reachable, once the host is done with it: from the
 * top down, restore each bridge that a reset has left blank or without bus
 * mastering. Only tries to take device locks of bridges.
 *
 * -ENODEV if a bridge does not answer, -ENOLINK if the link below one is down,
 * -EBUSY if a device lock is taken, -EIO if a bridge stays blank.
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
