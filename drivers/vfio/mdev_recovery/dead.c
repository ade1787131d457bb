// SPDX-License-Identifier: GPL-2.0-only
/*
 * read() and write() of a device that does not answer any more: the answer of a
 * device that has been unplugged.
 */
#include <linux/log2.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "device.h"
#include "function.h"
#include "group.h"

/*
 * The size of the ROM is that of its BAR. A ROM that the firmware has loaded may have
 * no BAR, and has a size of its own. (Older kernels do not offer such a ROM.)
 */
static u64 mdr_rom_size(struct pci_dev *pdev)
{
	u64 size = pci_resource_len(pdev, PCI_ROM_RESOURCE);

	if (pci_resource_start(pdev, PCI_ROM_RESOURCE) || !pdev->rom ||
	    !pdev->romlen)
		return size;
	return roundup_pow_of_two(pdev->romlen);
}

/* The end of the range of legacy VGA registers (of three) that contains @pos, or 0. */
static u64 mdr_vga_end(struct vfio_pci_core_device *core, u64 pos)
{
	if (!core->has_vga)
		return 0;
	switch (pos) {
	case 0x3b0 ... 0x3bb:
		return 0x3bc;
	case 0x3c0 ... 0x3df:
		return 0x3e0;
	case 0xa0000 ... 0xbffff:
		return 0xc0000;
	default:
		return 0;
	}
}

/*
 * The end of the region that contains @pos, found without access to the device; 0 if
 * there is no such region.
 */
static u64 mdr_region_end(struct mdr_device *device, unsigned int index,
			  u64 pos)
{
	struct vfio_pci_core_device *core = device->core;
	const struct mdr_parent_ops *ops = device->function->ops;
	struct pci_dev *pdev = core->pdev;
	u64 size = 0;

	if (ops->region_size)
		size = ops->region_size(&core->vdev, index);
	if (size)
		return size;
	if (index >= VFIO_PCI_NUM_REGIONS) {
		index -= VFIO_PCI_NUM_REGIONS;
		return index < core->num_regions ? core->region[index].size : 0;
	}

	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_BAR5_REGION_INDEX:
		return pci_resource_len(pdev, index);
	case VFIO_PCI_ROM_REGION_INDEX:
		return mdr_rom_size(pdev);
	case VFIO_PCI_VGA_REGION_INDEX:
		return mdr_vga_end(core, pos);
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return pdev->cfg_size;
	default:
		return 0;
	}
}

/*
 * How many bytes of an access lie within its region, or the error with which vfio-pci-core
 * refuses it; config space and BARs differ in that.
 */
ssize_t mdr_region_count(struct mdr_device *device, loff_t ppos, size_t count,
			 bool write)
{
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(ppos);
	u64 pos = ppos & VFIO_PCI_OFFSET_MASK;
	u64 end = mdr_region_end(device, index, pos);

	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return pos + count > end ? -EFAULT : count;
	if (pos >= end || (write && index == VFIO_PCI_ROM_REGION_INDEX))
		return -EINVAL;
	return min_t(u64, count, end - pos);
}

/*
 * Answer an access to a dead device. dead_access selects between -EIO and what an
 * undriven bus gives: reads return all-ones, writes are dropped. Otherwise as
 * mdr_region_count(), or -EFAULT.
 */
ssize_t mdr_dead_access(struct mdr_device *device, char __user *buf,
			size_t count, loff_t ppos, bool write)
{
	ssize_t within = mdr_region_count(device, ppos, count, write);
	u8 ones[256];
	size_t done, chunk;

	if (within < 0)
		return within;
	atomic64_inc(&device->function->group->stats.dead_accesses);
	if (READ_ONCE(device->tunables.dead_access) == MDR_DEAD_ACCESS_FAULT)
		return -EIO;

	count = within;
	memset(ones, 0xff, sizeof(ones));
	for (done = 0; !write && done < count; done += chunk) {
		chunk = min(count - done, sizeof(ones));
		if (copy_to_user(buf + done, ones, chunk))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -ERESTARTSYS;
		cond_resched();
	}
	return count;
}
