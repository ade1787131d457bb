// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shim's own attempt at a function: by resetting and restoring it. Made when
 * the administrator writes to recover, and once by itself when the kernel has
 * provably abandoned a recovery.
 *
 * An abandoned recovery is one that ends without resume, because some function
 * below the port has no error handler or voted against it. Some kernels (7.3)
 * say so, by a second error_detected(perm_failure); others (6.12) say nothing,
 * and there the watchdog together with a function that blocks is the proof. A
 * recovery that is merely late is left alone: the host may reset the function
 * any moment.
 */
#include <linux/delay.h>

#include "mdr.h"

/* How long a device lock may be waited for: its holder may be hung. */
#define MDR_RECOVER_LOCK_MS 5000

/*
 * Whoever resets on the shim's own account must not meet the host doing the same:
 * the latter wins, at any time. It stops the former, which looks whether it still
 * may whenever it gets a device lock, and while it waits for one: the host holds
 * that while it waits until nobody is inside the gate.
 */
static void mdr_recover_start(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);
	WRITE_ONCE(group->recoverer, current);
}

static bool mdr_recover_may(struct mdr_group *group)
{
	return READ_ONCE(group->recoverer) == current;
}

/**
 * mdr_recover_stop - the host is at work: no reset of our own any more
 * @group: the group
 *
 * Context: process context, group->lock held; a host callback.
 */
void mdr_recover_stop(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);
	WRITE_ONCE(group->recoverer, NULL);
}

/*
 * Recovering all functions of a group takes their device locks, so the list
 * cannot be held meanwhile: each one is marked before, and taken by its mark.
 */
static void mdr_recover_mark(struct mdr_group *group, bool only_due)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	list_for_each_entry(function, &group->functions, group_item) {
		function->marked = !only_due || function->reset_due;
		function->reset_due = false;
	}
}

/* The next function that is marked, referenced. */
static struct pci_dev *mdr_recover_next(struct mdr_group *group)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	list_for_each_entry(function, &group->functions, group_item) {
		if (!function->marked)
			continue;
		function->marked = false;
		return pci_dev_get(function->pdev);
	}
	return NULL;
}

static bool mdr_recover_gone(struct mdr_group *group, struct pci_dev *pdev)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	list_for_each_entry(function, &group->functions, group_item)
		if (function->pdev == pdev)
			return READ_ONCE(function->removing);
	return true;
}

/*
 * Take the device lock of a function that may be going away: whoever unbinds it
 * holds that lock and waits, in the end, for this write to sysfs.
 */
static int mdr_recover_lock(struct mdr_group *group, struct pci_dev *pdev)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(MDR_RECOVER_LOCK_MS);

	while (!device_trylock(&pdev->dev)) {
		if (mdr_recover_gone(group, pdev))
			return -ENODEV;
		if (!mdr_recover_may(group))
			return -ECANCELED;
		if (time_after(jiffies, deadline))
			return -EBUSY;
		usleep_range(500, 1000);
	}
	return 0;
}

static void mdr_recover_proven(struct mdr_function *function)
{
	guard(mutex)(&function->group->lock);
	function->recovering = false;
	function->failed = false;
}

/* Reset one function, leaving it blank. Device lock held. */
static int mdr_function_reset(struct mdr_function *function)
{
	if (function->ops->reset)
		return function->ops->reset(function->pdev);
	return __pci_reset_function_locked(function->pdev);
}

/* Reset, if it can be reset alone, and restore. Device lock held. */
static int mdr_recover_function(struct mdr_function *function, bool reset)
{
	struct mdr_device *device;
	int ret;

	if (reset) {
		ret = mdr_function_reset(function);
		/* no method of its own: a restore is all there is to try */
		if (ret && ret != -ENOTTY)
			return ret;
	}
	ret = mdr_restore(function);
	if (ret)
		return ret;

	device = function->device;
	if (device && READ_ONCE(device->opened)) {
		scoped_guard(mutex, &device->core_lock)
			mdr_restore_interrupts(device);
	}
	mdr_recover_proven(function);
	return 0;
}

static int mdr_recover_one(struct mdr_group *group, struct pci_dev *pdev,
			   bool reset)
{
	struct mdr_function *function;
	int ret;

	ret = mdr_recover_lock(group, pdev);
	if (ret == -ENODEV)
		return 0; /* is leaving the group */
	if (ret)
		return ret;
	function = mdr_function_find(pdev);
	if (!mdr_recover_may(group))
		ret = -ECANCELED;
	else
		ret = function ? mdr_recover_function(function, reset) : 0;
	device_unlock(&pdev->dev);
	if (ret && ret != -ECANCELED)
		pci_err(pdev, "does not come back: %d\n", ret);
	return ret;
}

static int mdr_recover_marked(struct mdr_group *group, bool reset)
{
	struct pci_dev *pdev;
	int err = 0, ret;

	while ((pdev = mdr_recover_next(group))) {
		ret = mdr_recover_one(group, pdev, reset);
		pci_dev_put(pdev);
		if (ret)
			err = ret;
	}
	return err;
}

/**
 * mdr_group_reset_due - make the resets that were asked for and not made
 * @group: a group whose functions have all resumed
 *
 * Context: process context, present in the gate, may sleep.
 * Return: 0; -ECANCELED if the host is at work again; or what failed.
 */
int mdr_group_reset_due(struct mdr_group *group)
{
	scoped_guard(mutex, &group->lock)
		mdr_recover_start(group);
	mdr_recover_mark(group, true);
	return mdr_recover_marked(group, true);
}

static bool mdr_recover_owns(struct mdr_group *group, struct pci_dev *pdev)
{
	struct mdr_function *function;

	guard(rcu)();
	function = mdr_function_find(pdev);
	return function && (function->group == group ||
			    !READ_ONCE(function->group->users));
}

/*
 * Does a reset of this bus hit only functions of this group, or parked and
 * unused ones of ours? Whoever unbinds a function holds its device lock and
 * mdr_registry_lock while it waits for us. So neither that lock is taken here,
 * nor pci_bus_sem (for_each_pci_dev() does without): the AER thread holds that
 * one while it waits for device locks.
 */
static bool mdr_recover_owns_bus(struct mdr_group *group, struct pci_bus *bus)
{
	struct pci_dev *sibling = NULL;
	bool owns = !pci_is_root_bus(bus);

	for_each_pci_dev(sibling)
		if (sibling->bus == bus)
			owns &= mdr_recover_owns(group, sibling);
	return owns;
}

/* Some function of the group, referenced. */
static struct pci_dev *mdr_recover_any(struct mdr_group *group)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	function = list_first_entry_or_null(&group->functions,
					    struct mdr_function, group_item);
	return function ? pci_dev_get(function->pdev) : NULL;
}

/* Reset the bus below which the group does not answer. */
static int mdr_recover_bus(struct mdr_group *group)
{
	struct pci_dev *pdev = mdr_recover_any(group);
	int ret = -EPERM;

	if (!pdev)
		return -ENODEV;
	if (mdr_recover_owns_bus(group, pdev->bus))
		ret = pci_reset_bus(pdev);
	pci_dev_put(pdev);
	return ret;
}

/* Each function by itself; then, where that is not enough, all at once. */
static int mdr_recover_all(struct mdr_group *group)
{
	int ret;

	mdr_recover_mark(group, false);
	ret = mdr_recover_marked(group, true);
	if (!ret || !mdr_recover_may(group) || mdr_recover_bus(group))
		return ret;
	mdr_recover_mark(group, false);
	return mdr_recover_marked(group, false);
}

static void mdr_group_resumed(struct mdr_group *group)
{
	enum mdr_policy policy = mdr_group_policy(group, true);

	group->stats.recoveries++;
	mdr_group_step(group, mdr_policy_resume_event(policy), NULL);
}

/**
 * mdr_group_recover - the administrator wants a failed group back
 * @group: the group
 *
 * Context: process context, may sleep.
 * Return: 0 with the group open, holding or evicting as its policy says; -EINVAL
 * if the group is not failed; -EBUSY if an access does not end, or somebody
 * holds a function; -EAGAIN if an error came meanwhile; -ENODEV if a function
 * does not answer; or what the reset of a function says.
 */
int mdr_group_recover(struct mdr_group *group)
{
	struct mdr_gate_entry entry;
	int ret;

	scoped_guard(mutex, &group->lock) {
		if (!mdr_group_reset_begin(group, MDR_EVENT_ADMIN_RECOVER,
					   NULL))
			return -EINVAL;
		mdr_recover_start(group);
	}

	mdr_gate_enter_exclusive(&group->gate, &entry);
	ret = mdr_gate_drain(&group->gate, MDR_DRAIN_TIMEOUT_MS, false) ?
	      mdr_recover_all(group) : -EBUSY;
	mdr_gate_exit(&entry);

	guard(mutex)(&group->lock);
	if (ret == -ECANCELED || group->resetter != current)
		ret = -EAGAIN;
	if (!ret) {
		mdr_breaker_reset(&group->breaker);
		group->cause = MDR_CAUSE_NONE;
	}
	/* with a reset from outside under way its end opens the gate */
	if (!ret && group->resets == 1)
		mdr_group_resumed(group);
	mdr_group_reset_end(group, MDR_EVENT_HOST_RESET_DONE, NULL);
	return ret;
}

/**
 * mdr_group_abandon - the host's recovery ends without resume
 * @group: a group in state closing, recovering or failed
 * @event: what fails the group if the shim's own attempt does not help
 * @proven: the host has said that it is done
 *
 * Once for each event the shim then tries by itself. Until that is decided the
 * state stays.
 *
 * Context: process context, group->lock held; a host callback or the timer.
 */
void mdr_group_abandon(struct mdr_group *group, enum mdr_event event,
		       bool proven)
{
	lockdep_assert_held(&group->lock);

	if (group->fallback_id == group->event) {
		mdr_group_step(group, event, NULL);
		return;
	}
	group->fallback_id = group->event;
	group->fallback_event = event;
	group->abandoned = proven;
	queue_work(mdr_workqueue, &group->fallback);
}

static bool mdr_group_has_blockers(struct mdr_group *group)
{
	struct pci_dev *port;
	unsigned int index = 0;
	bool blocked = false;

	while (!blocked && (port = mdr_group_port(group, index++))) {
		blocked = mdr_has_blockers(port);
		pci_dev_put(port);
	}
	return blocked;
}

/**
 * mdr_group_fallback - the shim's one attempt after an abandoned recovery
 * @work: &mdr_group.fallback
 *
 * Context: mdr_workqueue.
 */
void mdr_group_fallback(struct work_struct *work)
{
	struct mdr_group *group = container_of(work, struct mdr_group,
					       fallback);
	struct mdr_gate_entry entry;
	bool proven, blocked;
	u64 id;
	int ret = -ETIMEDOUT;

	blocked = mdr_group_has_blockers(group);
	mdr_gate_enter_exclusive(&group->gate, &entry);
	scoped_guard(mutex, &group->lock) {
		id = group->fallback_id;
		if (id == group->event)
			group->abandoned |= blocked;
		proven = group->abandoned && id == group->event;
		/* what was not tried can be tried when the host says more */
		if (proven)
			mdr_recover_start(group);
		else
			group->fallback_id = 0;
	}
	if (proven)
		ret = mdr_recover_all(group);
	mdr_gate_exit(&entry);

	guard(mutex)(&group->lock);
	if (id != group->event || (proven && !mdr_recover_may(group)) ||
	    (!mdr_group_is_recovering(group) &&
	     group->machine.state != MDR_STATE_FAILED))
		return; /* something newer has taken over */
	if (!ret) {
		dev_notice(&group->dev,
			   "the kernel abandoned the recovery of event %llu, own reset succeeded\n",
			   id);
		group->stats.own_resets++;
		mdr_group_resumed(group);
		return;
	}
	dev_err(&group->dev,
		"event %llu: recovery did not end (own attempt: %d), failed: see blockers, then write 1 to recover\n",
		id, ret);
	if (group->fallback_event == MDR_EVENT_WATCHDOG)
		group->cause = MDR_CAUSE_WATCHDOG;
	else
		group->cause = MDR_CAUSE_PERMANENT;
	mdr_group_step(group, group->fallback_event, NULL);
}
