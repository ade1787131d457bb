// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steps of a group: mdr_group_step() is the only way to change its state and its
 * gate. It asks the state machine, acts, sets the bound of the new state, and
 * tells the world.
 */
#include <linux/math64.h>

#include "device.h"
#include "function.h"
#include "group.h"
#include "trace.h"

/* The bounds of states, and what follows a recovery; one work item per group. */
struct workqueue_struct *mdr_workqueue;

/* How often a user who is to leave is asked again; as vfio core does it. */
#define MDR_REQUEST_PERIOD_MS 10000

/*
 * What is left of the hold time-out, in milliseconds. It runs from the end of the
 * recovery; a user whose resets keep failing does not start it anew.
 */
static unsigned int mdr_group_hold_left(struct mdr_group *group)
{
	u64 timeout_ns = (u64)mdr_group_hold_timeout(group) * NSEC_PER_MSEC;
	u64 held_ns = ktime_get_ns() - group->held_at;

	return held_ns < timeout_ns ?
	       div_u64(timeout_ns - held_ns, NSEC_PER_MSEC) : 0;
}

/* The function is lost: QEMU and its like stop the VM on this interrupt. */
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
	mdr_gate_open(&group->gate, group->untouched && mdr_group_elides(group));
	/* after opening: who comes late with a substitute page sees the flag */
	list_for_each_entry(function, &group->functions, group_item) {
		/* users have access: nothing is as the host's reset left it */
		function->error.was_reset = false;
		function->error.reset_due = false;
		if (!function->device)
			continue;
		mdr_device_unsubstitute(function->device);
		mdr_intx_release(function->device);
	}
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

static void mdr_group_arm(struct mdr_group *group, unsigned int ms)
{
	if (!group->dying)
		mod_delayed_work(mdr_workqueue, &group->timer,
				 msecs_to_jiffies(ms));
}

/**
 * mdr_group_host_at_work - the host has come back to a function of the group
 * @group: the group
 *
 * Stops what the shim does on its own account. The host's time begins anew, so
 * that a group which is recovering always has a timer, or work in the queue.
 *
 * Context: a host callback.
 */
void mdr_group_host_at_work(struct mdr_group *group)
{
	mdr_attempt_stop(group);
	group->attempt.visits++;
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
		break; /* the bound of closing goes on */
	case MDR_STATE_HOLDING:
		mdr_group_arm(group, mdr_group_hold_left(group));
		break;
	case MDR_STATE_EVICTING:
		mdr_group_arm(group, MDR_REQUEST_PERIOD_MS);
		break;
	default:
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
 * Is it a user's own reset that begins, or that leaves the group as it was? A user may
 * reset as often as it likes, and that is no news for an administrator: no uevents. The
 * end is news for a reader of the state meanwhile.
 */
static bool mdr_group_is_routine(enum mdr_event event)
{
	return event == MDR_EVENT_USER_RESET_BEGIN ||
	       event == MDR_EVENT_USER_RESET_FAILED;
}

static void mdr_group_announce(struct mdr_group *group, enum mdr_event event,
			       struct mdr_function *function)
{
	char state[32], id[32], cause[32], action[32], device[32];
	char *envp[] = {
		state, id, cause, action, function ? device : NULL, NULL
	};
	bool routine;

	wake_up_all(&group->state_changed);
	mdr_status_publish(group);
	/* its last function went while a hot reset was about to hit it */
	if (group->dying)
		return;

	routine = mdr_group_is_routine(event);
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

	kobject_uevent_env(&group->dev.kobj, KOBJ_CHANGE, envp);
}

/**
 * mdr_group_step - something happened to a group
 * @group: the group
 * @event: what
 * @function: the function it happened to, or NULL
 *
 * The only place that changes a group's state and its gate, and that tells the
 * world about it.
 *
 * Context: process context, group->lock held, may sleep.
 * Return: true if the event was accepted, false if the state does not know it;
 * then nothing changed.
 */
bool mdr_group_step(struct mdr_group *group, enum mdr_event event,
		    struct mdr_function *function)
{
	enum mdr_state from = group->machine.state;
	enum mdr_action action;

	lockdep_assert_held(&group->lock);

	if (!mdr_machine_step(&group->machine, event, &action))
		return false;

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

	/* nobody left to wait for */
	if (!group->users)
		mdr_group_step(group, MDR_EVENT_LAST_USER_GONE, function);
	return true;
}

/**
 * mdr_group_timer - the bound of the present state passed
 * @work: &mdr_group.timer
 *
 * Context: mdr_workqueue.
 */
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
		dev_warn(&group->dev,
			 "recovery of event %llu did not end within %u ms\n",
			 group->event, mdr_group_recovery_timeout(group));
		group->attempt.overdue = true;
		queue_work(mdr_workqueue, &group->finish);
		break;
	case MDR_STATE_HOLDING:
		group->stats.hold_timeouts++;
		dev_warn(&group->dev,
			 "user did not reset the device after event %llu: evicting\n",
			 group->event);
		mdr_group_step(group, MDR_EVENT_HOLD_TIMEOUT, NULL);
		break;
	case MDR_STATE_EVICTING:
		mdr_group_request(group);
		mdr_group_arm(group, MDR_REQUEST_PERIOD_MS);
		break;
	default:
		break;
	}
}

/**
 * mdr_group_reset_begin - a reset that the recovery did not ask for begins
 * @group: the group
 * @event: MDR_EVENT_USER_RESET_BEGIN, MDR_EVENT_HOST_RESET_BEGIN or
 *	MDR_EVENT_ADMIN_RECOVER
 * @function: the function to be reset, or NULL
 *
 * Resets from outside cannot be refused, so several may run in one group. The
 * first one closes the gate.
 *
 * Context: process context, group->lock held.
 * Return: true if mdr_group_reset_end() is to be called; false if the state
 * does not allow it, or (for a reset from outside) the gate is closed for the
 * host's recovery anyway.
 */
bool mdr_group_reset_begin(struct mdr_group *group, enum mdr_event event,
			   struct mdr_function *function)
{
	bool by_host = event == MDR_EVENT_HOST_RESET_BEGIN;
	bool joins = by_host && group->machine.state == MDR_STATE_RESETTING;

	lockdep_assert_held(&group->lock);

	/* before the step, which announces it */
	if (group->machine.state == MDR_STATE_OPEN &&
	    event != MDR_EVENT_ADMIN_RECOVER)
		group->cause = by_host ? MDR_CAUSE_HOST_RESET :
					 MDR_CAUSE_USER_RESET;
	if (group->dying || (!joins && !mdr_group_step(group, event, function)))
		return false;
	/* from failed: an own attempt must not go on behind it */
	mdr_attempt_stop(group);
	if (!by_host)
		group->resetter = current;
	group->resets++;
	return true;
}

/**
 * mdr_group_reset_end - such a reset ended
 * @group: the group
 * @event: how the group goes back to where the reset began, if it has to
 * @function: the function that was reset, or NULL
 *
 * The last one to end opens the gate, or leaves it to what is still waited for.
 * An error that came meanwhile has taken the group over: then there is nothing
 * to do.
 *
 * Context: process context, group->lock held.
 */
void mdr_group_reset_end(struct mdr_group *group, enum mdr_event event,
			 struct mdr_function *function)
{
	lockdep_assert_held(&group->lock);

	if (--group->resets || group->machine.state != MDR_STATE_RESETTING)
		return;

	if (group->machine.origin == MDR_STATE_HOLDING &&
	    mdr_group_acknowledged(group))
		event = MDR_EVENT_USER_RESET_OK;
	/* whole again; but a user of type hold has yet to reset */
	if (group->machine.origin == MDR_STATE_FAILED &&
	    group->cause != MDR_CAUSE_BREAKER &&
	    !mdr_group_pending(group) && !mdr_group_has_failed(group))
		event = mdr_group_acknowledged(group) ? MDR_EVENT_USER_RESET_OK :
							MDR_EVENT_RESUME_HOLD;
	mdr_group_step(group, event, function);
}
