// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parent drivers with a vfio driver of their own: the gate around each of their
 * operations.
 *
 * vfio core calls their migration and logging operations directly, so tables of ours
 * stand in front of those. Other ways to the device have to enter the gate by
 * mdr_parent_enter(): for example the file with the migration data, and the reading of
 * the log.
 */
#include <linux/err.h>
#include <linux/mdev_recovery.h>

#include "device.h"

static_assert(sizeof(struct mdr_gate_entry) <=
	      sizeof(struct mdr_parent_entry));

/**
 * mdr_parent_enter - enter the gate of a device
 * @vdev: the device
 * @entry: for mdr_parent_exit()
 *
 * For what a parent driver does for a user outside of its operations, in a file
 * or a work item, and in log_read_and_clear. Waits at a closed gate like any access.
 *
 * Inside, do not wait for user memory, and be quick: the host's recovery waits up
 * to 1 s for tasks that are inside, and then goes on without them.
 *
 * Context: process context, in no hook, and in no operation but log_read_and_clear.
 * May sleep, killable. Holds no lock that a hook takes, nor one that an operation
 * takes inside the gate.
 * Return: 0; -EIO if the device does not answer within stall_timeout_ms;
 * -ERESTARTSYS.
 */
int mdr_parent_enter(struct vfio_device *vdev, struct mdr_parent_entry *entry)
{
	return mdr_call_enter(to_mdr_device(vdev),
			      (struct mdr_gate_entry *)entry);
}
EXPORT_SYMBOL_GPL(mdr_parent_enter);

/**
 * mdr_parent_exit - leave the gate
 * @entry: of mdr_parent_enter()
 *
 * Context: the task that entered.
 */
void mdr_parent_exit(struct mdr_parent_entry *entry)
{
	mdr_gate_exit((struct mdr_gate_entry *)entry);
}
EXPORT_SYMBOL_GPL(mdr_parent_exit);

static struct file *mdr_migration_set_state(struct vfio_device *vdev,
					    enum vfio_device_mig_state state)
{
	struct mdr_device *device = to_mdr_device(vdev);
	struct mdr_gate_entry entry;
	struct file *file;
	int ret;

	ret = mdr_call_enter(device, &entry);
	if (ret)
		return ERR_PTR(ret);
	file = device->mig_ops->migration_set_state(vdev, state);
	mdr_gate_exit(&entry);
	return file;
}

static int mdr_migration_get_state(struct vfio_device *vdev,
				   enum vfio_device_mig_state *state)
{
	struct mdr_device *device = to_mdr_device(vdev);

	return mdr_call_inside(device,
			       device->mig_ops->migration_get_state(vdev, state));
}

static int mdr_migration_get_data_size(struct vfio_device *vdev,
				       unsigned long *length)
{
	struct mdr_device *device = to_mdr_device(vdev);
	const struct vfio_migration_ops *ops = device->mig_ops;

	return mdr_call_inside(device,
			       ops->migration_get_data_size(vdev, length));
}

static const struct vfio_migration_ops mdr_migration_ops = {
	.migration_set_state		= mdr_migration_set_state,
	.migration_get_state		= mdr_migration_get_state,
	.migration_get_data_size	= mdr_migration_get_data_size,
};

static int mdr_log_start(struct vfio_device *vdev,
			 struct rb_root_cached *ranges, u32 nnodes,
			 u64 *page_size)
{
	struct mdr_device *device = to_mdr_device(vdev);
	const struct vfio_log_ops *ops = device->log_ops;

	return mdr_call_inside(device, ops->log_start(vdev, ranges, nnodes,
						      page_size));
}

static int mdr_log_stop(struct vfio_device *vdev)
{
	struct mdr_device *device = to_mdr_device(vdev);

	return mdr_call_inside(device, device->log_ops->log_stop(vdev));
}

/*
 * Outside of the gate: iova_bitmap_set() pins pages of the user's bitmap, and may wait
 * for them without a bound. The parent driver enters for what it does with the device.
 */
static int mdr_log_read_and_clear(struct vfio_device *vdev,
				  unsigned long iova, unsigned long length,
				  struct iova_bitmap *dirty)
{
	const struct vfio_log_ops *ops = to_mdr_device(vdev)->log_ops;

	return ops->log_read_and_clear(vdev, iova, length, dirty);
}

static const struct vfio_log_ops mdr_log_ops = {
	.log_start		= mdr_log_start,
	.log_stop		= mdr_log_stop,
	.log_read_and_clear	= mdr_log_read_and_clear,
};

/* Repeat vfio-pci-core's checks: it sees only our tables. */
static bool mdr_vendor_is_complete(struct vfio_device *vdev)
{
	const struct vfio_migration_ops *migration = vdev->mig_ops;
	const struct vfio_log_ops *log = vdev->log_ops;

	if (migration && !(migration->migration_set_state &&
			   migration->migration_get_state &&
			   migration->migration_get_data_size))
		return false;
	return !log || (log->log_start && log->log_stop &&
			log->log_read_and_clear);
}

/* Put our tables in front of the parent driver's. -EINVAL if one is incomplete. */
int mdr_vendor_init(struct mdr_device *device)
{
	struct vfio_device *vdev = &device->core->vdev;

	if (!mdr_vendor_is_complete(vdev))
		return -EINVAL;
	device->mig_ops = vdev->mig_ops;
	if (device->mig_ops)
		vdev->mig_ops = &mdr_migration_ops;
	device->log_ops = vdev->log_ops;
	if (device->log_ops)
		vdev->log_ops = &mdr_log_ops;
	return 0;
}

/*
 * .mmap. Called with mmap_lock held for writing, so it does not wait at the gate;
 * only the faults do.
 */
int mdr_vendor_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct mdr_device *device = to_mdr_device(vdev);
	int ret;

	mdr_users_note(&device->users);
	if (mdr_status_has(device, (loff_t)vma->vm_pgoff << PAGE_SHIFT))
		return mdr_status_mmap(device, vma);
	if (!device->parent->mmap)
		return -EINVAL;
	ret = device->parent->mmap(vdev, vma);
	return ret ?: mdr_mapping_wrap(device, vma);
}
