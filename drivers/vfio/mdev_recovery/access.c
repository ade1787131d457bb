// SPDX-License-Identifier: GPL-2.0-only
/*
 * read() and write() of a device: through the gate, or, if the device does not
 * answer any more, with the answer of a device that has been unplugged.
 */
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "device.h"
#include "function.h"
#include "group.h"

static enum mdr_entry_kind mdr_access_kind(loff_t pos)
{
	return VFIO_PCI_OFFSET_TO_INDEX(pos) == VFIO_PCI_CONFIG_REGION_INDEX ?
	       MDR_ENTRY_CONFIG : MDR_ENTRY_ACCESS;
}

/* Size of a region, without access to the device; 0 if there is none. */
static u64 mdr_region_size(struct mdr_device *device, unsigned int index)
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
	case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_ROM_REGION_INDEX:
		return pci_resource_len(pdev, index);
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return pdev->cfg_size;
	default:
		return 0;
	}
}

/*
 * How much of an access lies within its region. Follows vfio-pci-core, which
 * treats config space and BARs differently.
 */
static ssize_t mdr_region_count(struct mdr_device *device, loff_t ppos,
				size_t count, bool write)
{
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(ppos);
	u64 pos = ppos & VFIO_PCI_OFFSET_MASK;
	u64 size = mdr_region_size(device, index);

	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return pos + count > size ? -EFAULT : count;
	if (pos >= size || (write && index == VFIO_PCI_ROM_REGION_INDEX))
		return -EINVAL;
	return min_t(u64, count, size - pos);
}

/*
 * The device does not answer. dead_access selects between an error and what an
 * undriven bus gives: reads return all-ones, writes are dropped.
 */
static ssize_t mdr_dead_access(struct mdr_device *device, char __user *buf,
			       size_t count, loff_t *ppos, bool write)
{
	ssize_t within = mdr_region_count(device, *ppos, count, write);
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
	*ppos += count;
	return count;
}

/* The gate is not open, or the first slot of this CPU is taken. */
static noinline ssize_t mdr_read_slowly(struct vfio_device *vdev,
					char __user *buf, size_t count,
					loff_t *ppos)
{
	struct mdr_device *device = to_mdr_device(vdev);
	struct mdr_gate_entry entry;
	ssize_t ret;

	if (mdr_status_has(device, *ppos))
		return mdr_status_read(device, buf, count, ppos);
	ret = mdr_device_enter(device, mdr_access_kind(*ppos), &entry);
	if (ret) {
		if (ret != -ETIMEDOUT)
			return ret;
		return mdr_dead_access(device, buf, count, ppos, false);
	}

	ret = mdr_parent_read(device, buf, count, ppos);
	mdr_gate_exit(&entry);
	return ret;
}

/* .read; -EIO if the device does not answer and dead_access is fault. */
ssize_t mdr_device_read(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos)
{
	struct mdr_gate *gate = to_mdr_plain_device(vdev)->gate;
	struct mdr_gate_slot *slot;
	ssize_t ret;

	if (unlikely(!mdr_gate_try_enter(gate, mdr_access_kind(*ppos), &slot)))
		return mdr_read_slowly(vdev, buf, count, ppos);

	ret = vfio_pci_core_read(vdev, buf, count, ppos);
	mdr_gate_leave(slot);
	return ret;
}

/* Like mdr_read_slowly(); also for writes to registers that we track. */
static noinline ssize_t mdr_write_slowly(struct vfio_device *vdev,
					 const char __user *buf, size_t count,
					 loff_t *ppos)
{
	struct mdr_device *device = to_mdr_device(vdev);
	enum mdr_entry_kind kind = mdr_access_kind(*ppos);
	struct mdr_gate_entry entry;
	loff_t pos = *ppos;
	ssize_t ret;

	ret = mdr_device_enter(device, kind, &entry);
	if (ret) {
		if (ret != -ETIMEDOUT)
			return ret;
		return mdr_dead_access(device, (char __user *)buf, count, ppos,
				       true);
	}

	ret = mdr_parent_write(device, buf, count, ppos);
	if (kind == MDR_ENTRY_CONFIG && ret > 0)
		mdr_user_registers_track(device, pos & VFIO_PCI_OFFSET_MASK,
					 ret);
	mdr_gate_exit(&entry);
	return ret;
}

static __always_inline ssize_t
mdr_write_quickly(struct vfio_device *vdev, const char __user *buf,
		  size_t count, loff_t *ppos, enum mdr_entry_kind kind)
{
	struct mdr_gate *gate = to_mdr_plain_device(vdev)->gate;
	struct mdr_gate_slot *slot;
	ssize_t ret;

	if (unlikely(!mdr_gate_try_enter(gate, kind, &slot)))
		return mdr_write_slowly(vdev, buf, count, ppos);

	ret = vfio_pci_core_write(vdev, buf, count, ppos);
	mdr_gate_leave(slot);
	return ret;
}

/* Not inlined: sharing a frame with config space would cost registers. */
static noinline ssize_t mdr_bar_write(struct vfio_device *vdev,
				      const char __user *buf, size_t count,
				      loff_t *ppos)
{
	return mdr_write_quickly(vdev, buf, count, ppos, MDR_ENTRY_ACCESS);
}

/* .write; -EIO if the device does not answer and dead_access is fault. */
ssize_t mdr_device_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos)
{
	struct mdr_device *device = to_mdr_plain_device(vdev);

	if (mdr_access_kind(*ppos) != MDR_ENTRY_CONFIG)
		return mdr_bar_write(vdev, buf, count, ppos);
	if (mdr_user_registers_tracked(device, *ppos, count))

		return mdr_write_slowly(vdev, buf, count, ppos);
	return mdr_write_quickly(vdev, buf, count, ppos, MDR_ENTRY_CONFIG);
}

/* The same for a parent driver with operations of its own. */
ssize_t mdr_vendor_read(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos)
{
	return mdr_read_slowly(vdev, buf, count, ppos);
}

ssize_t mdr_vendor_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos)
{
	return mdr_write_slowly(vdev, buf, count, ppos);
}
