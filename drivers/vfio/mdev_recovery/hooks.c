// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parent driver's hooks after a reset outside of a recovery: by a user, at
 * open, at close, or from outside. The reset restores config space by itself. The
 * hooks restore what only the parent driver knows, before any user gets access.
 *
 * reset_done() only notes that hooks are due, because the resetting task holds
 * locks of vfio-pci-core. The hooks run after those locks are dropped, with the
 * device lock held and the gate closed, as in a recovery. Until they succeed the
 * function does no DMA and is not whole.
 */
#include "function.h"
#include "group.h"

static bool mdr_hooks_exist(struct mdr_function *function)
{
	return function->ops->restore || function->ops->healthy;
}

/* The function was just reset, and its config space is back. */
void mdr_hooks_note(struct mdr_function *function)
{
	struct pci_dev *pdev = function->pdev;
	bool is_master;
	u16 command;

	device_lock_assert(&pdev->dev);

	if (!mdr_hooks_exist(function))
		return;
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	is_master = !PCI_POSSIBLE_ERROR(command) && (command & PCI_COMMAND_MASTER);
	if (is_master)
		pci_write_config_word(pdev, PCI_COMMAND,
				      command & ~PCI_COMMAND_MASTER);
	/* already off if the hooks of an earlier reset have not run */
	function->restore.was_master =
		is_master || (READ_ONCE(function->restore.hooks_due) &&
			      function->restore.was_master);
	function->restore.configured = false;
	WRITE_ONCE(function->restore.hooks_due, true);
}

/*
 * vfio-pci-core reset the function at close, without a callback. The next open
 * calls the hooks before the user gets access.
 */
void mdr_hooks_note_close(struct mdr_function *function)
{
	if (!mdr_hooks_exist(function))
		return;
	function->restore.was_master = false;
	WRITE_ONCE(function->restore.hooks_due, true);
}

/* Call the hooks, if they are due. Looks once, like mdr_restore_again(). */
int mdr_hooks_run(struct mdr_function *function)
{
	const struct mdr_parent_ops *ops = function->ops;
	struct pci_dev *pdev = function->pdev;
	u16 command;
	int ret;

	device_lock_assert(&pdev->dev);

	if (!READ_ONCE(function->restore.hooks_due))
		return 0;
	if (!mdr_function_answers(pdev))
		return -ENODEV;
	if (!function->restore.configured) {
		ret = ops->restore ? mdr_hook_error(ops->restore(pdev)) : 0;
		if (ret)
			return ret;
		function->restore.configured = true;
	}
	if (ops->healthy && !ops->healthy(pdev))
		return -ENODEV;

	if (function->restore.was_master) {
		pci_read_config_word(pdev, PCI_COMMAND, &command);
		pci_write_config_word(pdev, PCI_COMMAND,
				      command | PCI_COMMAND_MASTER);
	}
	function->restore.configured = false;
	WRITE_ONCE(function->restore.hooks_due, false);
	return 0;
}

/* May this task call hooks? A host callback for the function needs the device lock, too. */
static bool mdr_hooks_are_mine(struct mdr_group *group)
{
	return READ_ONCE(group->resetter) == current ||
	       !mdr_gate_closed(&group->gate);
}

static int mdr_hooks_try(struct mdr_group *group, struct pci_dev *pdev)
{
	struct mdr_function *function;
	int ret = 0;

	if (!device_trylock(&pdev->dev))
		return -EBUSY;
	if (!mdr_hooks_are_mine(group)) {
		device_unlock(&pdev->dev);
		return -ECANCELED;
	}
	function = mdr_function_find(pdev);
	/* others need a restore first, which calls them */
	if (function && !READ_ONCE(function->restore.blank) &&
	    !READ_ONCE(function->restore.unchecked))
		ret = mdr_hooks_run(function);
	device_unlock(&pdev->dev);
	/* from a hook it does not mean that the lock is taken */
	return ret == -EBUSY ? -ENODEV : ret;
}

/*
 * May the hooks continue? Not after a new error. A fatal signal stops an open, but not a
 * reset, which must finish. An open holds dev_set->lock, so it also ends at @hurry
 * (jiffies), when closes have had to hurry for MDR_LET_GO_MS without a pause.
 */
static bool mdr_hooks_may(struct mdr_group *group, unsigned long *hurry)
{
	if (READ_ONCE(group->resetter) == current)
		return true;
	if (!mdr_closes_must_hurry())
		*hurry = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
	return !mdr_gate_closed(&group->gate) &&
	       !fatal_signal_pending(current) && time_before(jiffies, *hurry);
}

/*
 * Call the hooks of a function that was reset, if they are due, until @deadline (jiffies)
 * if the device is slow. This task has closed the gate and is inside, or the device is
 * not open yet.
 *
 * Returns 0; -ECANCELED if an error took over, or at open for a kill, or if closes have to
 * hurry; -EBUSY if another task has the function for longer than MDR_LET_GO_MS; -ENODEV if
 * it does not answer or is not healthy in time; or the error of the restore hook.
 */
int mdr_hooks_call(struct mdr_group *group, struct pci_dev *pdev,
		   unsigned long deadline)
{
	unsigned long let_go = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
	unsigned long hurry = let_go;
	unsigned int poll_ms = MDR_POLL_MS;
	int ret;

	for (;;) {
		ret = mdr_hooks_try(group, pdev);
		if (ret != -EBUSY)
			let_go = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
		if (!ret || !mdr_restore_may_come(ret, false) ||
		    time_after(jiffies, ret == -EBUSY ? let_go : deadline))
			return ret;
		mdr_group_poll(group, !mdr_hooks_may(group, &hurry), &poll_ms);
		if (!mdr_hooks_may(group, &hurry))
			return -ECANCELED;
	}
}

/*
 * The same for @only, or for all functions of a group that this task has reset. Waits for
 * as long as the host may take for a recovery. Returns 0, or the last error.
 */
int mdr_hooks_call_all(struct mdr_group *group, struct mdr_function *only)
{
	struct mdr_snapshot snapshot;
	unsigned long deadline;
	int worst, ret;
	unsigned int i;

	/* the usual case, and a user waits */
	if (only && !READ_ONCE(only->restore.hooks_due))
		return 0;
	scoped_guard(mutex, &group->lock)
		deadline = jiffies +
			   msecs_to_jiffies(mdr_group_recovery_timeout(group));
	worst = mdr_snapshot_take(group, MDR_SNAPSHOT_HOOKS, &snapshot);
	for (i = 0; i < snapshot.count; i++) {
		if (only && snapshot.pdevs[i] != only->pdev)
			continue;
		ret = mdr_hooks_call(group, snapshot.pdevs[i], deadline);
		if (ret)
			worst = ret;
	}
	mdr_snapshot_put(&snapshot);
	return worst;
}

/*
 * Call the hooks that are due in a group, but wait for nothing: not for a device lock, nor
 * for a slow device.
 */
void mdr_hooks_try_all(struct mdr_group *group)
{
	struct mdr_snapshot snapshot;
	unsigned int i;

	mdr_snapshot_take(group, MDR_SNAPSHOT_HOOKS, &snapshot);
	for (i = 0; i < snapshot.count; i++)
		mdr_hooks_try(group, snapshot.pdevs[i]);
	mdr_snapshot_put(&snapshot);
}
