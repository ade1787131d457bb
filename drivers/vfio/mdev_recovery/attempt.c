// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shim's own attempt at a group: it resets and restores the functions by
 * itself. An administrator asks for it by writing to recover; and the shim makes
 * it once when the kernel has provably abandoned a recovery.
 *
 * The kernel abandons a recovery, without a resume, when some function below the
 * port has no error handler or votes against it. 7.3 says so by a second
 * error_detected(perm_failure). 6.12 says nothing; there the proof is the watchdog
 * together with a function that blocks. A recovery that is merely late is left
 * alone: the host may reset the function at any moment.
 */
#include <linux/slab.h>

#include "device.h"
#include "function.h"
#include "group.h"

/* How long to wait for a device lock: its holder may be hung. */
#define MDR_ATTEMPT_LOCK_MS 5000

/**
 * struct mdr_snapshot - some functions of a group, at one moment
 * @pdevs: referenced; recovering a function takes its device lock, so the list
 *	of the group cannot be held meanwhile
 * @count: how many
 *
 * Allocated without I/O: the disk to swap to may be what the host recovers, and
 * it waits for group->lock.
 */
struct mdr_snapshot {
	struct pci_dev **pdevs;
	unsigned int count;
};

static int mdr_snapshot_take(struct mdr_group *group, bool only_due,
			     struct mdr_snapshot *snapshot)
{
	struct mdr_function *function;

	snapshot->count = 0;
	guard(mutex)(&group->lock);
	snapshot->pdevs = kcalloc(list_count_nodes(&group->functions),
				  sizeof(*snapshot->pdevs), GFP_NOIO);
	if (!snapshot->pdevs)
		return -ENOMEM;
	list_for_each_entry(function, &group->functions, group_item) {
		if (!only_due || function->error.reset_due)
			snapshot->pdevs[snapshot->count++] =
				pci_dev_get(function->pdev);
		function->error.reset_due = false;
	}
	return 0;
}

static void mdr_snapshot_put(struct mdr_snapshot *snapshot)
{
	while (snapshot->count)
		pci_dev_put(snapshot->pdevs[--snapshot->count]);
	kfree(snapshot->pdevs);
}

static bool mdr_attempt_gone(struct mdr_group *group, struct pci_dev *pdev)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	list_for_each_entry(function, &group->functions, group_item)
		if (function->pdev == pdev)
			return READ_ONCE(function->removing);
	return true;
}

/* What the wait for a device lock looks at. */
struct mdr_attempt_lock {
	struct mdr_group *group;
	struct pci_dev *pdev;
	unsigned long deadline;
};

static int mdr_attempt_lock_stop(void *context)
{
	struct mdr_attempt_lock *lock = context;

	if (mdr_attempt_gone(lock->group, lock->pdev))
		return -ENODEV;
	if (!mdr_attempt_may(lock->group))
		return -ECANCELED;
	return time_after(jiffies, lock->deadline) ? -EBUSY : 0;
}

/*
 * Take the device lock of a function that may be going away: the task that
 * unbinds it holds that lock and waits, in the end, for the write to recover.
 */
static int mdr_attempt_lock(struct mdr_group *group, struct pci_dev *pdev)
{
	struct mdr_attempt_lock lock = {
		.group = group,
		.pdev = pdev,
		.deadline = jiffies + msecs_to_jiffies(MDR_ATTEMPT_LOCK_MS),
	};

	return mdr_trylock_until(pdev, mdr_attempt_lock_stop, &lock);
}

/* Reset one function, leaving it blank. Device lock held. */
static int mdr_function_reset(struct mdr_function *function)
{
	if (function->ops->reset)
		return function->ops->reset(function->pdev);
	return __pci_reset_function_locked(function->pdev);
}

/* Reset, if it can be reset alone, and restore. Device lock held. */
static int mdr_attempt_function(struct mdr_function *function, bool reset)
{
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

	if (function->device)
		mdr_device_sync_interrupts(function->device);

	guard(mutex)(&function->group->lock);
	function->recovering = false;
	function->failed = false;
	return 0;
}

static int mdr_attempt_one(struct mdr_group *group, struct pci_dev *pdev,
			   bool reset)
{
	struct mdr_function *function;
	int ret;

	ret = mdr_attempt_lock(group, pdev);
	if (ret == -ENODEV)
		return 0; /* is leaving the group */
	if (ret)
		return ret;
	function = mdr_function_find(pdev);
	if (!mdr_attempt_may(group))
		ret = -ECANCELED;
	else
		ret = function ? mdr_attempt_function(function, reset) : 0;
	device_unlock(&pdev->dev);
	if (ret && ret != -ECANCELED)
		pci_err(pdev, "does not come back: %d\n", ret);
	return ret;
}

static int mdr_attempt_each(struct mdr_group *group, bool only_due, bool reset)
{
	struct mdr_snapshot snapshot;
	int err, ret;
	unsigned int i;

	err = mdr_snapshot_take(group, only_due, &snapshot);
	for (i = 0; i < snapshot.count; i++) {
		ret = mdr_attempt_one(group, snapshot.pdevs[i], reset);
		if (ret)
			err = ret;
	}
	mdr_snapshot_put(&snapshot);
	return err;
}

/**
 * mdr_group_reset_due - make the resets that were voted for and not made
 * @group: a group whose functions have all resumed
 *
 * Context: process context, present in the gate, may sleep.
 * Return: 0; -ECANCELED if the host is at work again; or what failed.
 */
int mdr_group_reset_due(struct mdr_group *group)
{
	scoped_guard(mutex, &group->lock)
		mdr_attempt_start(group);
	return mdr_attempt_each(group, true, true);
}

static bool mdr_attempt_owns(struct mdr_group *group, struct pci_dev *pdev)
{
	struct mdr_function *function;

	guard(rcu)();
	function = mdr_function_find(pdev);
	return function && (function->group == group ||
			    !READ_ONCE(function->group->users));
}

/*
 * Does a reset of this bus hit only functions of this group, or parked and
 * unused ones of ours? The task that unbinds a function holds its device lock
 * and mdr_registry_lock while it waits for us, so neither is taken here. Nor is
 * pci_bus_sem (for_each_pci_dev() does without): the AER thread holds it while it
 * waits for device locks.
 */
static bool mdr_attempt_owns_bus(struct mdr_group *group, struct pci_bus *bus)
{
	struct pci_dev *sibling = NULL;
	bool owns = !pci_is_root_bus(bus);

	for_each_pci_dev(sibling)
		if (sibling->bus == bus)
			owns &= mdr_attempt_owns(group, sibling);
	return owns;
}

/* Some function of the group, referenced. */
static struct pci_dev *mdr_group_any(struct mdr_group *group)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	function = list_first_entry_or_null(&group->functions,
					    struct mdr_function, group_item);
	return function ? pci_dev_get(function->pdev) : NULL;
}

/* Reset the bus below which the group does not answer. */
static int mdr_attempt_bus(struct mdr_group *group)
{
	struct pci_dev *pdev = mdr_group_any(group);
	int ret = -EPERM;

	if (!pdev)
		return -ENODEV;
	if (mdr_attempt_owns_bus(group, pdev->bus))
		ret = pci_reset_bus(pdev);
	pci_dev_put(pdev);
	return ret;
}

/* Each function by itself; then, where that is not enough, all at once. */
static int mdr_attempt_all(struct mdr_group *group)
{
	int ret;

	ret = mdr_attempt_each(group, false, true);
	if (!ret || !mdr_attempt_may(group) || mdr_attempt_bus(group))
		return ret;
	return mdr_attempt_each(group, false, false);
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
 * Return: 0 with the group open, holding or evicting as its type says; -EINVAL
 * if the group is not failed; -EBUSY if an access does not end, or somebody
 * holds a function; -EAGAIN if an error came meanwhile; -ENODEV if a function
 * does not answer; -ENOMEM; or what the reset of a function says.
 */
int mdr_group_recover(struct mdr_group *group)
{
	struct mdr_gate_entry entry;
	int ret;

	scoped_guard(mutex, &group->lock) {
		if (!mdr_group_reset_begin(group, MDR_EVENT_ADMIN_RECOVER,
					   NULL))
			return -EINVAL;
		mdr_attempt_start(group);
	}

	mdr_gate_enter_exclusive(&group->gate, &entry);
	ret = mdr_gate_drain(&group->gate, MDR_DRAIN_TIMEOUT_MS, false) ?
	      mdr_attempt_all(group) : -EBUSY;
	mdr_gate_exit(&entry);

	guard(mutex)(&group->lock);
	if (ret == -ECANCELED || group->resetter != current)
		ret = -EAGAIN;
	if (!ret) {
		mdr_breaker_reset(&group->breaker);
		group->cause = MDR_CAUSE_NONE;
	}
	/* a reset from outside that is under way opens the gate at its end */
	if (!ret && group->resets == 1)
		mdr_group_resumed(group);
	mdr_group_reset_end(group, MDR_EVENT_HOST_RESET_DONE, NULL);
	return ret;
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

/* Is the host provably done with the event? Then the attempt may begin. */
static bool mdr_attempt_begin(struct mdr_group *group, u64 *event)
{
	bool blocked = mdr_group_has_blockers(group);
	struct mdr_attempt *attempt = &group->attempt;

	guard(mutex)(&group->lock);
	*event = attempt->event;
	if (attempt->event == group->event) {
		attempt->host_is_done |= blocked;
		if (attempt->host_is_done) {
			mdr_attempt_start(group);
			return true;
		}
	}
	/* what was not tried can be tried when the host says more */
	attempt->event = 0;
	return false;
}

static void mdr_attempt_end(struct mdr_group *group, u64 event, bool tried,
			    int ret)
{
	guard(mutex)(&group->lock);
	if (event != group->event || (tried && !mdr_attempt_may(group)) ||
	    (!mdr_group_is_recovering(group) &&
	     group->machine.state != MDR_STATE_FAILED))
		return; /* something newer has taken over */
	if (!ret) {
		dev_notice(&group->dev,
			   "the kernel abandoned the recovery of event %llu, own reset succeeded\n",
			   event);
		group->stats.own_resets++;
		mdr_group_resumed(group);
		return;
	}
	dev_err(&group->dev,
		"event %llu: recovery did not end (own attempt: %d), failed: see blockers, then write 1 to recover\n",
		event, ret);
	if (group->attempt.failure == MDR_EVENT_WATCHDOG)
		group->cause = MDR_CAUSE_WATCHDOG;
	else
		group->cause = MDR_CAUSE_PERMANENT;
	mdr_group_step(group, group->attempt.failure, NULL);
}

/**
 * mdr_group_attempt - the one own attempt after an abandoned recovery
 * @work: &mdr_attempt.work
 *
 * Context: mdr_workqueue.
 */
void mdr_group_attempt(struct work_struct *work)
{
	struct mdr_group *group = container_of(work, struct mdr_group,
					       attempt.work);
	struct mdr_gate_entry entry;
	int ret = -ETIMEDOUT;
	bool tried;
	u64 event;

	mdr_gate_enter_exclusive(&group->gate, &entry);
	tried = mdr_attempt_begin(group, &event);
	if (tried)
		ret = mdr_attempt_all(group);
	mdr_gate_exit(&entry);
	mdr_attempt_end(group, event, tried, ret);
}
