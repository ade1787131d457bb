// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bridges between a root port and a function: switch ports, and bridges to
 * conventional PCI.
 *
 * A reset at a port clears the bus numbers of every bridge below it, and nothing
 * behind them can be reached. If a recovery succeeds, the port driver restores the
 * switch ports. The kernel restores them neither in a recovery that it abandons,
 * nor if a bridge has no driver. This file does.
 *
 * The shim keeps its own copy of each bridge, taken whenever a function below it is
 * bound. The kernel's copy is not good enough: it is lost if the port driver saves
 * a switch without power (6.12), and it dates from when the bridge was found, so a
 * hotplug may have moved the windows since.
 *
 * The reference on a function pins the bridges above it: a device pins its bus,
 * and a bus its bridge. To a VF its PF belongs as well: it is pinned while the VF is
 * bound, and by a snapshot.
 */
#include <linux/list.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "function.h"
#include "group.h"

/* Bound on the bridges above a function: there are 256 bus numbers. */
#define MDR_MAX_BRIDGES 256

/*
 * The bridge above a referenced device. Unlike pci_upstream_bridge() not by way of the PF
 * of a VF: the kernel drops the VF's reference on it when it removes the VF
 * (pci_iov_remove_virtfn()). NULL for a VF on a bus that the kernel has added below no
 * bridge.
 */
struct pci_dev *mdr_pci_above(struct pci_dev *pdev)
{
	return pdev->bus->self;
}

/* Is a referenced device below @bridge, at whatever depth? */
bool mdr_pci_is_below(struct pci_dev *pdev, struct pci_dev *bridge)
{
	struct pci_dev *above = mdr_pci_above(pdev);

	while (above && above != bridge)
		above = mdr_pci_above(above);
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
	/* a removal may clear it at any time; the function below keeps the bus itself */
	struct pci_bus *bus = READ_ONCE(bridge->subordinate);
	u32 buses;

	if (!bus || pci_read_config_dword(bridge, PCI_PRIMARY_BUS, &buses))
		return false;
	return ((buses >> 8) & 0xff) != bus->number;
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

/* The bus number and window registers of a bridge, from PCI_PRIMARY_BUS on. */
#define MDR_WAYS 7

/* Their significant bits: bus numbers, I/O, memory, prefetchable, upper parts. */
static const u32 mdr_way_masks[MDR_WAYS] = {
	0x00ffffff, 0x0000f0f0, 0xfff0fff0, 0xfff0fff0, ~0u, ~0u, ~0u,
};

/**
 * struct mdr_bridge - a bridge above functions of ours; mdr_bridges_lock
 * @item: in mdr_bridges
 * @pdev: the bridge, referenced
 * @functions: how many functions below it are bound
 * @saved: its config space when it was last known to be good, or NULL
 * @ways: what the kernel knew of its bus numbers and windows at that time
 */
struct mdr_bridge {
	struct list_head item;
	struct pci_dev *pdev;
	unsigned int functions;
	struct pci_saved_state *saved;
	u32 ways[MDR_WAYS];
};

/* Innermost: no device is touched under it. */
static DEFINE_MUTEX(mdr_bridges_lock);
static LIST_HEAD(mdr_bridges);

static struct mdr_bridge *mdr_bridge_find(struct pci_dev *bridge)
{
	struct mdr_bridge *known;

	lockdep_assert_held(&mdr_bridges_lock);

	list_for_each_entry(known, &mdr_bridges, item)
		if (known->pdev == bridge)
			return known;
	return NULL;
}

/* A window in bus addresses; one that is closed ends before it begins. */
static struct pci_bus_region mdr_bridge_window(struct pci_dev *bridge,
					       unsigned int index, u32 closed)
{
	struct pci_bus_region region = { .start = closed };
	struct resource *window = &bridge->resource[index];

	if (window->parent && !(window->flags & IORESOURCE_UNSET))
		pcibios_resource_to_bus(bridge->bus, &region, window);
	return region;
}

/* The kernel's numbers and windows as registers (PCI-to-PCI Bridge 1.2, 3.2.5). */
static void mdr_bridge_ways(struct pci_dev *bridge, u32 ways[MDR_WAYS])
{
	struct resource *buses = &bridge->subordinate->busn_res;
	struct pci_bus_region io, memory, prefetch;

	io = mdr_bridge_window(bridge, PCI_BRIDGE_IO_WINDOW, 0xf000);
	memory = mdr_bridge_window(bridge, PCI_BRIDGE_MEM_WINDOW, 0xfff00000);
	prefetch = mdr_bridge_window(bridge, PCI_BRIDGE_PREF_MEM_WINDOW,
				     0xfff00000);
	ways[0] = bridge->bus->number | buses->start << 8 | buses->end << 16;
	ways[1] = (io.start >> 8 & 0xf0) | (io.end & 0xf000);
	ways[2] = (memory.start >> 16 & 0xfff0) | (memory.end & 0xfff00000);
	ways[3] = (prefetch.start >> 16 & 0xfff0) | (prefetch.end & 0xfff00000);
	ways[4] = upper_32_bits(prefetch.start);
	ways[5] = upper_32_bits(prefetch.end);
	ways[6] = (io.start >> 16 & 0xffff) | (io.end & 0xffff0000);
}

/*
 * What the kernel has moved since the copy was taken: the new register values, and
 * a mask for each, which is 0 if nothing moved.
 */
static bool mdr_bridge_moved(struct pci_dev *bridge, u32 ways[MDR_WAYS],
			     u32 masks[MDR_WAYS])
{
	struct mdr_bridge *known;
	bool moved = false;
	unsigned int i;

	guard(mutex)(&mdr_bridges_lock);
	known = mdr_bridge_find(bridge);
	if (!known || !known->saved)
		return false;
	mdr_bridge_ways(bridge, ways);
	for (i = 0; i < MDR_WAYS; i++) {
		masks[i] = ways[i] == known->ways[i] ? 0 : mdr_way_masks[i];
		moved |= masks[i];
	}
	return moved;
}

/*
 * Make pci_restore_state() write our copy, with the windows where the kernel has
 * them now. Without a copy it writes the kernel's.
 */
static void mdr_bridge_load(struct pci_dev *bridge)
{
	u32 *config = &bridge->saved_config_space[PCI_PRIMARY_BUS / 4];
	u32 ways[MDR_WAYS], masks[MDR_WAYS];
	struct mdr_bridge *known;
	unsigned int i;

	scoped_guard(mutex, &mdr_bridges_lock) {
		known = mdr_bridge_find(bridge);
		if (known && known->saved)
			pci_load_saved_state(bridge, known->saved);
	}
	if (!mdr_bridge_moved(bridge, ways, masks))
		return;
	for (i = 0; i < MDR_WAYS; i++)
		if (masks[i])
			config[i] = (config[i] & ~masks[i]) | ways[i];
}

static bool mdr_bridge_works(struct pci_dev *bridge)
{
	return mdr_bridge_answers(bridge) && !mdr_bridge_is_blank(bridge);
}

/* Is what the PCI core has just saved that of a bridge that answers and has its bus? */
static bool mdr_bridge_saved_works(struct pci_dev *bridge)
{
	struct pci_bus *bus = READ_ONCE(bridge->subordinate);
	const u32 *config = bridge->saved_config_space;

	return bus && config[0] == ((u32)bridge->device << 16 | bridge->vendor) &&
	       !PCI_POSSIBLE_ERROR(config[PCI_COMMAND / 4]) &&
	       (config[PCI_PRIMARY_BUS / 4] >> 8 & 0xff) == bus->number;
}

/*
 * Copy a working bridge. The caller holds its device lock, as the port driver does, so no
 * other task resets or restores it. But the hardware may: a port above contains an error
 * (DPC), or the power fails. So the copy counts only if the bridge works afterwards, too;
 * otherwise the kernel gets back what it had.
 */
static void mdr_bridge_copy(struct pci_dev *bridge)
{
	struct pci_saved_state *before, *saved;
	bool was_saved = bridge->state_saved;
	struct mdr_bridge *known;

	if (!mdr_bridge_works(bridge))
		return;
	/* a restore clears state_saved, and uses what was saved nonetheless */
	bridge->state_saved = true;
	before = pci_store_saved_state(bridge);
	if (!before) {
		bridge->state_saved = was_saved;
		return;
	}
	pci_save_state(bridge);
	if (!mdr_bridge_saved_works(bridge) || !mdr_bridge_works(bridge)) {
		pci_load_and_free_saved_state(bridge, &before);
		bridge->state_saved = was_saved;
		mdr_bridge_load(bridge);
		return;
	}
	kfree(before);
	saved = pci_store_saved_state(bridge);
	if (!saved)
		return;

	scoped_guard(mutex, &mdr_bridges_lock) {
		known = mdr_bridge_find(bridge);
		if (known) {
			swap(known->saved, saved);
			mdr_bridge_ways(bridge, known->ways);
		}
	}
	kfree(saved);
}

/*
 * Are the windows those from before the kernel moved them? The kernel's own
 * recovery restores such windows. With @mend, correct them.
 */
static bool mdr_bridge_is_stale(struct pci_dev *bridge, bool mend)
{
	u32 ways[MDR_WAYS], masks[MDR_WAYS], value;
	bool stale = false;
	unsigned int i;

	if (!mdr_bridge_moved(bridge, ways, masks))
		return false;
	for (i = 0; i < MDR_WAYS; i++) {
		if (!masks[i] ||
		    pci_read_config_dword(bridge, PCI_PRIMARY_BUS + 4 * i,
					  &value) ||
		    (value & masks[i]) == ways[i])
			continue;
		stale = true;
		if (mend)
			pci_write_config_dword(bridge, PCI_PRIMARY_BUS + 4 * i,
					       (value & ~masks[i]) | ways[i]);
	}
	return stale;
}

/* The bridge above, if a reset can hit it: a root port is above all resets. */
static struct pci_dev *mdr_bridge_above(struct pci_dev *pdev)
{
	struct pci_dev *above = pci_upstream_bridge(pdev);

	return above && pci_upstream_bridge(above) ? above : NULL;
}

static int mdr_bridge_keep(struct pci_dev *bridge)
{
	struct mdr_bridge *known;

	guard(mutex)(&mdr_bridges_lock);
	known = mdr_bridge_find(bridge);
	if (!known) {
		known = kzalloc(sizeof(*known), GFP_KERNEL);
		if (!known)
			return -ENOMEM;
		known->pdev = pci_dev_get(bridge);
		list_add_tail(&known->item, &mdr_bridges);
	}
	known->functions++;
	return 0;
}

static void mdr_bridge_drop(struct pci_dev *bridge)
{
	struct mdr_bridge *known;

	guard(mutex)(&mdr_bridges_lock);
	known = mdr_bridge_find(bridge);
	if (--known->functions)
		return;
	list_del(&known->item);
	pci_dev_put(known->pdev);
	kfree(known->saved);
	kfree(known);
}

static void mdr_bridges_drop_until(struct pci_dev *pdev, struct pci_dev *until)
{
	struct pci_dev *bridge = mdr_bridge_above(pdev);

	for (; bridge != until; bridge = mdr_bridge_above(bridge))
		mdr_bridge_drop(bridge);
}

/* A function is no longer ours, after mdr_bridges_keep(). */
void mdr_bridges_drop(struct pci_dev *pdev)
{
	mdr_bridges_drop_until(pdev, NULL);
}

/*
 * A function is being bound: copy the bridges above it, which work. Only tries to
 * take their device locks, since the caller holds that of the function. If a lock
 * is taken, the kernel's copy has to do. Returns 0 or -ENOMEM.
 */
int mdr_bridges_keep(struct pci_dev *pdev)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
	struct pci_dev *bridge = mdr_bridge_above(pdev);
	int ret;

	for (; bridge; bridge = mdr_bridge_above(bridge)) {
		ret = mdr_bridge_keep(bridge);
		if (ret) {
			mdr_bridges_drop_until(pdev, bridge);
			return ret;
		}
		if (!mdr_trylock_until(bridge, mdr_wait_is_over(deadline)))
			continue;
		mdr_bridge_copy(bridge);
		device_unlock(&bridge->dev);
	}
	return 0;
}

/*
 * Are the windows of a bridge above a referenced function not where the kernel
 * expects them?
 */
bool mdr_bridges_are_stale(struct pci_dev *pdev)
{
	struct pci_dev *bridge = mdr_bridge_above(pdev);

	for (; bridge; bridge = mdr_bridge_above(bridge))
		if (mdr_bridge_is_stale(bridge, false))
			return true;
	return false;
}

/*
 * The kernel saves a bridge before a device below it turns on bus mastering, so
 * its own recovery loses the bus mastering of the bridge, and DMA stops.
 */
static bool mdr_bridge_lost_master(struct pci_dev *bridge)
{
	u16 command;

	return bridge->is_busmaster &&
	       !pci_read_config_word(bridge, PCI_COMMAND, &command) &&
	       !(command & PCI_COMMAND_MASTER);
}

/*
 * The reset above has taken the link below a hotplug port down and up, and the port has it on
 * record. Restoring turns its interrupts on again, and pciehp would remove what is below.
 * pciehp_slot_reset() forgets the link change as well (drivers/pci/hotplug/pciehp_hpc.c), but
 * a walk that is abandoned does not come to it. A device that has really gone does not answer.
 */
static void mdr_bridge_forget_link_change(struct pci_dev *bridge)
{
	if (bridge->is_hotplug_bridge)
		pcie_capability_write_word(bridge, PCI_EXP_SLTSTA,
					   PCI_EXP_SLTSTA_DLLSC);
}

/* Call with the device lock of the bridge held, as the port driver does. */
static int mdr_bridge_restore(struct pci_dev *bridge)
{
	if (!mdr_bridge_is_blank(bridge)) {
		if (mdr_bridge_is_stale(bridge, true)) {
			pci_notice(bridge, "the kernel restored old windows of this bridge; corrected them\n");
			mdr_bridge_copy(bridge);
		}
		if (mdr_bridge_lost_master(bridge))
			pci_set_master(bridge);
		return 0;
	}
	mdr_bridge_load(bridge);
	mdr_bridge_forget_link_change(bridge);
	pci_restore_state(bridge);
	if (mdr_bridge_is_blank(bridge)) {
		pci_err(bridge, "cannot restore the bus numbers of this bridge: remove it and rescan\n");
		return -EIO;
	}
	if (bridge->is_busmaster)
		pci_set_master(bridge);
	/* the restore used up the kernel's copy: give it a new one */
	mdr_bridge_copy(bridge);
	pci_notice(bridge, "the kernel left this bridge blank after a reset; restored it\n");
	return 0;
}

/*
 * Make a referenced function reachable, once the host is done with it: from the
 * top down, restore each bridge that a reset has left blank, without bus
 * mastering, or with old windows. Only tries to take device locks of bridges.
 *
 * A walk freezes the bridges on its way. If it is abandoned they stay frozen, and
 * the next walk would seem to start further up (see mdr_walk_port()). So they are
 * unfrozen here. If the next walk begins at this very moment, its error gets two
 * ids.
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
		    mdr_bridge_is_stale(bridge, false) ||
		    mdr_bridge_lost_master(bridge)) {
			if (!device_trylock(&bridge->dev))
				return -EBUSY;
			ret = mdr_bridge_restore(bridge);
			device_unlock(&bridge->dev);
		}
		if (ret)
			break;
		mdr_pci_unfreeze(bridge);
		if (mdr_bridge_link_is_down(bridge))
			ret = -ENOLINK;
	}
	return ret;
}

/* The same, if the ports may be asleep: a user lets its function sleep, and so what is above. */
int mdr_bridges_restore_awake(struct pci_dev *pdev)
{
	struct device *above = pci_physfn(pdev)->bus->bridge;
	int ret;

	pm_runtime_get_sync(above);
	ret = mdr_bridges_restore(pdev);
	pm_runtime_put(above);
	return ret;
}

/*
 * Lock the bridge as pci_reset_function() does, because some methods reset through
 * it: from the top down, which is the order of the PCI core.
 */
bool mdr_bridge_trylock(struct pci_dev *bridge)
{
	if (!bridge)
		return true;
	if (!device_trylock(&bridge->dev))
		return false;
	if (pci_cfg_access_trylock(bridge))
		return true;
	device_unlock(&bridge->dev);
	return false;
}

void mdr_bridge_unlock(struct pci_dev *bridge)
{
	if (!bridge)
		return;
	pci_cfg_access_unlock(bridge);
	device_unlock(&bridge->dev);
}
