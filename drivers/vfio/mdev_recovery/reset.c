// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets that a user or an administrator asks for. They close and drain the gate
 * before they take any lock of vfio-pci-core or the PCI core: a user inside may wait
 * for vfio-pci-core's locks, and a host callback drains with the PCI core's held.
 *
 * Resets are never merged: a user's reset during a recovery waits for its end, then
 * runs. Only reset_elision=pristine allows skipping one, if the gate has been closed
 * ever since the host reset the function: then no user can have touched it.
 */
#include "device.h"
#include "function.h"
#include "group.h"

/* May the host still be at work on a group that has failed? group->lock. */
bool mdr_group_host_may_work(struct mdr_group *group)
{
	return group->machine.state == MDR_STATE_FAILED &&
	       mdr_group_pending(group) && !group->attempt.host_is_done;
}

/* Is this a failed group that only an administrator can revive? */
static bool mdr_group_is_locked(struct mdr_group *group)
{
	return mdr_group_has_given_up(group) || mdr_group_host_may_work(group);
}

static int mdr_reset_begin(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;

	guard(mutex)(&group->lock);
	if (group->machine.state == MDR_STATE_EVICTING ||
	    mdr_group_is_locked(group))
		return -EIO;
	return mdr_group_reset_begin(group, MDR_EVENT_USER_RESET_BEGIN,
				     device->function) ? 0 : -EAGAIN;
}

/* Likewise, but wait for a recovery or another reset to end. */
static int mdr_reset_begin_wait(struct mdr_device *device)
{
	unsigned int timeout_ms = READ_ONCE(device->tunables.stall_timeout_ms);
	unsigned long deadline = jiffies + msecs_to_jiffies(timeout_ms);
	int ret, waited;

	for (;;) {
		ret = mdr_reset_begin(device);
		if (ret != -EAGAIN || time_after(jiffies, deadline))
			return ret;
		waited = mdr_group_wait_settled(device->function->group,
						timeout_ms);
		if (waited)
			return waited;
	}
}

static bool mdr_reset_is_mine(struct mdr_group *group)
{
	guard(mutex)(&group->lock);
	return group->resetter == current;
}

/*
 * A hot reset hits the whole bus, so it acknowledges for every function there
 * that answers. The caller has shown that all of them are its own, or unused.
 */
static void mdr_reset_acknowledge(struct mdr_group *group,
				  struct mdr_function *only,
				  struct pci_bus *bus)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item) {
		if (function != only && function->pdev->bus != bus)
			continue;
		/* one in a reset from outside does not answer for a while */
		if (function != only && !function->host_reset.counted &&
		    !mdr_function_answers(function->pdev))
			continue;
		if (function->device && function->device->opened)
			function->device->acknowledged = group->event;
		mdr_walk_end(function);
		function->failed = false;
	}
	if (!mdr_group_pending(group))
		group->attempt.host_is_done = false;
}

/*
 * End a user's reset of a group, after leaving the gate. @bus is the bus that
 * was reset, NULL for just @function. @alive if the reset succeeded and the
 * device answers.
 */
void mdr_reset_end(struct mdr_group *group, struct mdr_function *function,
		   struct pci_bus *bus, bool alive)
{
	guard(mutex)(&group->lock);
	if (alive && group->resetter == current)
		mdr_reset_acknowledge(group, function, bus);
	mdr_group_reset_end(group, MDR_EVENT_USER_RESET_FAILED, function);
}

/*
 * Put the group into resetting, and be alone inside its gate. After success
 * leave the gate with @entry and call mdr_reset_end(). Errors as of
 * mdr_device_reset().
 */
int mdr_reset_enter(struct mdr_device *device, struct mdr_gate_entry *entry)
{
	struct mdr_function *function = device->function;
	struct mdr_group *group = function->group;
	int ret;

	ret = mdr_reset_begin_wait(device);
	if (ret)
		return ret;

	if (!mdr_group_drain_or_fail(group)) {
		mdr_reset_end(group, function, NULL, false);
		return -EBUSY;
	}
	mdr_gate_enter_exclusive(&group->gate, entry);
	entry->user_reset = true;
	if (mdr_reset_is_mine(group))
		return 0;

	/* an error came meanwhile; it waits for this task to leave */
	mdr_gate_exit(entry);
	mdr_reset_end(group, function, NULL, false);
	return -EAGAIN;
}

/* vfio-pci-core's reset preserves config space, but in a failed group it may be lost. */
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

	/* the reset takes the group out of failed, with all its devices */
	mdr_group_sync_interrupts(function->group);
	return 0;
}

/* Is the device still as the host's reset left it? A user's reset that does run ends that. */
static bool mdr_reset_is_elided(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;

	guard(mutex)(&group->lock);
	if (!group->untouched ||
	    READ_ONCE(device->tunables.reset_elision) !=
	    MDR_RESET_ELISION_PRISTINE) {
		group->untouched = false;
		return false;
	}
	group->stats.elided_resets++;
	return true;
}

/* Is this the only reset, and no error came? The host would hold the device lock. */
static bool mdr_reset_is_alone(struct mdr_group *group)
{
	return READ_ONCE(group->resetter) == current &&
	       READ_ONCE(group->resets) == 1;
}

static long mdr_reset_core(struct mdr_device *device, unsigned int cmd,
			   unsigned long arg)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
	struct mdr_group *group = device->function->group;
	long ret;

	do {
		ret = mdr_parent_ioctl(device, cmd, arg);
	} while (ret == -EAGAIN && mdr_reset_is_alone(group) &&
		 mdr_wait_host_lets_go(deadline));
	return ret;
}

/* Is a function not whole after a reset, as far as this task knows? */
static bool mdr_reset_is_unfinished(struct mdr_function *function)
{
	return READ_ONCE(function->restore.hooks_due) ||
	       READ_ONCE(function->restore.unchecked) ||
	       READ_ONCE(function->restore.blank);
}

/*
 * Fail the group for @only, or for each function that is not whole. A group that was failed
 * stays failed. Otherwise this is a new event, so that programs that compare ids, and
 * devices of type hold, notice: all users lose access, and what brings the group back may
 * reset all functions.
 */
static bool mdr_reset_mark_failed(struct mdr_group *group,
				  struct mdr_function *only, int ret)
{
	struct mdr_function *function, *lost = NULL;

	guard(mutex)(&group->lock);
	if (group->resetter != current)
		return false;
	list_for_each_entry(function, &group->functions, group_item) {
		if (mdr_function_is_gone(function) ||
		    (only ? function != only :
			    !mdr_reset_is_unfinished(function)))
			continue;
		dev_err_ratelimited(&function->pdev->dev,
				    "not usable after its user's reset (%d): reset it again, or write 1 to recover\n",
				    ret);
		function->failed = true;
		lost = function;
	}
	if (!lost || group->machine.origin == MDR_STATE_FAILED)
		return lost;
	mdr_group_new_event(lost, mdr_walk_renew(lost), MDR_CHANNEL_NORMAL);
	group->cause = MDR_CAUSE_USER_RESET;
	mdr_group_step(group, MDR_EVENT_ERROR_PERMANENT, only);
	return true;
}

void mdr_reset_fail(struct mdr_group *group, struct mdr_function *only, int ret)
{
	/* the others were not reset, and are still mapped */
	if (mdr_reset_mark_failed(group, only, ret))
		mdr_group_zap_begin(group);
}

/* After mdr_reset_end(): what must be true when the user's call returns. */
void mdr_reset_settle(struct mdr_group *group, bool failed)
{
	if (failed)
		mdr_group_zap_wait(group);
	mdr_group_wait_opened(group);
}

/*
 * Is there something to reset? For a function that does not answer the PCI core
 * waits a minute for each way to reset it; for a VF one of them is to reset the
 * slot of its PF. Call after mdr_reset_enter().
 */
bool mdr_reset_reaches(struct mdr_device *device)
{
	struct pci_dev *pdev = device->core->pdev;

	/* the function may be below a switch that lost power */
	if (mdr_bridges_are_blank(pdev))
		mdr_bridges_restore(pdev);
	return mdr_function_answers(pdev);
}

/*
 * Let vfio-pci-core reset, after mdr_reset_enter(). Returns as vfio_pci_core_ioctl(). The
 * PCI core may have reset the device and fail nevertheless, because the device was late:
 * entry->was_reset says whether there was a reset.
 */
long mdr_reset_run(struct mdr_device *device, unsigned int cmd,
		   unsigned long arg, struct mdr_gate_entry *entry)
{
	struct mdr_group *group = device->function->group;
	long ret;

	ret = mdr_reset_core(device, cmd, arg);
	/* a parent driver may reset it without the PCI core */
	if (!ret)
		entry->was_reset = true;
	if (entry->was_reset) {
		guard(mutex)(&group->lock);
		group->stats.user_resets++;
	}
	return ret;
}

/* Does this task's reset take the group out of failed? An error may end that any time. */
bool mdr_reset_revives(struct mdr_group *group)
{
	return READ_ONCE(group->resetter) == current &&
	       READ_ONCE(group->machine.origin) == MDR_STATE_FAILED;
}

/* How long a user's reset waits for a slow device: as long as the host may. jiffies. */
unsigned long mdr_reset_deadline(struct mdr_group *group)
{
	guard(mutex)(&group->lock);
	return jiffies + msecs_to_jiffies(mdr_group_recovery_timeout(group));
}

/*
 * May this task go on waiting inside the gate? Not if an error waits for it to leave, or if
 * a task with a device lock waits for a user on this bus. A kill has to wait: a reset needs
 * its end.
 */
bool mdr_reset_may_wait(struct mdr_group *group, struct pci_bus *bus)
{
	return READ_ONCE(group->resetter) == current &&
	       !mdr_unbind_must_pass(bus);
}

/*
 * Restore a function that this task has reset, if it is blank; for as long as the host may
 * take if it is not healthy yet. -ECANCELED if the wait ended early, or another task has the
 * function; otherwise as mdr_restore_if_blank().
 */
static int mdr_reset_restore(struct mdr_group *group, struct pci_dev *pdev)
{
	unsigned long let_go = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
	unsigned int poll_ms = MDR_POLL_MS;
	unsigned long deadline;
	int ret;

	ret = mdr_restore_if_blank(pdev);
	if (!ret)
		return 0;
	deadline = mdr_reset_deadline(group);
	for (;; ret = mdr_restore_if_blank(pdev)) {
		if (ret != -EAGAIN)
			let_go = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
		if (ret == -EAGAIN ? time_after(jiffies, let_go) :
				     !ret || !mdr_restore_may_come(ret, false) ||
				     time_after(jiffies, deadline))
			return ret == -EAGAIN ? -ECANCELED : ret;
		if (!mdr_reset_may_wait(group, pdev->bus))
			return -ECANCELED;
		mdr_group_poll(group, READ_ONCE(group->resetter) != current, &poll_ms);
	}
}

/* The worker can only do full restores, so a function with pending hooks gets one. */
static bool mdr_reset_recover_lost(struct mdr_group *group)
{
	struct mdr_function *function, *lost = NULL;

	lockdep_assert_held(&group->lock);

	if (group->machine.origin == MDR_STATE_FAILED)
		return false;
	list_for_each_entry(function, &group->functions, group_item) {
		/* the end of a reset from outside looks by itself */
		if (function->host_reset.counted ||
		    mdr_function_is_gone(function))
			continue;
		mdr_function_leave_reset(function);
		if (READ_ONCE(function->restore.blank))
			lost = function;
	}
	if (!lost || !mdr_group_recover_lost(lost))
		return false;
	pci_notice_ratelimited(lost->pdev,
			       "not ready after its user's reset, recovering it\n");
	return true;
}

/*
 * This task cannot wait for a function that it has reset. If nothing is left to do, all is
 * well. Otherwise the worker recovers the group, as after a reset from outside, and the
 * user gets -EAGAIN: its reset may be needed again. A group that has failed before fails.
 */
int mdr_reset_hand_over(struct mdr_group *group)
{
	bool over, failed;

	/* this may complete some of them */
	mdr_hooks_try_all(group);
	scoped_guard(mutex, &group->lock) {
		if (group->resetter != current)
			return 0;
		failed = group->machine.origin == MDR_STATE_FAILED;
		over = mdr_reset_recover_lost(group);
	}
	/* the worker waits for this task, and for the zap */
	if (over)
		mdr_group_zap_begin(group);
	else if (failed)
		mdr_reset_fail(group, NULL, -EAGAIN);
	return over || failed ? -EAGAIN : 0;
}

/*
 * Call the parent driver's hooks for what was reset: @only, or the whole group.
 * 0 if an error took over: its recovery calls them. Otherwise as
 * mdr_device_reset().
 */
int mdr_reset_hooks(struct mdr_group *group, struct mdr_function *only)
{
	int ret;

	ret = mdr_hooks_call_all(group, only);
	if (ret == -ECANCELED)
		return 0;
	if (ret == -EBUSY)
		return mdr_reset_hand_over(group);
	if (ret)
		mdr_reset_fail(group, only, ret);
	return ret;
}

/*
 * The device was reset: make it whole, or fail its group. 0 if an error took over: its
 * recovery restores the device. Otherwise as mdr_device_reset().
 */
int mdr_reset_finish(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;
	int ret = 0;

	if (mdr_reset_revives(group))
		ret = mdr_reset_revive(device);
	else if (READ_ONCE(group->resetter) == current)
		ret = mdr_reset_restore(group, device->core->pdev);
	if (ret == -ECANCELED)
		return mdr_reset_hand_over(group);
	if (!ret)
		return mdr_reset_hooks(group, device->function);
	mdr_reset_fail(group, device->function, ret);
	return ret;
}

/*
 * VFIO_DEVICE_RESET. For a device of type hold this acknowledges the latest event. With
 * reset_elision=pristine it does only that, if nothing has passed the gate since the host
 * reset the device.
 *
 * -EAGAIN: a recovery does not end within stall_timeout_ms, or began meanwhile; or the
 * device lock is taken for longer than MDR_LET_GO_MS.
 * -EBUSY: another access does not end.
 * -EIO: the user has been asked to release the device; the group is failed, and the host
 * may still be at work or the breaker has tripped; or the device does not answer.
 * -ENODEV: not healthy within recovery_timeout_ms. This, and an error of the parent
 * driver's restore hook, fails the group.
 * Otherwise as vfio_pci_core_ioctl().
 */
long mdr_device_reset(struct mdr_device *device, unsigned int cmd,
		      unsigned long arg)
{
	struct mdr_gate_entry entry;
	long ret;

	ret = mdr_reset_enter(device, &entry);
	if (ret)
		return ret;
	if (!mdr_reset_reaches(device))
		ret = -EIO;
	else if (!mdr_reset_is_elided(device))
		ret = mdr_reset_run(device, cmd, arg, &entry);
	if (entry.was_reset)
		ret = mdr_reset_finish(device) ?: ret;
	mdr_gate_exit(&entry);
	mdr_reset_end(device->function->group, device->function, NULL, !ret);
	mdr_reset_settle(device->function->group, ret);
	return ret;
}
