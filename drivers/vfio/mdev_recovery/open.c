// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening and closing a device. vfio core calls both with dev_set->lock held, and close
 * cannot fail.
 */
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "device.h"
#include "function.h"
#include "group.h"

/*
 * Enter the gate to open the device. Waits for a recovery to end, but starts no
 * new wait after @deadline (jiffies).
 */
static int mdr_device_open_gate(struct mdr_device *device,
				unsigned long deadline,
				struct mdr_gate_entry *entry)
{
	struct mdr_group *group = device->function->group;
	unsigned int timeout_ms = READ_ONCE(device->tunables.stall_timeout_ms);
	enum mdr_state state;
	int ret;

	for (;;) {
		if (mdr_gate_enter(&group->gate, MDR_ENTRY_EXCLUSIVE, entry))
			return 0;

		state = READ_ONCE(group->machine.state);
		if (state == MDR_STATE_FAILED)
			return -EIO;
		if (state == MDR_STATE_HOLDING || state == MDR_STATE_EVICTING)
			return -EBUSY;
		if (state == MDR_STATE_RESETTING ||
		    time_after(jiffies, deadline))
			return -EAGAIN;

		ret = mdr_group_wait_recovered(group, timeout_ms);
		if (ret)
			return ret;
	}
}

/*
 * vfio-pci-core tries every reset method when it disables a device, and for one that
 * is gone the PCI core waits a minute each time. During the host's recovery it must not
 * reset one at all, and the next open makes up for it. vfio-pci-core only tries to take
 * device locks, so it resets nothing while this lock is taken: by this task, or for
 * example by an unbind.
 */
static bool mdr_device_lock_unresettable(struct mdr_device *device)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
	struct mdr_function *function = device->function;

	if (mdr_function_answers(function->pdev) &&
	    !mdr_group_is_recovering(function->group))
		return false;
	return mdr_trylock_until(function->pdev,
				 READ_ONCE(function->removing) ||
				 time_after(jiffies, deadline));
}

/*
 * Disable the device while the host may wait for this task: it holds the device lock, or
 * closes have to hurry. After the last close on a bus vfio-pci-core walks the bus to see
 * whether it can reset all of it. That takes pci_bus_sem. The host may hold it for a walk
 * and wait for a device lock, with a hotplug in the queue between the two: that would never
 * end. So let vfio-pci-core believe that another device is open.
 *
 * On the bus of the lock that costs nothing, since the reset would fail for it. Elsewhere a
 * function that only a reset of its bus resets is not reset by this close.
 */
static void mdr_device_disable_without_walk(struct mdr_device *device)
{
	struct vfio_device *vdev = &device->core->vdev;

	lockdep_assert_held(&vdev->dev_set->lock);

	vdev->open_count++;
	device->parent->close_device(vdev);
	vdev->open_count--;
}

/* Disable the device. vfio-pci-core resets the function meanwhile. */
static void mdr_device_disable(struct mdr_device *device)
{
	struct mdr_function *function = device->function;
	struct device *dev = &function->pdev->dev;
	bool locked;

	/* wake it before the device lock is taken: a bridge may need pci_bus_sem for that */
	pm_runtime_get_sync(dev);
	locked = mdr_device_lock_unresettable(device);
	scoped_guard(mutex, &device->core_lock) {
		if (locked || mdr_closes_must_hurry())
			mdr_device_disable_without_walk(device);
		else
			device->parent->close_device(&device->core->vdev);
		mdr_hooks_note_close(function);
	}
	if (locked)
		device_unlock(dev);
	pm_runtime_put(dev);
}

/*
 * Is the state that vfio-pci-core has saved that of a whole function, as this one still is?
 * It goes on if the function does not answer after the reset in the open, and the function
 * may come back at any moment: blank, and perhaps in the middle of the saving. COMMAND and
 * STATUS are saved before all that is ever restored, and are never all ones.
 */
static bool mdr_device_is_saved(struct mdr_device *device)
{
	struct pci_dev *pdev = device->core->pdev;

	return !PCI_POSSIBLE_ERROR(pdev->saved_config_space[PCI_COMMAND / 4]) &&
	       mdr_function_answers(pdev) && !mdr_function_is_misplaced(pdev);
}

/*
 * Undo an open. vfio-pci-core writes back what it has saved. If that comes from a dead
 * function, it gets the state that was found at binding instead.
 */
static void mdr_device_undo_enable(struct mdr_device *device)
{
	struct vfio_pci_core_device *core = device->core;
	struct pci_dev *pdev = core->pdev;

	if (!mdr_device_is_saved(device)) {
		guard(mutex)(&device->core_lock);
		pci_load_saved_state(pdev, device->function->pristine);
		pdev->saved_config_space[PCI_COMMAND / 4] &= ~PCI_COMMAND_MASTER;
		kfree(core->pci_saved_state);
		core->pci_saved_state = pci_store_saved_state(pdev);
	}
	mdr_device_disable(device);
}

/* Enable the device, and call the parent driver's hooks for the reset in it. */
static int mdr_device_enable_core(struct mdr_device *device)
{
	unsigned int timeout_ms = READ_ONCE(device->tunables.recovery_timeout_ms);
	struct mdr_function *function = device->function;
	int ret;

	ret = mdr_restore_if_blank(function->pdev);
	if (ret)
		return ret;
	ret = device->parent->open_device(&device->core->vdev);
	if (ret)
		return ret;
	ret = mdr_hooks_call(function->group, function->pdev,
			     jiffies + msecs_to_jiffies(timeout_ms));
	if (ret)
		mdr_device_undo_enable(device);
	/* closes have to hurry, or an error came; a kill gives no result */
	return ret == -ECANCELED ? -EAGAIN : ret;
}

static int mdr_device_enable(struct mdr_device *device, unsigned long deadline)
{
	struct mdr_group *group = device->function->group;
	struct pci_saved_state *saved;
	struct mdr_gate_entry entry;
	unsigned long let_go;
	int ret;

	ret = mdr_device_open_gate(device, deadline, &entry);
	if (ret) {
		dev_warn_ratelimited(&device->function->pdev->dev,
				     "cannot open %s: group is %s (%d)\n",
				     device->uuid,
				     mdr_state_name(READ_ONCE(group->machine.state)),
				     ret);
		return ret;
	}

	let_go = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
	do {
		ret = mdr_device_enable_core(device);
	} while (ret == -EAGAIN && !mdr_gate_closed(&group->gate) &&
		 mdr_wait_host_lets_go(let_go));
	if (ret) {
		/* an error has just hit: retry, whatever the core returned */
		if (mdr_gate_closed(&group->gate))
			ret = -EAGAIN;
		goto out_exit;
	}

	ret = mdr_status_add_region(device);
	if (ret) {
		mdr_device_undo_enable(device);
		goto out_exit;
	}
	mdr_user_registers_init(device);
	saved = pci_store_saved_state(device->core->pdev);
	if (!mdr_device_is_saved(device))
		ret = -EIO;
	else if (!saved && device->core->pdev->state_saved)
		ret = -ENOMEM;

	/* the last user may have written there after a fault that came late */
	WRITE_ONCE(device->substitutes_removed,
		   atomic_long_read(&device->substitutes));
	memset(page_address(device->ones), 0xff, PAGE_SIZE);

	mutex_lock(&group->lock);
	/* an error came: this may be the state of a dead device */
	if (mdr_gate_closed(&group->gate))
		ret = -EAGAIN;
	if (ret) {
		mutex_unlock(&group->lock);
		mdr_device_undo_enable(device);
		kfree(saved);
		if (ret == -EIO)
			dev_warn_ratelimited(&device->core->pdev->dev,
					     "cannot open %s: it is not whole after the reset\n",
					     device->uuid);
		goto out_exit;
	}
	swap(device->saved, saved);
	device->opened = true;
	device->synced = true;
	device->acknowledged = group->event;
	group->users++;
	mutex_unlock(&group->lock);

	kfree(saved);
out_exit:
	mdr_gate_exit(&entry);
	return ret;
}

static void mdr_device_release_use(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;

	scoped_guard(mutex, &group->lock)
		device->in_use = false;
	wake_up_all(&device->released);
}

/*
 * An error during the open starts it over once the recovery has ended. The
 * stall timeout covers all attempts together, however many recoveries follow.
 */
int mdr_device_open(struct vfio_device *vdev)
{
	struct mdr_device *device = to_mdr_device(vdev);
	struct mdr_group *group = device->function->group;
	unsigned int timeout_ms = READ_ONCE(device->tunables.stall_timeout_ms);
	unsigned long deadline = jiffies + msecs_to_jiffies(timeout_ms);
	int ret;

	scoped_guard(mutex, &group->lock) {
		if (device->removing)
			return -ENODEV;
		device->in_use = true;
	}
	mdr_users_note(&device->users);

	do {
		ret = mdr_device_enable(device, deadline);
	} while (ret == -EAGAIN && time_before(jiffies, deadline) &&
		 mdr_group_is_recovering(group) &&
		 !mdr_closes_must_hurry() &&
		 !mdr_group_wait_recovered(group, timeout_ms));

	if (ret) {
		mdr_users_forget(&device->users);
		mdr_device_release_use(device);
	}
	return ret;
}

void mdr_device_close(struct vfio_device *vdev)
{
	struct mdr_device *device = to_mdr_device(vdev);
	struct mdr_group *group = device->function->group;
	struct mdr_gate_entry entry;

	/* a task that closes must not be killed for the wait below */
	mdr_users_forget(&device->users);
	mdr_device_enter_recovered(device, &entry);
	scoped_guard(mutex, &group->lock)
		device->opened = false;
	mdr_intx_forget(device);
	mdr_device_disable(device);
	mdr_gate_exit(&entry);
	mdr_status_close(device);

	scoped_guard(mutex, &group->lock) {
		if (!--group->users)
			mdr_group_step(group, MDR_EVENT_LAST_USER_GONE,
				       device->function);
		else if (mdr_group_acknowledged(group, MDR_POLICY_HOLD))
			/* by all remaining users */
			mdr_group_step(group, MDR_EVENT_ACKNOWLEDGED,
				       device->function);
	}
	mdr_device_release_use(device);
}
