// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the PCI core tells of a reset: an administrator's, one of the PF's driver, or a bus
 * reset that vfio-pci-core makes when the last device on the bus is closed. The resets of
 * the group's own user, and of the shim, come this way too.
 *
 * The caller holds the device lock of the function.
 */
#include "device.h"
#include "function.h"
#include "group.h"

/*
 * The PCI core begins the reset that a user has asked for. False if an error has ended the
 * wait for this task since, and the gate may be open again. Otherwise the function is no
 * longer as the host's reset left it, even if this reset fails.
 */
static bool mdr_reset_by_user_begins(struct mdr_function *function)
{
	struct mdr_group *group = function->group;

	function->restore.was_silent = !mdr_function_answers(function->pdev);

	guard(mutex)(&group->lock);
	if (group->resetter != current)
		return false;
	/* the end of a recovery waits for this from now on */
	function->host_reset.by_user = true;
	group->untouched = false;
	function->error.was_reset = false;
	return true;
}

/* Is the config space of another function of the group, or on the bus, blocked? */
static bool mdr_reset_blocks_others(struct mdr_function *function)
{
	struct mdr_group *group = function->group;
	struct pci_dev *pdev = NULL;
	struct mdr_function *other;
	bool blocked = false;

	/* not pci_bus_sem: see mdr_blockers_walk() */
	for_each_pci_dev(pdev)
		blocked |= pdev != function->pdev && pdev->block_cfg_access &&
			   pdev->bus == function->pdev->bus;
	guard(mutex)(&group->lock);
	list_for_each_entry(other, &group->functions, group_item)
		blocked |= other != function && other->pdev->block_cfg_access;
	return blocked;
}

/*
 * Drain the gate for a reset from outside. The PCI core has blocked config space
 * (pci_dev_lock()), and a task inside may wait for that with memory_lock held, for which others
 * inside wait. The gate is closed, so let them finish before it is blocked again. If others are
 * blocked as well, nobody can say by which task; and this one must not wait for one function
 * while it blocks another, for which a native driver may wait (mlx5).
 */
static void mdr_reset_drain(struct mdr_function *function)
{
	bool blocks_others = mdr_reset_blocks_others(function);
	struct pci_dev *pdev = function->pdev;
	bool lends = pdev->block_cfg_access && !blocks_others;

	device_lock_assert(&pdev->dev);

	if (lends)
		pci_cfg_access_unlock(pdev);
	mdr_group_drain(function->group, blocks_others);
	if (lends)
		pci_cfg_access_lock(pdev);
}

/* The end of a reset by a task that is alone inside the gate, and restores what it resets. */
static void mdr_reset_inside_done(struct mdr_function *function,
				  struct mdr_gate_entry *entry)
{
	struct mdr_group *group = function->group;
	bool silent = entry->user_reset &&
		      !mdr_function_answers(function->pdev);

	/*
	 * What the PCI core writes to a silent function is lost, and what it has read of one
	 * is all-ones. One that stays silent is left alone.
	 */
	if (entry->user_reset && silent != function->restore.was_silent)
		mdr_function_set_blank(function);
	if (!entry->user_reset || !silent || !function->restore.was_silent)
		mdr_hooks_note(function);
	/* from here on it is like the others */
	if (!silent)
		function->restore.was_silent = false;
	if (!entry->user_reset)
		return;

	guard(mutex)(&group->lock);
	function->host_reset.by_user = false;
	if (!silent && !READ_ONCE(function->restore.blank))
		WRITE_ONCE(function->restore.unchecked, true);
	if (group->resetter == current)
		return;
	/* an error took over, and its end has waited: this task does not come back to look */
	mdr_function_leave_reset(function);
	mdr_group_reset_is_over(group);
}

/*
 * A reset from outside: an administrator's, one of the PF's driver, or a bus
 * reset that vfio-pci-core makes when the last device on the bus is closed. A
 * reset of the group's own user comes this way too, in the task of the user and
 * with the gate closed already.
 */
void mdr_reset_prepare(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);
	struct mdr_gate_entry *entry;
	struct mdr_group *group;
	bool counted;

	if (!function)
		return;

	group = function->group;
	entry = mdr_gate_current_exclusive(&group->gate);
	function->host_reset.inside =
		entry && (!entry->user_reset ||
			  mdr_reset_by_user_begins(function));
	if (function->host_reset.inside) {
		/* by the shim's own attempt: to be restored, even if an error ends that */
		if (mdr_attempt_may(group))
			mdr_function_set_blank(function);
		return;
	}
	/* the PCI core cannot note its registers, and brings back older ones */
	if (!mdr_function_answers(pdev))
		mdr_function_set_blank(function);
	scoped_guard(mutex, &group->lock) {
		group->stats.host_resets++;
		counted = mdr_group_reset_begin(group,
						MDR_EVENT_HOST_RESET_BEGIN,
						function);
		function->host_reset.counted = counted;
		/* the recovery must not open the gate before this reset is over */
		if (!counted && mdr_group_is_recovering(group)) {
			mdr_group_stop_opening(group);
			if (function->device)
				function->device->synced = false;
			mdr_function_told(function);
			function->host_reset.waits = true;
		}
	}
	mdr_group_zap_begin(group);
	/*
	 * A user's reset through config space (FLR) runs inside the gate, with
	 * memory_lock held. Other tasks inside wait for that lock, so a drain
	 * would only end by its bound. The same goes for a hot reset that comes
	 * here for a group whose gate it has not closed, or no longer.
	 */
	if (!mdr_gate_current_calls() && !entry)
		mdr_reset_drain(function);
	else
		mdr_group_zap_wait_since(group, jiffies);
}

/*
 * A reset from outside left the function blank, or the parent driver's hooks failed
 * at first. (The PCI core restores what it read before the reset, which is nothing
 * in a device that had lost power.)
 */
static void mdr_reset_lost(struct mdr_function *function)
{
	if (!mdr_group_recover_lost(function))
		return;
	function->error = (struct mdr_function_error) {};
	pci_notice(function->pdev,
		   "not usable after a reset from outside, recovering it\n");
}

/* The end of a reset from outside that mdr_reset_prepare() has told to the group. */
static void mdr_reset_outside_done(struct mdr_function *function, bool lost)
{
	struct mdr_group *group = function->group;

	guard(mutex)(&group->lock);
	if (function->host_reset.waits) {
		/* the recovery has waited for this reset, and brings it back */
		function->host_reset.waits = false;
		mdr_function_resumed(function);
		mdr_group_came_back(group);
	}
	if (!function->host_reset.counted)
		return;
	function->host_reset.counted = false;
	if (lost && !mdr_function_is_gone(function))
		mdr_reset_lost(function);
	/* an error of another function took over, and its end has waited for us */
	mdr_group_reset_is_over(group);
	mdr_group_reset_end(group, MDR_EVENT_HOST_RESET_DONE, function);
}

void mdr_reset_done(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);
	struct mdr_gate_entry *entry;
	struct mdr_group *group;
	bool lost;

	if (!function)
		return;
	group = function->group;
	function->restore.configured = false;
	entry = mdr_gate_current_exclusive(&group->gate);
	if (entry)
		entry->was_reset = true;
	if (entry && function->host_reset.inside) {
		mdr_reset_inside_done(function, entry);
		return;
	}

	mdr_hooks_note(function);
	WRITE_ONCE(function->restore.unchecked, false);
	lost = !mdr_function_answers(pdev) ||
	       READ_ONCE(function->restore.blank) ||
	       mdr_function_is_lost(function) || mdr_hooks_run(function);
	if (lost)
		mdr_function_set_blank(function);
	mdr_reset_outside_done(function, lost);
	mdr_group_wait_opened_briefly(group);
}
