// SPDX-License-Identifier: GPL-2.0-only
/*
 * The steps of a group. mdr_group_step() is the only function that changes the
 * state and the gate: it asks the state machine, acts, sets the bound of the new
 * state, and announces it. One that opens the gate may be made later, or not at all.
 */
#include <linux/math64.h>
#include <linux/sched/mm.h>

#include "device.h"
#include "function.h"
#include "group.h"
#include "trace.h"

/* Runs the timers of groups and mdr_group_finish(). */
struct workqueue_struct *mdr_workqueue;

/*
 * The rest of the hold timeout, in milliseconds. The timeout starts when the
 * recovery ends. A reset that fails does not restart it.
 */
static unsigned int mdr_group_hold_left(struct mdr_group *group)
{
	u64 timeout_ns = (u64)mdr_group_hold_timeout(group) * NSEC_PER_MSEC;
	u64 held_ns = ktime_get_ns() - group->held_at;

	return held_ns < timeout_ns ?
	       DIV_ROUND_UP_ULL(timeout_ns - held_ns, NSEC_PER_MSEC) : 0;
}

/* Signal ERR: the function is lost. QEMU stops the VM on this interrupt. */
static void mdr_group_signal_lost(struct mdr_group *group)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item)
		if (function->device && function->device->opened)
			vfio_pci_core_aer_err_detected(function->pdev,
						       pci_channel_io_perm_failure);
}

static void mdr_group_request(struct mdr_group *group)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item)
		if (function->device && function->device->opened)
			vfio_pci_core_request(&function->device->core->vdev,
					      group->requests);
	group->requests++;
}

static void mdr_group_open_gate(struct mdr_group *group)
{
	struct mdr_function *function;

	group->opened_at = ktime_get_ns();
	/* users may map the device from now on */
	group->zap.closing++;
	mdr_gate_open(&group->gate, group->untouched && mdr_group_elides(group));
	list_for_each_entry(function, &group->functions, group_item) {
		/* users may change the device from now on */
		function->error.was_reset = false;
		function->error.reset_due = false;
		if (function->device)
			mdr_intx_release(function->device);
	}
}

static void mdr_group_arm(struct mdr_group *group, unsigned int ms)
{
	if (!group->dying)
		mod_delayed_work(mdr_workqueue, &group->timer,
				 msecs_to_jiffies(ms));
}

/*
 * The gate is about to open by @event. False if mappings may show substitute pages: then
 * @open removes them, which takes as long as their users let it, and makes the step. A
 * step that comes before that takes its place.
 */
static bool mdr_group_opens_now(struct mdr_group *group, enum mdr_event event,
				struct mdr_function *function)
{
	/* a fault that inserts a substitute page late sees this, or is seen */
	mdr_gate_open_soon(&group->gate, true);
	if (!mdr_group_is_substituted(group))
		return true;
	WRITE_ONCE(group->opening, true);
	group->opening_event = event;
	group->opening_function = function;
	queue_work(mdr_zap_workqueue, &group->open);
	/* a close does not wait for it */
	wake_up_all(&group->state_changed);
	return false;
}

/* The gate, if it is about to open, stays closed for now; whoever is the cause steps again. */
void mdr_group_stop_opening(struct mdr_group *group)
{
	if (!group->opening)
		return;
	WRITE_ONCE(group->opening, false);
	mdr_gate_open_soon(&group->gate, false);
	/* a reset that does not revive the group leaves it to the worker again */
	if (group->machine.state == MDR_STATE_FAILED ||
	    group->machine.origin == MDR_STATE_FAILED)
		group->attempt.late = true;
	/* the host may not come back, as before its first end */
	if (group->machine.state == MDR_STATE_FAILED || mdr_group_is_recovering(group)) {
		group->attempt.overdue = false;
		/* a close may be inside */
		group->attempt.undrained = true;
		group->error_at = ktime_get_ns();
		mdr_group_arm(group, mdr_group_recovery_timeout(group));
	}
	wake_up_all(&group->state_changed);
}

static void mdr_group_act(struct mdr_group *group, enum mdr_action action)
{
	switch (action) {
	case MDR_ACTION_CLOSE:
		group->untouched = mdr_gate_close(&group->gate);
		break;
	case MDR_ACTION_OPEN:
		mdr_group_open_gate(group);
		break;
	case MDR_ACTION_LOSE:
		group->untouched = false;
		group->attempt.late = false;
		group->stats.failures++;
		mdr_gate_die(&group->gate);
		mdr_group_signal_lost(group);
		break;
	case MDR_ACTION_REQUEST:
		group->untouched = false;
		mdr_gate_close(&group->gate);
		group->requests = 0;
		mdr_group_request(group);
		break;
	case MDR_ACTION_NONE:
		break;
	}
}

/*
 * A host callback for a function of the group: stop the shim's own attempt, and restart the
 * host's timeout. A group that is recovering always has an armed timer or queued work, or is
 * about to open.
 */
void mdr_group_host_at_work(struct mdr_group *group)
{
	mdr_attempt_stop(group);
	group->attempt.visits++;
	/* the worker comes back when the host is done */
	if (mdr_group_is_recovering(group) || group->machine.state == MDR_STATE_FAILED)
		mdr_group_stop_opening(group);
	if (!mdr_group_is_recovering(group))
		return;
	group->attempt.overdue = false;
	mdr_group_arm(group, mdr_group_recovery_timeout(group));
}

/* The bound of the state just entered. */
static void mdr_group_bound(struct mdr_group *group)
{
	switch (group->machine.state) {
	case MDR_STATE_CLOSING:
		mdr_group_arm(group, mdr_group_recovery_timeout(group));
		break;
	case MDR_STATE_RECOVERING:
		break; /* the timer armed in closing still runs */
	case MDR_STATE_HOLDING:
		mdr_group_arm(group, mdr_group_hold_left(group));
		break;
	case MDR_STATE_EVICTING:
		mdr_group_arm(group, MDR_REQUEST_PERIOD_MS);
		break;
	default:
		/* after a user's reset it never is, and looking is cheaper */
		if (delayed_work_pending(&group->timer))
			cancel_delayed_work(&group->timer);
	}
}

/* What an administrator should do now. */
static const char *mdr_group_advice(struct mdr_group *group)
{
	switch (group->machine.state) {
	case MDR_STATE_OPEN:
		return "none";
	case MDR_STATE_EVICTING:
		return "release";
	case MDR_STATE_FAILED:
		return group->cause == MDR_CAUSE_PERMANENT ? "replace" :
							     "recover";
	default:
		return "wait";
	}
}

/*
 * Does a user's reset begin, or leave the group as it was? Users reset often, and
 * such a reset means nothing to an administrator, so it sends no uevent. Its end is
 * still notified to a process that has read the state during the reset.
 */
static bool mdr_group_is_routine(struct mdr_group *group, enum mdr_event event)
{
	switch (event) {
	case MDR_EVENT_USER_RESET_BEGIN:
	case MDR_EVENT_USER_RESET_FAILED:
		return true;
	case MDR_EVENT_HOST_RESET_BEGIN:
		return group->cause == MDR_CAUSE_USER_RESET &&
		       group->machine.origin == MDR_STATE_OPEN;
	case MDR_EVENT_HOST_RESET_DONE:
		return group->cause == MDR_CAUSE_USER_RESET &&
		       group->machine.state == MDR_STATE_OPEN;
	default:
		return false;
	}
}

static void mdr_group_announce(struct mdr_group *group, enum mdr_event event,
			       struct mdr_function *function)
{
	char state[32], id[32], cause[32], action[32], device[32];
	char *envp[] = {
		state, id, cause, action, function ? device : NULL, NULL
	};
	unsigned int noio;
	bool routine;

	wake_up_all(&group->state_changed);
	mdr_status_publish(group);
	/* the last function left while a hot reset was about to begin */
	if (group->dying)
		return;

	routine = mdr_group_is_routine(group, event);
	if (!routine || group->resetting_read)
		sysfs_notify_dirent(group->state_node);
	group->resetting_read = false;
	if (routine)
		return;

	snprintf(state, sizeof(state), "MDR_STATE=%s",
		 mdr_state_name(group->machine.state));
	snprintf(id, sizeof(id), "MDR_EVENT=%llu", group->event);
	snprintf(cause, sizeof(cause), "MDR_CAUSE=%s",
		 mdr_cause_name(group->cause));
	snprintf(action, sizeof(action), "MDR_ACTION=%s",
		 mdr_group_advice(group));
	if (function)
		snprintf(device, sizeof(device), "MDR_DEVICE=%s",
			 pci_name(function->pdev));

	/* no I/O in allocations, if possible: the host may be recovering the swap disk */
	noio = memalloc_noio_save();
	kobject_uevent_env(&group->dev.kobj, KOBJ_CHANGE, envp);
	memalloc_noio_restore(noio);
}

/*
 * Something happened to a group, to @function if that is not NULL. False if the state
 * machine has no such transition; nothing changed then. A step that opens the gate may be made
 * later, see mdr_group_opens_now().
 */
bool mdr_group_step(struct mdr_group *group, enum mdr_event event,
		    struct mdr_function *function)
{
	struct mdr_machine machine = group->machine;
	enum mdr_state from = machine.state;
	enum mdr_action action;

	lockdep_assert_held(&group->lock);

	if (!mdr_machine_step(&machine, event, &action))
		return false;
	if (action != MDR_ACTION_OPEN)
		mdr_group_stop_opening(group);
	else if (!mdr_group_opens_now(group, event, function))
		return true;
	WRITE_ONCE(group->opening, false);
	group->machine = machine;

	trace_mdr_state(group, from, event);
	if (event == MDR_EVENT_RESUME_HOLD)
		group->held_at = ktime_get_ns();
	mdr_group_act(group, action);
	if (group->machine.state == from && action == MDR_ACTION_NONE)
		return true;

	if (group->machine.state != MDR_STATE_RESETTING)
		group->resetter = NULL;
	mdr_group_bound(group);
	mdr_group_announce(group, event, function);

	/* no user is left to wait for */
	if (!group->users)
		mdr_group_step(group, MDR_EVENT_LAST_USER_GONE, function);
	return true;
}

/* Can a gate that was about to open when group->lock was given up still open? */
static bool mdr_group_may_open(struct mdr_group *group)
{
	switch (group->machine.state) {
	case MDR_STATE_RECOVERING:
	case MDR_STATE_FAILED:
		return mdr_group_has_resumed(group);
	case MDR_STATE_RESETTING:
		return !group->resets;
	default:
		return true;
	}
}

/* The function of the step, unless it has left meanwhile. */
static struct mdr_function *mdr_group_opening_function(struct mdr_group *group)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item)
		if (function == group->opening_function)
			return function;
	return NULL;
}

/* The rest of a step that opens the gate, see mdr_group_opens_now(). */
void mdr_group_open_work(struct work_struct *work)
{
	struct mdr_group *group = container_of(work, struct mdr_group, open);

	mdr_group_unsubstitute(group);

	guard(mutex)(&group->lock);
	if (!group->opening)
		return;
	if (mdr_group_may_open(group)) {
		/* begins anew if a fault was late */
		mdr_group_step(group, group->opening_event,
			       mdr_group_opening_function(group));
		return;
	}
	mdr_group_stop_opening(group);
	if (!mdr_group_pending(group))
		queue_work(mdr_workqueue, &group->finish);
}

static void mdr_group_end_hold(struct mdr_group *group)
{
	group->stats.hold_timeouts++;
	dev_warn(&group->dev,
		 "user did not reset the device after event %llu: evicting\n",
		 group->event);
	mdr_group_step(group, MDR_EVENT_HOLD_TIMEOUT, NULL);
}

/*
 * End a hold, if its time is up. The timeout may be another one than at its start: the
 * device with the shortest may be closed, and an administrator may have written a new one.
 */
static void mdr_group_check_hold(struct mdr_group *group)
{
	unsigned int left_ms = mdr_group_hold_left(group);

	/* the users have answered in time */
	if (group->opening)
		return;
	if (left_ms)
		mdr_group_arm(group, left_ms);
	else
		mdr_group_end_hold(group);
}

/* A hold_timeout_ms was written. */
void mdr_group_hold_timeout_changed(struct mdr_group *group)
{
	guard(mutex)(&group->lock);
	if (group->machine.state == MDR_STATE_HOLDING)
		mdr_group_check_hold(group);
}

/* The bound of the current state has passed. */
void mdr_group_timer(struct work_struct *work)
{
	struct mdr_group *group = container_of(to_delayed_work(work),
					       struct mdr_group, timer);

	guard(mutex)(&group->lock);
	if (delayed_work_pending(&group->timer))
		return; /* armed anew while this run waited for the lock */

	switch (group->machine.state) {
	case MDR_STATE_CLOSING:
	case MDR_STATE_RECOVERING:
		if (group->opening) {
			dev_warn_ratelimited(&group->dev,
					     "event %llu is over, but the mappings of its users are not removed yet: waiting\n",
					     group->event);
			mdr_group_arm(group, mdr_group_recovery_timeout(group));
			break;
		}
		dev_warn(&group->dev,
			 "recovery of event %llu did not end within %u ms\n",
			 group->event, mdr_group_recovery_timeout(group));
		group->attempt.overdue = true;
		queue_work(mdr_workqueue, &group->finish);
		break;
	case MDR_STATE_FAILED:
		/* armed for a walk, or a reset, that has come after its late end */
		if (!mdr_group_pending(group) && !group->attempt.late)
			break;
		group->attempt.overdue = true;
		queue_work(mdr_workqueue, &group->finish);
		break;
	case MDR_STATE_HOLDING:
		mdr_group_check_hold(group);
		break;
	case MDR_STATE_EVICTING:
		mdr_group_request(group);
		mdr_group_arm(group, MDR_REQUEST_PERIOD_MS);
		break;
	default:
		break;
	}
}

/* The host, or a reset that a recovery waits for, is done with a function: with the last? */
void mdr_group_came_back(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);

	if (mdr_group_pending(group))
		return;
	/* a user's reset may stop the worker, and lets it begin again then */
	group->attempt.late = !mdr_group_is_recovering(group);
	queue_work(mdr_workqueue, &group->finish);
}

/* A reset is over: has a recovery waited for it, and perhaps failed the group meanwhile? */
void mdr_group_reset_is_over(struct mdr_group *group)
{
	bool late = group->machine.state == MDR_STATE_FAILED &&
		    group->attempt.late;

	lockdep_assert_held(&group->lock);

	if ((mdr_group_is_recovering(group) || late) &&
	    !mdr_group_pending(group))
		queue_work(mdr_workqueue, &group->finish);
}

/*
 * A reset begins that is not part of a recovery; @function is the one to be reset, or
 * NULL. A reset from outside cannot be refused, so several may run in one group: the first
 * one closes the gate.
 *
 * True if the caller must call mdr_group_reset_end(); false if the state does not allow
 * the reset, or if a recovery has closed the gate already.
 */
bool mdr_group_reset_begin(struct mdr_group *group, enum mdr_event event,
			   struct mdr_function *function)
{
	bool by_host = event == MDR_EVENT_HOST_RESET_BEGIN;
	/* a function level reset through config space is the user's, too */
	bool by_user = !by_host || mdr_gate_current_calls();
	bool joins = by_host && group->machine.state == MDR_STATE_RESETTING;

	lockdep_assert_held(&group->lock);

	/* the step announces the cause; a reset from outside must not hide in a user's */
	if ((group->machine.state == MDR_STATE_OPEN &&
	     event != MDR_EVENT_ADMIN_RECOVER) ||
	    (joins && !by_user && group->cause == MDR_CAUSE_USER_RESET))
		group->cause = by_user ? MDR_CAUSE_USER_RESET :
					 MDR_CAUSE_HOST_RESET;
	if (group->dying || (!joins && !mdr_group_step(group, event, function)))
		return false;
	/* the group may be failed with the shim's own attempt still running */
	mdr_attempt_stop(group);
	/* the end of this reset opens the gate */
	mdr_group_stop_opening(group);
	if (!by_host) {
		group->resetter = current;
		group->by_admin = event == MDR_EVENT_ADMIN_RECOVER;
	}
	group->resets++;
	return true;
}

/* The end of the reset that made a failed group whole, where @event ended the reset. */
static enum mdr_event mdr_group_revived(struct mdr_group *group,
					enum mdr_event event)
{
	/* a user may reset what it has in place of leaving it, if the reset does not fail */
	if (event != MDR_EVENT_USER_RESET_OK &&
	    !mdr_group_acknowledged(group, MDR_POLICY_EVICT))
		return event == MDR_EVENT_HOST_RESET_DONE ? MDR_EVENT_RESUME_EVICT : event;
	return mdr_group_acknowledged(group, MDR_POLICY_HOLD) ?
		       MDR_EVENT_USER_RESET_OK : MDR_EVENT_RESUME_HOLD;
}

/*
 * End what mdr_group_reset_begin() accepted. The end of the last reset steps by @event,
 * unless the state in which the reset began calls for another one. After an error the
 * state is no longer resetting, and the recovery decides instead.
 */
void mdr_group_reset_end(struct mdr_group *group, enum mdr_event event,
			 struct mdr_function *function)
{
	lockdep_assert_held(&group->lock);

	/* one from outside may go on */
	if (group->resetter == current)
		group->resetter = NULL;
	if (--group->resets || group->machine.state != MDR_STATE_RESETTING ||
	    group->opening)
		return;

	if (group->machine.origin == MDR_STATE_HOLDING &&
	    mdr_group_acknowledged(group, MDR_POLICY_HOLD))
		event = MDR_EVENT_USER_RESET_OK;
	/*
	 * The group is whole again, but its users may have to do what their types ask for. A
	 * sleep of the system makes nothing whole.
	 */
	if (group->machine.origin == MDR_STATE_FAILED && !group->sleeping &&
	    group->cause != MDR_CAUSE_BREAKER &&
	    !mdr_group_pending(group) && !mdr_group_has_failed(group)) {
		if (mdr_group_is_synced(group))
			event = mdr_group_revived(group, event);
		else
			group->attempt.late = true;
	}
	mdr_group_step(group, event, function);
	/* this reset may have stopped a worker that would have brought the others back */
	if (group->attempt.late && group->machine.state == MDR_STATE_FAILED &&
	    !group->dying && !group->sleeping)
		queue_work(mdr_workqueue, &group->finish);
	/* a user whose resets keep failing could keep the timer from ending the hold */
	if (group->machine.state == MDR_STATE_HOLDING)
		mdr_group_check_hold(group);
}
