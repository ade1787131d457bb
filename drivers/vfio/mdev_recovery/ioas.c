// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaching a device to an address space of an iommufd, and detaching it. The IOMMU
 * driver may turn features of the function on and off (ATS, PRI).
 *
 * Neither is done inside the gate: both take as long as a user likes. With the first device
 * of a space the IOMMU driver pins all its memory, and waits for pages that the user
 * withholds. Attaching and detaching take iommufd's domains_rwsem, which IOAS_MAP holds
 * while it pins a page. So both wait until the host has recovered the device, and then go
 * on outside. So does leaving the iommufd after a close, which detaches the device if its
 * user has not. If an error comes meanwhile, the restore enables what the PCI core knows to
 * be enabled.
 *
 * vfio core holds dev_set->lock, which a hot reset needs after it has closed the gate.
 * So both wait only for the host, as opening and closing do.
 */
#include "device.h"
#include "function.h"
#include "group.h"

/* Enter the gate with dev_set->lock held. Starts no new wait after stall_timeout_ms. */
static int mdr_ioas_enter(struct mdr_device *device,
			  struct mdr_gate_entry *entry)
{
	unsigned int timeout_ms = READ_ONCE(device->tunables.stall_timeout_ms);
	unsigned long deadline = jiffies + msecs_to_jiffies(timeout_ms);
	struct mdr_group *group = device->function->group;
	int ret;

	while (!mdr_gate_enter(device->gate, MDR_ENTRY_ACCESS, entry)) {
		if (!mdr_group_is_recovering(group))
			/* it may have opened just now */
			return mdr_gate_enter(device->gate, MDR_ENTRY_ACCESS,
					      entry) ? 0 : -EBUSY;
		if (time_after(jiffies, deadline))
			return -EIO;
		ret = mdr_group_wait_recovered(group, timeout_ms);
		if (ret)
			return ret == -EAGAIN ? -EIO : ret;
	}
	return 0;
}

/*
 * .attach_ioas; -EBUSY during a reset, and where the group waits for its user; -EIO
 * if the recovery takes longer than stall_timeout_ms.
 */
int mdr_device_attach_ioas(struct vfio_device *vdev, u32 *pt_id)
{
	struct mdr_device *device = to_mdr_device(vdev);
	struct mdr_gate_entry entry;
	int ret;

	ret = mdr_ioas_enter(device, &entry);
	if (ret)
		return ret;
	mdr_gate_exit(&entry);
	return device->parent->attach_ioas(vdev, pt_id);
}

/* Wait until the host has recovered the device. Does not stay inside the gate. */
static void mdr_ioas_wait_recovered(struct mdr_device *device)
{
	struct mdr_gate_entry entry;

	mdr_device_enter_recovered(device, &entry);
	mdr_gate_exit(&entry);
}

/* .detach_ioas; cannot fail, so it also runs while the group is held or has failed. */
void mdr_device_detach_ioas(struct vfio_device *vdev)
{
	struct mdr_device *device = to_mdr_device(vdev);

	mdr_ioas_wait_recovered(device);
	device->parent->detach_ioas(vdev);
}

static bool mdr_device_is_attached(struct vfio_device *vdev)
{
#if IS_ENABLED(CONFIG_IOMMUFD)
	return vdev->iommufd_attached;
#else
	return false;
#endif
}

/*
 * .unbind_iommufd; like mdr_device_detach_ioas() if the device is still attached. The
 * device is closed, or its open has failed, which must not wait.
 */
void mdr_device_unbind_iommufd(struct vfio_device *vdev)
{
	struct mdr_device *device = to_mdr_device(vdev);

	if (!mdr_device_is_attached(vdev)) {
		device->parent->unbind_iommufd(vdev);
		return;
	}
	mdr_ioas_wait_recovered(device);
	device->parent->unbind_iommufd(vdev);
}
