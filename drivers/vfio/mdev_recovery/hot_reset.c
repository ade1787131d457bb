// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_PCI_HOT_RESET: a bus or slot reset that a user asks for. It hits
 * functions of other groups too, so the gates of all of them close first.
 *
 * Whether the user may is vfio-pci-core's decision. But closing the gate of a
 * group is not for strangers either: the user must show that a group in use is
 * its own before that, by the group file or by the iommufd context, the same
 * proof that vfio-pci-core will ask for.
 */
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mdr.h"

/* Functions of one bus: devices times functions (PCI Express 6.0, 2.2.4.2). */
#define MDR_MAX_HOT_RESET_FILES 256

/**
 * struct mdr_hot_reset - the groups that a hot reset hits
 * @device: the device it was asked for
 * @groups: its group first, then the others; referenced
 * @entries: presence inside each one's gate
 * @count: how many there are
 * @begun: how many of them are in state resetting because of this reset
 */
struct mdr_hot_reset {
	struct mdr_device *device;
	struct mdr_group **groups;
	struct mdr_gate_entry *entries;
	unsigned int count;
	unsigned int begun;
};

/* Is the open device in one of the groups that the user passed? */
static bool mdr_in_files(struct vfio_device *vdev, struct file **files,
			 unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (vfio_file_has_dev(files[i], vdev))
			return true;
	return false;
}

static bool mdr_group_is_callers(struct mdr_group *group,
				 struct mdr_device *caller,
				 struct file **files, unsigned int count)
{
	struct iommufd_ctx *context = vfio_iommufd_device_ictx(&caller->core.vdev);
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	if (!group->users)
		return true;
	list_for_each_entry(function, &group->functions, group_item) {
		struct vfio_device *vdev;

		if (!function->device || !function->device->opened)
			continue;
		vdev = &function->device->core.vdev;
		if (context ? vfio_iommufd_device_ictx(vdev) != context :
			      !mdr_in_files(vdev, files, count))
			return false;
	}
	return true;
}

static bool mdr_hot_reset_has(struct mdr_hot_reset *reset,
			      struct mdr_group *group)
{
	unsigned int i;

	for (i = 0; i < reset->count; i++)
		if (reset->groups[i] == group)
			return true;
	return false;
}

/* All groups with a function of ours on this bus. */
static int mdr_hot_reset_collect(struct mdr_hot_reset *reset,
				 struct file **files, unsigned int nr_files)
{
	struct mdr_function *function = reset->device->function, *other;
	unsigned long index;

	guard(mutex)(&mdr_registry_lock);
	get_device(&function->group->dev);
	reset->groups[reset->count++] = function->group;
	xa_for_each(&mdr_functions, index, other) {
		if (other->pdev->bus != function->pdev->bus ||
		    mdr_hot_reset_has(reset, other->group))
			continue;
		if (!mdr_group_is_callers(other->group, reset->device, files,
					  nr_files))
			return -EPERM;
		if (reset->count == MDR_MAX_HOT_RESET_FILES)
			return -ENOSPC;
		get_device(&other->group->dev);
		reset->groups[reset->count++] = other->group;
	}
	return 0;
}

static bool mdr_hot_reset_mine(struct mdr_hot_reset *reset)
{
	bool mine = true;
	unsigned int i;

	for (i = 0; i < reset->count; i++) {
		guard(mutex)(&reset->groups[i]->lock);
		mine &= reset->groups[i]->resetter == current;
	}
	return mine;
}

/*
 * Close all gates, drain them, be inside. The device's own group may be waited
 * for; the others are taken only as they are, so that two such resets cannot
 * wait for each other.
 */
static int mdr_hot_reset_begin(struct mdr_hot_reset *reset)
{
	struct mdr_function *function = reset->device->function;
	unsigned int i;
	int ret;

	ret = mdr_reset_enter(reset->device, &reset->entries[0]);
	if (ret)
		return ret;
	reset->begun = 1;

	for (i = 1; i < reset->count; i++) {
		struct mdr_group *group = reset->groups[i];

		scoped_guard(mutex, &group->lock)
			if (!mdr_group_reset_begin(group,
						   MDR_EVENT_USER_RESET_BEGIN,
						   function))
				return -EAGAIN;
		mdr_gate_enter_exclusive(&group->gate, &reset->entries[i]);
		reset->begun = i + 1;
		if (!mdr_gate_drain(&group->gate, MDR_DRAIN_TIMEOUT_MS, false))
			return -EBUSY;
	}
	return mdr_hot_reset_mine(reset) ? 0 : -EAGAIN;
}

static void mdr_hot_reset_end(struct mdr_hot_reset *reset, bool alive)
{
	unsigned int i;

	for (i = reset->begun; i-- > 1;) {
		struct mdr_group *group = reset->groups[i];

		mdr_gate_exit(&reset->entries[i]);
		guard(mutex)(&group->lock);
		mdr_group_reset_end(group, MDR_EVENT_USER_RESET_FAILED,
				    reset->device->function);
	}
	if (reset->begun)
		mdr_reset_leave(reset->device, &reset->entries[0], alive);
}

static long mdr_hot_reset_run(struct mdr_hot_reset *reset, unsigned int cmd,
			      unsigned long arg)
{
	long ret;

	ret = mdr_hot_reset_begin(reset);
	if (!ret)
		ret = mdr_reset_run(reset->device, cmd, arg);
	mdr_hot_reset_end(reset, !ret);
	return ret;
}

static void mdr_hot_reset_put(struct mdr_hot_reset *reset)
{
	while (reset->count)
		put_device(&reset->groups[--reset->count]->dev);
}

static void mdr_put_files(struct file **files, unsigned int count)
{
	while (count)
		fput(files[--count]);
}

/* The group file of one descriptor that the user passed; 0 or -errno. */
static int mdr_get_file(s32 __user *descriptor, struct file **file)
{
	s32 fd;

	if (get_user(fd, descriptor))
		return -EFAULT;
	*file = fget(fd);
	if (!*file)
		return -EBADF;
	if (vfio_file_is_group(*file))
		return 0;
	fput(*file);
	return -EINVAL;
}

/*
 * The group files that the user passed; how many, or -errno. What vfio-pci-core
 * would refuse for its form alone is refused here already: no gate closes for it.
 */
static int mdr_get_files(struct mdr_device *device, unsigned long arg,
			 struct file **files)
{
	struct vfio_pci_hot_reset __user *user = (void __user *)arg;
	bool by_context = vfio_device_cdev_opened(&device->core.vdev);
	struct vfio_pci_hot_reset header;
	unsigned int count;
	int ret;

	if (copy_from_user(&header, user, offsetofend(typeof(header), count)))
		return -EFAULT;
	if (header.argsz < offsetofend(typeof(header), count) || header.flags ||
	    header.count > MDR_MAX_HOT_RESET_FILES ||
	    by_context == !!header.count)
		return -EINVAL;

	for (count = 0; count < header.count; count++) {
		ret = mdr_get_file(&user->group_fds[count], &files[count]);
		if (ret) {
			mdr_put_files(files, count);
			return ret;
		}
	}
	return count;
}

/**
 * mdr_device_hot_reset - VFIO_DEVICE_PCI_HOT_RESET
 * @device: the device
 * @cmd: the command
 * @arg: its argument
 *
 * Allowed only where every function that the reset hits is the caller's own or
 * unused.
 *
 * Context: process context, not inside any gate, may sleep, killable.
 * Return: as mdr_device_reset(); -EPERM if a group would be hit that is in use
 * and not shown to be the caller's; -EAGAIN if one of the others is in the
 * middle of a recovery or reset; -EFAULT, -EBADF or -EINVAL for a bad argument;
 * otherwise as vfio_pci_core_ioctl().
 */
long mdr_device_hot_reset(struct mdr_device *device, unsigned int cmd,
			  unsigned long arg)
{
	struct mdr_hot_reset reset = { .device = device };
	struct file **files;
	int nr_files;
	long ret;

	files = kcalloc(MDR_MAX_HOT_RESET_FILES, sizeof(*files), GFP_KERNEL);
	reset.groups = kcalloc(MDR_MAX_HOT_RESET_FILES, sizeof(*reset.groups),
			       GFP_KERNEL);
	reset.entries = kcalloc(MDR_MAX_HOT_RESET_FILES, sizeof(*reset.entries),
				GFP_KERNEL);
	if (!files || !reset.groups || !reset.entries) {
		ret = -ENOMEM;
		goto out_free;
	}

	nr_files = mdr_get_files(device, arg, files);
	if (nr_files < 0) {
		ret = nr_files;
		goto out_free;
	}

	ret = mdr_hot_reset_collect(&reset, files, nr_files);
	if (ret == -EPERM)
		pci_notice_ratelimited(device->core.pdev,
				       "%s: hot reset refused: it would hit a group that is in use and not the caller's\n",
				       device->uuid);
	if (!ret)
		ret = mdr_hot_reset_run(&reset, cmd, arg);

	mdr_hot_reset_put(&reset);
	mdr_put_files(files, nr_files);
out_free:
	kfree(reset.entries);
	kfree(reset.groups);
	kfree(files);
	return ret;
}
