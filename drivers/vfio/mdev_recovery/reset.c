// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets that a user or an administrator asks for. They close and drain the gate
 * before they take a lock of vfio-pci-core or of the PCI core: who is inside may
 * wait for the former, and a host callback that drains holds the latter.
 *
 * Two resets are never taken for one: a user's reset that meets a recovery waits
 * for its end and then runs.
 */
#include <linux/delay.h>

#include "mdr.h"

/*
 * Get the group into resetting, with nobody inside but us. On success the entry
 * is held and mdr_reset_leave() is to be called.
 */
static int mdr_reset_enter(struct mdr_device *device,
			   struct mdr_gate_entry *entry)
{
	struct mdr_function *function = device->function;
	struct mdr_group *group = function->group;
	unsigned int timeout_ms = READ_ONCE(device->tunables.stall_timeout_ms);
	unsigned long deadline = jiffies + msecs_to_jiffies(timeout_ms);
	bool mine;
	int ret;

	for (;;) {
		scoped_guard(mutex, &group->lock) {
			if (group->machine.state == MDR_STATE_EVICTING)
				return -EIO;
			mine = mdr_group_reset_begin(group,
						     MDR_EVENT_USER_RESET_BEGIN,
						     function);
		}
		if (mine)
			break;
		if (time_after(jiffies, deadline))
			return -EAGAIN;
		ret = mdr_group_wait_settled(group, timeout_ms);
		if (ret)
			return ret;
	}

	if (!mdr_gate_drain(&group->gate, MDR_DRAIN_TIMEOUT_MS, false)) {
		ret = -EBUSY;
		goto err_end;
	}
	mdr_gate_enter_exclusive(&group->gate, entry);
	scoped_guard(mutex, &group->lock)
		mine = group->resetter == current;
	if (mine)
		return 0;

	/* an error came in between; it waits for us to leave */
	mdr_gate_exit(entry);
	ret = -EAGAIN;
err_end:
	scoped_guard(mutex, &group->lock)
		mdr_group_reset_end(group, MDR_EVENT_USER_RESET_FAILED,
				    function);
	return ret;
}

static void mdr_reset_leave(struct mdr_device *device,
			    struct mdr_gate_entry *entry, bool alive)
{
	struct mdr_function *function = device->function;
	struct mdr_group *group = function->group;

	mdr_gate_exit(entry);

	guard(mutex)(&group->lock);
	if (alive && group->resetter == current) {
		device->acknowledged = group->event;
		function->recovering = false;
		function->failed = false;
	}
	mdr_group_reset_end(group, MDR_EVENT_USER_RESET_FAILED, function);
}

/*
 * The function of a failed group has been reset, but what its config space held
 * before may have been nothing.
 */
static int mdr_reset_revive(struct mdr_device *device)
{
	struct mdr_function *function = device->function;
	int ret;

	if (!device_trylock(&function->pdev->dev))
		return -EAGAIN;
	ret = mdr_restore(function);
	device_unlock(&function->pdev->dev);
	if (ret)
		return ret;

	scoped_guard(mutex, &device->core_lock)
		mdr_restore_interrupts(device);
	return 0;
}

/*
 * Let vfio-pci-core reset, and see whether the device is there afterwards. With
 * the entry of mdr_reset_enter() held.
 */
static long mdr_reset_run(struct mdr_device *device, unsigned int cmd,
			  unsigned long arg)
{
	struct mdr_group *group = device->function->group;
	bool failed;
	long ret;

	ret = vfio_pci_core_ioctl(&device->core.vdev, cmd, arg);
	if (ret)
		return ret; /* nothing was reset */

	scoped_guard(mutex, &group->lock) {
		group->stats.user_resets++;
		failed = group->machine.origin == MDR_STATE_FAILED;
	}
	if (failed)
		ret = mdr_reset_revive(device);
	if (!ret && !pci_device_is_present(device->core.pdev))
		ret = -EIO;
	return ret;
}

/**
 * mdr_device_reset - VFIO_DEVICE_RESET
 * @device: the device
 * @cmd: the command
 * @arg: its argument
 *
 * For a device of type hold this is the acknowledgement of the latest event.
 *
 * Context: process context, not inside any gate, may sleep, killable.
 * Return: 0; -EAGAIN if a recovery is under way and does not end within
 * stall_timeout_ms, or began meanwhile; -EBUSY if another access does not end;
 * -EIO if the user has been asked to give the device back, or if it does not
 * answer after the reset; otherwise as vfio_pci_core_ioctl().
 */
long mdr_device_reset(struct mdr_device *device, unsigned int cmd,
		      unsigned long arg)
{
	struct mdr_gate_entry entry;
	long ret;

	ret = mdr_reset_enter(device, &entry);
	if (ret)
		return ret;
	ret = mdr_reset_run(device, cmd, arg);
	mdr_reset_leave(device, &entry, !ret);
	return ret;
}

/* Does a bus or slot reset of this device hit a group that somebody else uses? */
static bool mdr_hot_reset_hits_others(struct mdr_device *device)
{
	struct mdr_function *function = device->function;
	struct pci_dev *sibling;
	bool hits = false;

	guard(mutex)(&mdr_registry_lock);
	list_for_each_entry(sibling, &function->pdev->bus->devices, bus_list) {
		struct mdr_function *other = mdr_function_find(sibling);

		if (other && other->group != function->group &&
		    READ_ONCE(other->group->users))
			hits = true;
	}
	return hits;
}

/**
 * mdr_device_hot_reset - VFIO_DEVICE_PCI_HOT_RESET
 * @device: the device
 * @cmd: the command
 * @arg: its argument
 *
 * Allowed only where every function that the reset hits is in the caller's own
 * group or unused; vfio-pci-core checks besides that the caller owns them all.
 *
 * Context: process context, not inside any gate, may sleep, killable.
 * Return: as mdr_device_reset(); -EPERM if another group in use would be hit.
 */
long mdr_device_hot_reset(struct mdr_device *device, unsigned int cmd,
			  unsigned long arg)
{
	struct mdr_gate_entry entry;
	long ret;

	if (mdr_hot_reset_hits_others(device)) {
		pci_notice_ratelimited(device->core.pdev,
				       "%s: hot reset refused: it would hit a function of another group that is in use\n",
				       device->uuid);
		return -EPERM;
	}

	ret = mdr_reset_enter(device, &entry);
	if (ret)
		return ret;
	ret = mdr_reset_run(device, cmd, arg);
	mdr_reset_leave(device, &entry, !ret);
	return ret;
}

/* Reset and restore one function for the administrator. */
static int mdr_recover_function(struct mdr_function *function)
{
	struct mdr_device *device;
	int ret;

	ret = mdr_function_reset(function);
	/* without a reset method of its own a restore is all there is to try */
	if (ret && ret != -ENOTTY)
		return ret;
	ret = mdr_restore(function);
	if (ret)
		return ret;

	device = function->device;
	if (device && READ_ONCE(device->opened)) {
		scoped_guard(mutex, &device->core_lock)
			mdr_restore_interrupts(device);
	}

	guard(mutex)(&function->group->lock);
	function->recovering = false;
	function->failed = false;
	return 0;
}

/* The next function of the group that is not proven alive, referenced. */
static struct pci_dev *mdr_recover_next(struct mdr_group *group,
					struct pci_dev *last)
{
	struct mdr_function *function;
	bool passed = !last;

	guard(mutex)(&group->lock);
	list_for_each_entry(function, &group->functions, group_item) {
		if (passed)
			return pci_dev_get(function->pdev);
		passed = function->pdev == last;
	}
	return NULL;
}

/*
 * Take the device lock of a function that may be going away: whoever unbinds it
 * holds that lock and waits, in the end, for this write to sysfs.
 */
static bool mdr_recover_lock(struct mdr_group *group, struct pci_dev *pdev)
{
	struct mdr_function *function;
	bool gone;

	while (!device_trylock(&pdev->dev)) {
		gone = true;
		scoped_guard(mutex, &group->lock) {
			list_for_each_entry(function, &group->functions,
					    group_item)
				if (function->pdev == pdev)
					gone = READ_ONCE(function->removing);
		}
		if (gone)
			return false;
		usleep_range(500, 1000);
	}
	return true;
}

static int mdr_recover_all(struct mdr_group *group)
{
	struct mdr_function *function;
	struct pci_dev *pdev = NULL, *last;
	int err = 0, ret;

	while ((last = pdev, pdev = mdr_recover_next(group, last))) {
		pci_dev_put(last);
		if (!mdr_recover_lock(group, pdev))
			continue;
		function = mdr_function_find(pdev);
		ret = function ? mdr_recover_function(function) : 0;
		device_unlock(&pdev->dev);
		if (ret) {
			pci_err(pdev, "cannot be recovered: %d\n", ret);
			err = ret;
		}
	}
	pci_dev_put(last);
	return err;
}

/**
 * mdr_group_recover - the administrator wants a failed group back
 * @group: the group
 *
 * Context: process context, may sleep.
 * Return: 0 with the group open, holding or evicting as its policy says; -EINVAL
 * if the group is not failed; -EBUSY if an access does not end; -EAGAIN if an
 * error came meanwhile; -ENODEV if a function does not answer; or what the reset
 * of a function says.
 */
int mdr_group_recover(struct mdr_group *group)
{
	struct mdr_gate_entry entry;
	int ret;

	scoped_guard(mutex, &group->lock)
		if (!mdr_group_reset_begin(group, MDR_EVENT_ADMIN_RECOVER,
					   NULL))
			return -EINVAL;

	mdr_gate_enter_exclusive(&group->gate, &entry);
	ret = mdr_gate_drain(&group->gate, MDR_DRAIN_TIMEOUT_MS, false) ?
	      mdr_recover_all(group) : -EBUSY;
	mdr_gate_exit(&entry);

	guard(mutex)(&group->lock);
	if (!ret && group->resetter != current)
		ret = -EAGAIN;
	if (!ret)
		mdr_group_step(group, mdr_policy_resume_event(mdr_group_policy(group, true)),
			       NULL);
	mdr_group_reset_end(group, MDR_EVENT_HOST_RESET_DONE, NULL);
	return ret;
}
