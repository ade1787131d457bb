// SPDX-License-Identifier: GPL-2.0-only
/*
 * The restore: from a blank function to what its user had.
 *
 * A frozen device cannot be read, so nothing here relies on it. Restored are
 * the state that vfio-pci-core saved when the user opened the device (without a
 * user, the state that the parent driver found), MSI and MSI-X as the kernel
 * knows them, and the few registers that vfio-pci-core lets a user write
 * through (registers.c).
 */
#include <linux/delay.h>
#include <linux/pm_runtime.h>

#include "device.h"
#include "function.h"
#include "group.h"
#include "trace.h"

/* It has lost its config space, or is about to. */
void mdr_function_set_blank(struct mdr_function *function)
{
	WRITE_ONCE(function->restore.unchecked, false);
	WRITE_ONCE(function->restore.blank, true);
}

/*
 * The task that reset this function will not finish. What is left can only be done by a
 * full restore. The end of a reset from outside checks its function itself. A function that
 * is being unbound cannot be restored; without hooks the PCI core's restore must suffice,
 * because its user may need the device to close it.
 */
void mdr_function_leave_reset(struct mdr_function *function)
{
	bool unchecked = READ_ONCE(function->restore.unchecked) &&
			 !READ_ONCE(function->removing);

	if (READ_ONCE(function->restore.blank) || function->host_reset.counted ||
	    (!unchecked && !mdr_function_awaits_hooks(function)))
		return;
	WRITE_ONCE(function->restore.unchecked, true);
	WRITE_ONCE(function->restore.blank, true);
}

/* Is it blank for all that is known, and not just left in the middle of a reset? */
bool mdr_function_was_blank(struct mdr_function *function)
{
	return READ_ONCE(function->restore.blank) &&
	       !READ_ONCE(function->restore.unchecked);
}

/*
 * COMMAND gets the user's value, but for two bits. Bus mastering stays off
 * until the parent driver has seen the device, see mdr_restore_master(). INTx
 * stays off because only vfio-pci-core knows whether it is masked, see
 * mdr_device_sync_interrupts().
 */
static void mdr_restore_command(struct mdr_device *device)
{
	struct vfio_pci_core_device *core = device->core;
	u16 command = device->registers.value[MDR_COMMAND];
	u16 restored = 0;

	pci_read_config_word(core->pdev, PCI_COMMAND, &restored);
	command &= ~(PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MASTER);
	command |= restored & PCI_COMMAND_INTX_DISABLE;
	if (core->nointx || (core->pci_2_3 &&
			     core->irq_type == VFIO_PCI_INTX_IRQ_INDEX))
		command |= PCI_COMMAND_INTX_DISABLE;
	pci_write_config_word(core->pdev, PCI_COMMAND, command);
}

/*
 * Bus mastering comes last, when the device is known to be well. With the types
 * hold and evict a user or an administrator resets the device first.
 */
static void mdr_restore_master(struct mdr_device *device)
{
	struct pci_dev *pdev = device->core->pdev;
	u16 command;

	/* off is what the user has then, and no sign of a blank function */
	if (device->policy != MDR_POLICY_RESUME)
		device->registers.value[MDR_COMMAND] &= ~PCI_COMMAND_MASTER;
	if (!(device->registers.value[MDR_COMMAND] & PCI_COMMAND_MASTER))
		return;
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	pci_write_config_word(pdev, PCI_COMMAND, command | PCI_COMMAND_MASTER);
}

/*
 * Is there a live function behind this device?
 *
 * A VF has no IDs of its own (SR-IOV 1.1, 3.4.1.1), so the PCI core looks at
 * the PF instead. But a PF that lost VF Enable takes its VFs with it: nothing
 * answers, and the class code, which every VF has, reads as ones.
 */
bool mdr_function_answers(struct pci_dev *pdev)
{
	u32 value;

	if (pdev->is_virtfn)
		return pci_device_is_present(pdev) &&
		       !pci_read_config_dword(pdev, PCI_CLASS_REVISION, &value) &&
		       !PCI_POSSIBLE_ERROR(value);
	/* the IDs differ as well if it is not ready yet (RRS), or another one is there */
	return !pci_dev_is_disconnected(pdev) &&
	       !pci_read_config_dword(pdev, PCI_VENDOR_ID, &value) &&
	       value == ((u32)pdev->device << 16 | pdev->vendor);
}

/* Has the kernel assigned an address to this BAR, that a reset takes away? */
static bool mdr_bar_is_assigned(struct pci_dev *pdev, unsigned int bar)
{
	const unsigned long fixed = IORESOURCE_UNSET | IORESOURCE_PCI_FIXED |
				    IORESOURCE_PCI_EA_BEI;
	struct resource *res = &pdev->resource[bar];

	return pci_resource_len(pdev, bar) && !(res->flags & fixed) &&
	       (res->flags & (IORESOURCE_MEM | IORESOURCE_IO));
}

/* The address in an assigned BAR. */
static u64 mdr_bar_address(struct pci_dev *pdev, unsigned int bar)
{
	unsigned long flags = pdev->resource[bar].flags;
	u32 low, high = 0;

	pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * bar, &low);
	low &= flags & IORESOURCE_IO ? PCI_BASE_ADDRESS_IO_MASK :
				       PCI_BASE_ADDRESS_MEM_MASK;
	if (flags & IORESOURCE_MEM_64)
		pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * bar + 4,
				      &high);
	return low | (u64)high << 32;
}

/* The address that an assigned BAR should have. */
static u64 mdr_bar_given(struct pci_dev *pdev, unsigned int bar)
{
	struct pci_bus_region region;

	pcibios_resource_to_bus(pdev->bus, &region, &pdev->resource[bar]);
	return region.start;
}

/*
 * Is this BAR 0 although the kernel gave it an address? A reset clears BARs
 * (PCI Express 6.0, 7.5.1.2.1), and users cannot write the real ones.
 */
static bool mdr_bar_is_blank(struct pci_dev *pdev, unsigned int bar)
{
	return mdr_bar_is_assigned(pdev, bar) && !mdr_bar_address(pdev, bar) &&
	       mdr_bar_given(pdev, bar);
}

/* Is a BAR elsewhere than the kernel believes? A VF has none of its own. */
bool mdr_function_is_misplaced(struct pci_dev *pdev)
{
	unsigned int bar;

	for (bar = 0; bar < PCI_STD_NUM_BARS && !pdev->is_virtfn; bar++)
		if (mdr_bar_is_assigned(pdev, bar) &&
		    mdr_bar_address(pdev, bar) != mdr_bar_given(pdev, bar))
			return true;
	return false;
}

/*
 * A VF has no BARs of its own (SR-IOV 1.1, 3.4.1.11), and only bus mastering of
 * COMMAND. But a reset clears its MSI-X enable bit, too.
 */
static bool mdr_vf_is_blank(struct mdr_function *function)
{
	struct mdr_device *device = function->device;
	struct pci_dev *pdev = function->pdev;
	u16 word;

	if (pdev->msix_enabled) {
		pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
				     &word);
		return !(word & PCI_MSIX_FLAGS_ENABLE);
	}
	if (!device || !READ_ONCE(device->opened) ||
	    !(device->registers.value[MDR_COMMAND] & PCI_COMMAND_MASTER))
		return false;
	/* mdr_hooks_note() has turned it off */
	if (READ_ONCE(function->restore.hooks_due) && function->restore.was_master)
		return false;
	pci_read_config_word(pdev, PCI_COMMAND, &word);
	return !(word & PCI_COMMAND_MASTER);
}

/*
 * Has a function that answers visibly lost its config space, by a reset or a
 * loss of power? A function without BARs, and a VF without any setup, show
 * nothing: they count as not blank.
 */
bool mdr_function_is_blank(struct mdr_function *function)
{
	struct pci_dev *pdev = function->pdev;
	unsigned int bar;

	device_lock_assert(&pdev->dev);

	if (pdev->is_virtfn)
		return mdr_vf_is_blank(function);
	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (mdr_bar_is_blank(pdev, bar))
			return true;
	return false;
}

/*
 * A reset ends whatever power state the user chose (PCI Power Management 1.2,
 * 5.4); write D0 for a function that was not reset. Not with
 * pci_set_power_state(): it takes pci_bus_sem, which a host callback holds.
 */
static void mdr_restore_power(struct pci_dev *pdev)
{
	u16 control;

	if (pdev->pm_cap && pdev->current_state != PCI_D0 &&
	    !pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &control) &&
	    (control & PCI_PM_CTRL_STATE_MASK)) {
		pci_write_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL,
				      control & ~PCI_PM_CTRL_STATE_MASK);
		/* D3hot to D0 takes 10 ms (PCI Power Management 1.2, 5.6.1) */
		usleep_range(10000, 11000);
	}
	pdev->current_state = PCI_D0;
}

/*
 * Load the user's config space, or without a user that of the parent driver's
 * probe. group->lock, because the user may be closing the device.
 */
static int mdr_restore_load(struct mdr_function *function)
{
	struct mdr_device *device = function->device;
	struct pci_saved_state *state = function->pristine;

	guard(mutex)(&function->group->lock);
	/* it turns INTx off, also of a function that was not told of the error */
	if (device)
		device->synced = false;
	if (device && device->opened && device->saved)
		state = device->saved;
	return pci_load_saved_state(function->pdev, state);
}

/*
 * What a hook has returned. -ECANCELED from one does not mean that the host is at work, nor
 * -EAGAIN that a lock of ours is taken, and a positive number is no errno.
 */
int mdr_hook_error(int ret)
{
	if (ret == -EAGAIN)
		return -EBUSY;
	return ret > 0 || ret == -ECANCELED ? -EIO : ret;
}

/* Restore config space, then what only the parent driver knows. */
static int mdr_restore_configure(struct mdr_function *function)
{
	struct mdr_device *device = function->device;
	struct pci_dev *pdev = function->pdev;
	u32 *command;
	int ret;

	mdr_restore_power(pdev);
	ret = mdr_restore_load(function);
	if (ret)
		return ret;
	command = &pdev->saved_config_space[PCI_COMMAND / 4];
	*command &= ~PCI_COMMAND_MASTER;
	/* restoring the MSI-X table, which is in a BAR, needs decoding on */
	if (pdev->msix_enabled)
		*command |= PCI_COMMAND_MEMORY;
	pci_restore_state(pdev);
	if (device && READ_ONCE(device->opened)) {
		mdr_user_registers_write(device);
		mdr_restore_command(device);
	}

	return function->ops->restore ?
		       mdr_hook_error(function->ops->restore(pdev)) : 0;
}

/* Checks once and does not wait: mdr_group_finish() comes back to a slow device. */
static int mdr_restore_once(struct mdr_function *function)
{
	struct mdr_device *device = function->device;
	struct pci_dev *pdev = function->pdev;
	int ret;

	device_lock_assert(&pdev->dev);

	if (!mdr_function_answers(pdev))
		return -ENODEV;
	if (!function->restore.configured) {
		ret = mdr_restore_configure(function);
		if (ret)
			return ret;
		function->restore.configured = true;
		if (!mdr_function_answers(pdev))
			return -ENODEV;
	}
	if (function->ops->healthy && !function->ops->healthy(pdev))
		return -ENODEV;

	if (device && READ_ONCE(device->opened))
		mdr_restore_master(device);
	mdr_pci_unfreeze(pdev);
	function->restore.configured = false;
	WRITE_ONCE(function->restore.unchecked, false);
	WRITE_ONCE(function->restore.hooks_due, false);
	WRITE_ONCE(function->restore.blank, false);
	return 0;
}

/*
 * Continue a restore, with the gate closed. While healthy() says no, the restore
 * hook is not run again.
 */
int mdr_restore_again(struct mdr_function *function)
{
	u64 start = ktime_get_ns();
	int ret;

	ret = mdr_restore_once(function);
	trace_mdr_restore(function->group, function->pdev,
			  ktime_get_ns() - start, ret);
	return ret;
}

/*
 * Get exclusive use of the PCI core's saved config space of a function:
 * vfio-pci-core restores from it at close, without the device lock. False during a
 * close. Only tries, for host callbacks. The caller holds the device lock.
 */
bool mdr_restore_claim(struct mdr_function *function)
{
	device_lock_assert(&function->pdev->dev);
	return !function->device ||
	       mutex_trylock(&function->device->core_lock);
}

void mdr_restore_unclaim(struct mdr_function *function)
{
	if (function->device)
		mutex_unlock(&function->device->core_lock);
}

/*
 * Restore config space, BARs and MSI-X of a reset function, with the gate
 * closed. Takes group->lock. -ENODEV if the function does not answer or is not
 * healthy, -EAGAIN while its user closes it.
 */
int mdr_restore(struct mdr_function *function)
{
	int ret;

	if (!mdr_restore_claim(function))
		return -EAGAIN;
	function->restore.configured = false;
	ret = mdr_restore_again(function);
	mdr_restore_unclaim(function);
	return ret;
}

/* Has it lost its config space, or all of it but the BARs? The gate is closed. */
bool mdr_function_is_lost(struct mdr_function *function)
{
	struct mdr_device *device = function->device;

	return mdr_function_is_blank(function) ||
	       (device && READ_ONCE(device->opened) &&
		mdr_user_registers_are_lost(device));
}

/* Goes on with a restore whose device was not healthy yet. */
static int mdr_restore_what_is_lost(struct mdr_function *function)
{
	struct pci_dev *pdev = function->pdev;
	bool goes_on = READ_ONCE(function->restore.blank) &&
		       function->restore.configured;
	int ret;

	if (!mdr_function_answers(pdev))
		return goes_on ? -ENODEV : -EIO;
	/* until it is healthy, it does not master the bus, which looks like a lost VF */
	if (goes_on ? !pdev->is_virtfn && mdr_function_is_blank(function) :
		      mdr_function_is_lost(function)) {
		if (!READ_ONCE(function->restore.blank))
			pci_notice_ratelimited(pdev, "config space was lost without an error, restoring it\n");
		function->restore.configured = false;
		mdr_function_set_blank(function);
	}
	WRITE_ONCE(function->restore.unchecked, false);
	if (!READ_ONCE(function->restore.blank))
		return 0;
	if (!mdr_restore_claim(function))
		return -EAGAIN;
	ret = mdr_restore_again(function);
	mdr_restore_unclaim(function);
	if (!ret && function->device)
		mdr_device_sync_soon(function->device);
	return ret;
}

/*
 * Restore a function that has lost its config space, and the bridges above it, and make
 * INTx match. A device that lost power and came back reports no error, so a user's reset
 * and an open check for it here, inside the gate.
 *
 * 0 if it is not blank any more, or no longer ours; -EIO if it does not answer; -EAGAIN if
 * the device lock is taken; otherwise as mdr_restore().
 */
int mdr_restore_if_blank(struct pci_dev *pdev)
{
	struct mdr_function *function;
	int ret = 0;

	if (mdr_bridges_are_blank(pdev))
		mdr_bridges_restore(pdev);
	if (!device_trylock(&pdev->dev))
		return -EAGAIN;
	function = mdr_function_find(pdev);
	if (function)
		ret = mdr_restore_what_is_lost(function);
	device_unlock(&pdev->dev);
	return ret;
}

static void mdr_device_set_synced(struct mdr_device *device, bool synced)
{
	guard(mutex)(&device->function->group->lock);
	device->synced = synced;
}

/*
 * Are the locks free that INTx needs? A task that is inside longer than a drain waits may
 * hold them for as long as its user likes: vfio-pci-core calls MMU notifiers, and frees
 * interrupts whose files in /proc somebody reads. Nobody else takes them: the gate is closed.
 */
static bool mdr_device_may_sync(struct mdr_device *device)
{
	struct vfio_pci_core_device *core = device->core;

	if (!down_write_trylock(&core->memory_lock))
		return false;
	up_write(&core->memory_lock);
	if (!mutex_trylock(&core->igate))
		return false;
	mutex_unlock(&core->igate);
	return true;
}

/*
 * Make INTx of a restored device match what vfio-pci-core believes; the gate is closed.
 * Resumes the device, and takes its core_lock, memory_lock and igate, so host callbacks
 * must not call this. False, and nothing has changed, if a task inside holds one of those.
 *
 * vfio-pci-core masks INTx in COMMAND at every interrupt until the user unmasks it, and
 * keeps a private flag. If COMMAND says unmasked and the flag masked, there is an
 * interrupt storm; the reverse is silence. Its runtime PM callbacks bring both together:
 * suspend masks if the flag says unmasked, resume unmasks if suspend has masked.
 */
bool mdr_device_sync_interrupts(struct mdr_device *device)
{
	const struct dev_pm_ops *pm;
	struct device *dev;
	bool lent;

	guard(mutex)(&device->core_lock);

	/* before the look: an error that comes now needs another one */
	mdr_device_set_synced(device, true);
	/* the device stays open under core_lock: close and unbind wait for it */
	if (!READ_ONCE(device->opened) ||
	    device->core->irq_type != VFIO_PCI_INTX_IRQ_INDEX)
		return true;
	if (!mdr_device_may_sync(device)) {
		mdr_device_set_synced(device, false);
		return false;
	}
	dev = &device->core->pdev->dev;
	pm = dev->driver->pm;
	if (!pm || !pm->runtime_suspend || !pm->runtime_resume)
		return true;
	/* a runtime suspend in between would leave INTx masked for good */
	pm_runtime_get_sync(dev);
	/* in D3hot it was not reset, so it is in line, and its user wants it asleep */
	if (device->core->pdev->current_state != PCI_D3hot) {
		pm->runtime_suspend(dev);
		lent = mdr_intx_lend(device);
		/* nobody hears the signal of the opening gate, so unmask what is masked */
		if (lent && !READ_ONCE(device->intx.watch))
			device->core->pm_intx_masked = true;
		pm->runtime_resume(dev);
		if (lent)
			mdr_intx_take_back(device);
	}
	pm_runtime_put(dev);
	return true;
}

/* The same for a task that cannot come back: others have the locks for a moment, too. */
void mdr_device_sync_soon(struct mdr_device *device)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);

	while (!mdr_device_sync_interrupts(device) &&
	       time_before(jiffies, deadline))
		usleep_range(500, 1000);
}

/* The locks were taken: 0 after a while, -EBUSY after @deadline (ktime_get_ns()). */
int mdr_sync_again(struct mdr_group *group, u64 deadline)
{
	unsigned int poll_ms = MDR_POLL_MS;

	if (ktime_get_ns() >= deadline)
		return -EBUSY;
	mdr_group_poll(group, !mdr_attempt_may(group), &poll_ms);
	return 0;
}

/* The device lock, for a task that resets the group; false if an error came. */
static bool mdr_sync_lock(struct mdr_group *group, struct pci_dev *pdev)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(MDR_DEVICE_LOCK_MS);

	return mdr_trylock_until(pdev, READ_ONCE(group->resetter) != current ||
				       mdr_wait_is_over(deadline));
}

/*
 * Make INTx of all devices of a group match what vfio-pci-core believes: a reset by
 * this task takes the group out of failed. Context as of
 * mdr_device_sync_interrupts(), without a device lock.
 */
void mdr_group_sync_interrupts(struct mdr_group *group)
{
	struct mdr_function *function;
	struct mdr_snapshot snapshot;
	unsigned int i;

	if (mdr_snapshot_take(group, MDR_SNAPSHOT_ALL, &snapshot))
		return;
	for (i = 0; i < snapshot.count; i++) {
		if (!mdr_sync_lock(group, snapshot.pdevs[i]))
			continue;
		function = mdr_function_find(snapshot.pdevs[i]);
		if (function && function->device &&
		    !READ_ONCE(function->restore.blank))
			mdr_device_sync_soon(function->device);
		device_unlock(&snapshot.pdevs[i]->dev);
	}
	mdr_snapshot_put(&snapshot);
}
