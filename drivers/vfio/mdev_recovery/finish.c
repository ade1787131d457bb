// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a recovery, in the one worker of a group. The worker runs when the
 * host is done with all functions of the group, has given up, or is late. It waits
 * for slow functions, resets those that did not come back, makes INTx match, and then
 * opens the gate as the type says, or fails the group.
 *
 * A new error may come at any time, and takes over.
 */
#include "device.h"
#include "function.h"
#include "group.h"

/* Bound on a restore after the group has failed. */
#define MDR_LATE_MS 5000ULL

/* Did the host reset every function, with no user inside the gate since? */
static bool mdr_group_is_pristine(struct mdr_group *group)
{
	struct mdr_function *function;

	if (!group->drained)
		return false;
	list_for_each_entry(function, &group->functions, group_item)
		if (!function->error.was_reset)
			return false;
	return true;
}

/* A reset that began before the error may still be at work. */
static bool mdr_group_in_reset(struct mdr_group *group)
{
	struct mdr_function *function;

	if (group->sleeping)
		return true;
	list_for_each_entry(function, &group->functions, group_item)
		if (function->host_reset.counted || function->host_reset.by_user)
			return true;
	return false;
}

/* Is every function whole again, in time or late? */
static bool mdr_group_has_resumed(struct mdr_group *group)
{
	if (mdr_group_pending(group) || mdr_group_has_failed(group) ||
	    mdr_group_in_reset(group))
		return false;
	return group->machine.state == MDR_STATE_RECOVERING ||
	       (group->machine.state == MDR_STATE_FAILED &&
		!mdr_group_has_given_up(group));
}

/* The next open device whose INTx may not match; mdr_group_synced() lets go of it. */
static struct mdr_device *mdr_group_next_unsynced(struct mdr_group *group)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && device->opened && !device->synced) {
			device->synced = true;
			device->syncing = true;
			return device;
		}
	}
	return NULL;
}

/* Release a device. A waiter takes group->lock before it frees the device. */
static void mdr_group_synced(struct mdr_group *group, struct mdr_device *device)
{
	guard(mutex)(&group->lock);
	WRITE_ONCE(device->syncing, false);
	wake_up_all(&device->released);
}

/**
 * struct mdr_finish - one run of mdr_group_finish()
 * @group: the group
 * @event: the event for which it began
 * @host_at_work: the host has not come back within recovery_timeout_ms
 * @abandoned: the host ended without a resume: a function may not have been reset
 * @overdue: recovery_timeout_ms had passed when it began
 * @undrained: no callback has drained the gate: this is not the host's recovery
 * @failure: what fails the group if nothing helps
 */
struct mdr_finish {
	struct mdr_group *group;
	u64 event;
	bool host_at_work;
	bool abandoned;
	bool overdue;
	bool undrained;
	enum mdr_event failure;
};

/*
 * Is the reset of an abandoned recovery over? It holds the device locks of all
 * functions below the port, and leaves the function or a bridge above it blank.
 */
static bool mdr_function_abandoned(struct pci_dev *pdev)
{
	struct mdr_function *function;
	bool abandoned = true;

	if (!device_trylock(&pdev->dev))
		return false;
	function = mdr_function_find(pdev);
	if (function && READ_ONCE(function->recovering))
		abandoned = !function->error.was_blank &&
			    mdr_port_has_blockers(mdr_walk_port_of(function)) &&
			    (mdr_bridges_are_blank(pdev) ||
			     (mdr_function_answers(pdev) &&
			      mdr_function_is_blank(function)));
	device_unlock(&pdev->dev);
	return abandoned;
}

/*
 * Not every kernel tells that it abandons a recovery (6.12 does not). With a
 * blocker below the port of the walk it always abandons it, right after its reset.
 * Each function that waits for the host has to show that reset: otherwise the host
 * might reset it later, with a user inside.
 */
static bool mdr_host_has_abandoned(struct mdr_group *group)
{
	struct mdr_snapshot snapshot;
	bool abandoned;
	unsigned int i;

	abandoned = !mdr_snapshot_take(group, MDR_SNAPSHOT_ALL, &snapshot);
	for (i = 0; i < snapshot.count; i++)
		abandoned &= mdr_function_abandoned(snapshot.pdevs[i]);
	mdr_snapshot_put(&snapshot);
	return abandoned;
}

/* Begin, if the host is done; otherwise it has time until recovery_timeout_ms. */
static bool mdr_finish_begin(struct mdr_finish *finish)
{
	struct mdr_group *group = finish->group;
	unsigned int visits = READ_ONCE(group->attempt.visits);
	bool abandoned = READ_ONCE(group->attempt.overdue) &&
			 mdr_host_has_abandoned(group);

	guard(mutex)(&group->lock);
	if (group->dying || mdr_group_has_given_up(group) ||
	    (!mdr_group_is_recovering(group) &&
	     group->machine.state != MDR_STATE_FAILED))
		return false;

	/*
	 * The host came back, so the checks above may be about another event; or it is done
	 * with all functions, late.
	 */
	if (visits != group->attempt.visits || !mdr_group_pending(group))
		abandoned = false;
	finish->event = group->event;
	finish->overdue = group->attempt.overdue;
	finish->failure = MDR_EVENT_SLOT_RESET_FAILED;
	if (group->attempt.host_is_done)
		finish->failure = MDR_EVENT_ERROR_PERMANENT;
	else if (mdr_group_pending(group))
		finish->failure = MDR_EVENT_WATCHDOG;
	if (abandoned && finish->overdue)
		group->attempt.host_is_done = true;
	finish->abandoned = group->attempt.host_is_done;
	finish->host_at_work = mdr_group_pending(group) && !finish->abandoned;
	if (finish->host_at_work)
		return finish->overdue; /* to fail the group */
	finish->undrained = group->machine.state == MDR_STATE_CLOSING;
	mdr_attempt_start(group);
	return true;
}

/* Once for each event, and never again after it has failed the group. */
static bool mdr_finish_may_reset(struct mdr_finish *finish)
{
	struct mdr_group *group = finish->group;

	guard(mutex)(&group->lock);
	if (group->attempt.event == finish->event ||
	    group->machine.state == MDR_STATE_FAILED || !mdr_attempt_may(group))
		return false;
	group->attempt.event = finish->event;
	return true;
}

static u64 mdr_finish_deadline(struct mdr_finish *finish)
{
	struct mdr_group *group = finish->group;

	guard(mutex)(&group->lock);
	/* the users know that it is lost; a close may delay the restore */
	if (group->machine.state == MDR_STATE_FAILED)
		return ktime_get_ns() + MDR_LATE_MS * NSEC_PER_MSEC;
	return group->error_at + (u64)mdr_group_recovery_timeout(group) *
				 NSEC_PER_MSEC;
}

/* Bring every function back: restore, then reset if that was not enough. */
static int mdr_finish_run(struct mdr_finish *finish)
{
	struct mdr_group *group = finish->group;
	int ret;

	if (finish->host_at_work)
		return -ETIMEDOUT;
	if (finish->undrained)
		mdr_group_drain(group, false);
	ret = mdr_group_reset_due(group);
	if (!ret)
		ret = mdr_group_restore(group, mdr_finish_deadline(finish),
					!finish->abandoned);
	if (!ret || ret == -ECANCELED || !mdr_finish_may_reset(finish))
		return ret;
	dev_notice(&group->dev,
		   "event %llu: not restored after the host's reset (%d), resetting it again\n",
		   finish->event, ret);
	return mdr_group_reset_and_restore(group);
}

static void mdr_finish_resumed(struct mdr_finish *finish)
{
	struct mdr_group *group = finish->group;

	if (finish->abandoned) {
		dev_notice(&group->dev,
			   "the kernel abandoned the recovery of event %llu; recovered without it\n",
			   finish->event);
		group->stats.own_resets++;
		group->attempt.host_is_done = false;
	}
	group->untouched = mdr_group_is_pristine(group);
	group->stats.recoveries++;
	group->stats.recovery_ns_last = ktime_get_ns() - group->error_at;
	mdr_group_step(group, mdr_policy_resume_event(mdr_group_policy(group, true)),
		       NULL);
}

/* ERR is the last word: nothing helped. */
static void mdr_finish_failed(struct mdr_finish *finish, int ret)
{
	struct mdr_group *group = finish->group;

	if (!mdr_group_is_recovering(group))
		return;
	dev_err(&group->dev,
		"event %llu: recovery failed (%d): see state and blockers, then write 1 to recover\n",
		finish->event, ret);
	if (finish->failure == MDR_EVENT_WATCHDOG)
		group->cause = MDR_CAUSE_WATCHDOG;
	else if (finish->failure == MDR_EVENT_ERROR_PERMANENT)
		group->cause = MDR_CAUSE_PERMANENT;
	mdr_group_step(group, finish->failure, NULL);
}

/* The result counts, unless something newer has taken over. */
static bool mdr_finish_is_current(struct mdr_finish *finish, int ret)
{
	struct mdr_group *group = finish->group;

	if (ret == -ECANCELED || finish->event != group->event)
		return false;
	return finish->host_at_work || mdr_attempt_may(group);
}

/*
 * Step to the end of the recovery and return NULL; or return a device whose INTx has to
 * match first, see mdr_group_next_unsynced().
 */
static struct mdr_device *mdr_finish_end(struct mdr_finish *finish, int ret)
{
	struct mdr_group *group = finish->group;
	struct mdr_function *function;
	struct mdr_device *device;

	guard(mutex)(&group->lock);
	if (!mdr_finish_is_current(finish, ret))
		return NULL;
	list_for_each_entry(function, &group->functions, group_item) {
		if (ret)
			break;
		/* an abandoned walk does not come back to it */
		if (finish->abandoned && !function->host_reset.waits)
			mdr_walk_end(function);
		mdr_domain_forget(function);
	}
	if (!ret && mdr_group_has_resumed(group)) {
		device = mdr_group_next_unsynced(group);
		if (device)
			return device;
		mdr_finish_resumed(finish);
	} else if (ret || (finish->overdue && !group->sleeping)) {
		/* without an error, a function is being unbound as it is */
		mdr_finish_failed(finish, ret ?: -EBUSY);
		/* recovery_timeout_ms passed meanwhile: this was the answer */
		if (!finish->host_at_work)
			cancel_work(&group->finish);
	}
	/* the host may have come back since mdr_finish_begin(): another run is queued */
	group->attempt.late = finish->host_at_work &&
			      !mdr_group_pending(group) &&
			      !mdr_group_is_recovering(group) &&
			      !group->attempt.host_is_done;
	mdr_attempt_stop(group);
	return NULL;
}

/*
 * The host is done, or late: end the recovery. A host callback cannot do this: a device
 * may be slow, a function may have to be reset, and making INTx match takes locks of
 * vfio-pci-core.
 */
void mdr_group_finish(struct work_struct *work)
{
	struct mdr_finish run = {
		.group = container_of(work, struct mdr_group, finish),
	};
	struct mdr_gate_entry entry;
	struct mdr_device *device;
	int ret;

	if (!mdr_finish_begin(&run))
		return;
	ret = mdr_finish_run(&run);

	mdr_gate_enter_exclusive(&run.group->gate, &entry);
	while ((device = mdr_finish_end(&run, ret))) {
		mdr_device_sync_interrupts(device);
		mdr_group_synced(run.group, device);
	}
	mdr_gate_exit(&entry);
}
