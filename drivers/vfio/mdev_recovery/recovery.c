// SPDX-License-Identifier: GPL-2.0-only
/*
 * One recovery by the host: the PCI error handlers, in the order in which it calls them,
 * and the worker of the group, in which the recovery ends.
 *
 * One task calls the handlers of all functions below a port, one function after the
 * other. It holds pci_bus_sem for reading and the device lock of the function. The only
 * wait for user space in there is the drain, which is bounded. No handler takes a lock of
 * vfio-pci-core, vfio core or mm.
 *
 * The worker runs when the host is done with all functions of the group, has given up, or
 * is late. It waits for slow functions, resets those that did not come back, makes INTx
 * match, and then opens the gate as the type says, or fails the group. A new error may
 * come at any time, and takes over.
 */
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "device.h"
#include "function.h"
#include "group.h"

/* Bound on a restore after the group has failed. */
#define MDR_LATE_MS 5000ULL

/* Close the group for this event, unless another of its functions has. */
static void mdr_group_error(struct mdr_function *function, u64 event,
			    struct mdr_function_error error)
{
	struct mdr_group *group = function->group;
	u64 told = event;
	bool known;

	guard(mutex)(&group->lock);
	function->error = error;
	if (function->device)
		function->device->synced = false;
	mdr_group_host_at_work(group);
	known = mdr_group_knows(group, event);
	if (known && !mdr_group_is_recovering(group) &&
	    !mdr_group_stays_failed(group)) {
		/* that event has ended: the walk is another one */
		event = mdr_walk_renew(function);
		known = false;
	}
	if (!known) {
		mdr_group_new_event(function, event,
				    error.frozen ? MDR_CHANNEL_FROZEN :
						   MDR_CHANNEL_NORMAL);
		mdr_group_end_older_walk(group, told);
	}
	mdr_function_told(function);
	if (mdr_group_stays_failed(group)) {
		/* the host resumes a recovery that it had given up; a hot reset leaves */
		group->resetter = NULL;
		wake_up_all(&group->state_changed);
		mdr_status_publish(group);
		return;
	}

	if (!known) {
		group->cause = error.frozen ? MDR_CAUSE_FATAL :
					      MDR_CAUSE_NONFATAL;
		mdr_group_step(group, error.frozen ? MDR_EVENT_ERROR_FATAL :
						     MDR_EVENT_ERROR_NONFATAL,
			       function);
	}
	if (error.needs_reset)
		mdr_group_count_reset(group, function);
	else if (!known)
		mdr_group_note_harmless(function);
}

/*
 * The host continues a recovery that has ended, or was about to: keep users out, again, until
 * the host is done. True if users had access, or a close did.
 */
static bool mdr_group_close_again(struct mdr_function *function)
{
	struct mdr_group *group = function->group;
	bool opening;

	scoped_guard(mutex, &group->lock) {
		opening = group->opening;
		mdr_group_host_at_work(group);
		if (mdr_group_stays_failed(group) ||
		    (mdr_group_is_recovering(group) && !opening))
			return false;
		if (mdr_group_is_recovering(group))
			mdr_function_told(function);
		else
			mdr_group_begin_again(function);
	}
	mdr_group_zap_begin(group);
	mdr_group_drain(group, false);
	return true;
}

/*
 * The host gives up on the function, at the end of a recovery or without one; without one,
 * this is a new event. True if the gate had to be closed for it.
 *
 * A host that is late may give up on a function that the shim's own attempt, or an
 * administrator, has brought back meanwhile. The function is not lost then.
 */
static bool mdr_permanent_failure(struct mdr_function *function)
{
	bool whole = !READ_ONCE(function->restore.blank) &&
		     mdr_function_answers(function->pdev) &&
		     !mdr_function_is_blank(function);
	struct mdr_group *group = function->group;
	bool gone;
	u64 event;

	guard(mutex)(&group->lock);
	/* the host has come back: end the shim's own attempt */
	mdr_group_host_at_work(group);
	mdr_function_resumed(function);
	gone = mdr_function_is_gone(function);
	if (mdr_group_is_recovering(group) || mdr_group_stays_failed(group)) {
		mdr_walk_goes_on(function);
		/* what the host has reset is whole, whatever other drivers voted */
		if (!gone && (READ_ONCE(function->restore.blank) ||
			      !function->error.was_reset))
			function->failed = true;
		/* told function by function: the last one starts the work */
		if (mdr_group_has_given_up(group) || mdr_group_pending(group))
			return false;
		group->attempt.host_is_done = true;
		queue_work(mdr_workqueue, &group->finish);
		return false;
	}
	/* 7.3 tells it so, and those beside it are well */
	if (gone)
		return false;
	if (whole) {
		pci_warn(function->pdev,
			 "the host gave up on this function, but it works: going on\n");
		return false;
	}
	function->failed = true;
	event = mdr_walk_error(function, pci_channel_io_perm_failure);
	if (event != group->event)
		mdr_group_new_event(function, event, MDR_CHANNEL_PERM_FAILURE);
	group->cause = MDR_CAUSE_PERMANENT;
	mdr_group_step(group, MDR_EVENT_ERROR_PERMANENT, function);
	return true;
}

/*
 * Does this function want a reset for a non-fatal error? An open function does if
 * hooks of an earlier reset are still due. Without a user the next open calls them.
 * An open that has not called them yet needs the device lock, and then finds the
 * gate closed.
 */
static bool mdr_wants_reset(struct mdr_function *function)
{
	struct mdr_device *device = function->device;

	if (!device)
		return false;
	if (READ_ONCE(function->restore.hooks_due) && READ_ONCE(device->opened))
		return true;
	return READ_ONCE(device->tunables.nonfatal_action) ==
	       MDR_NONFATAL_RESET;
}

static pci_ers_result_t mdr_error_detected(struct pci_dev *pdev,
					   pci_channel_state_t state)
{
	struct mdr_function *function = mdr_function_find(pdev);
	struct mdr_function_error error = {};
	u64 event;

	if (!function) /* being bound or unbound: no user has access */
		return PCI_ERS_RESULT_CAN_RECOVER;
	if (state == pci_channel_io_perm_failure) {
		/* the worker may be inside the gate and wait for the device lock */
		if (mdr_permanent_failure(function)) {
			mdr_group_zap_begin(function->group);
			mdr_group_drain(function->group, false);
		}
		return PCI_ERS_RESULT_DISCONNECT;
	}

	error.frozen = state == pci_channel_io_frozen;
	/*
	 * The function may be blank from an earlier error, or may have lost power.
	 * A frozen function cannot be read.
	 */
	error.was_blank = mdr_function_was_blank(function) ||
			  (!error.frozen && mdr_function_answers(pdev) &&
			   mdr_function_is_blank(function));
	if (error.frozen || error.was_blank)
		mdr_function_set_blank(function);
	function->restore.configured = false;
	/* an earlier recovery may have ended before the restore */
	error.needs_reset = mdr_function_was_blank(function) ||
			    mdr_wants_reset(function);

	event = mdr_walk_error(function, state);
	mdr_group_error(function, event, error);
	/* a fault that is late removes its own entry, inside */
	mdr_group_zap_begin(function->group);
	mdr_group_drain(function->group, false);
	if (function->ops->prepare)
		function->ops->prepare(pdev);

	return error.needs_reset ? PCI_ERS_RESULT_NEED_RESET :
				   PCI_ERS_RESULT_CAN_RECOVER;
}

static pci_ers_result_t mdr_mmio_enabled(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);

	if (!function)
		return PCI_ERS_RESULT_RECOVERED;

	mdr_walk_goes_on(function);
	mdr_group_close_again(function);
	return function->error.needs_reset ? PCI_ERS_RESULT_NEED_RESET :
					     PCI_ERS_RESULT_RECOVERED;
}

/*
 * Not every kernel resets the function before slot_reset after a non-fatal error
 * (6.12 does not, 7.3 does). A function that is not blank is left as it is: a
 * restore would disable its MSI for a moment. If it voted for a reset the worker
 * resets it: pci_bus_sem is held here, and some reset methods take it.
 *
 * A function that has become blank was reset. A function that was blank before the
 * error, or does not answer yet, proves nothing.
 */
static pci_ers_result_t mdr_slot_reset(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);
	struct mdr_group *group;
	bool answers, was_reset, touched;
	int ret = 0;

	if (!function)
		return PCI_ERS_RESULT_RECOVERED;

	mdr_walk_goes_on(function);
	answers = mdr_function_answers(pdev);
	was_reset = function->error.frozen ||
		    (answers && !function->error.was_blank &&
		     mdr_function_is_blank(function));
	touched = mdr_group_close_again(function);
	if (was_reset || !answers) {
		mdr_function_set_blank(function);
		/* BARs below an old window may not be reached */
		ret = mdr_bridges_are_stale(pdev) ? -ENOLINK :
						    mdr_restore(function);
	}

	group = function->group;
	guard(mutex)(&group->lock);
	function->failed = false;
	function->error.was_reset = was_reset && !touched;
	function->error.reset_due = answers && !was_reset &&
				    function->error.needs_reset;
	function->error.past_reset = mdr_walker();
	if ((was_reset || !answers) && mdr_group_is_recovering(group))
		mdr_group_count_reset(group, function);
	if (!ret) {
		if (was_reset || !answers)
			group->reset_at = ktime_get_ns();
		mdr_group_step(group, MDR_EVENT_SLOT_RESET_OK, function);
		return PCI_ERS_RESULT_RECOVERED;
	}
	/*
	 * The device is slow, and the host must not wait for it. DISCONNECT would
	 * make the host give up on the other functions as well.
	 */
	pci_info(pdev, "not ready after reset (%d), waiting with the gate closed\n",
		 ret);
	return PCI_ERS_RESULT_NONE;
}

static void mdr_resume(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);
	struct mdr_group *group;

	if (!function)
		return;

	mdr_walk_goes_on(function);
	group = function->group;
	guard(mutex)(&group->lock);
	mdr_function_resumed(function);
	mdr_group_came_back(group);
}

/* The one callback without a device lock: the function may be going away. */
static void mdr_cor_error_detected(struct pci_dev *pdev)
{
	struct mdr_function *function;

	guard(rcu)();
	function = mdr_function_find(pdev);
	if (function)
		atomic64_inc(&function->group->stats.correctable_errors);
}

/* The next open device whose INTx may not match; mdr_group_synced() lets go of it. */
static struct mdr_device *mdr_group_next_unsynced(struct mdr_group *group)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && device->opened && !device->synced &&
		    !mdr_function_is_gone(function)) {
			device->synced = true;
			mdr_device_pin(device);
			return device;
		}
	}
	return NULL;
}

/* Release a device. A waiter takes group->lock before it frees the device. */
static void mdr_group_synced(struct mdr_group *group, struct mdr_device *device)
{
	guard(mutex)(&group->lock);
	mdr_device_unpin(device);
}

/**
 * struct mdr_finish - one run of mdr_group_finish()
 * @group: the group
 * @event: the event for which it began
 * @host_at_work: the host has not come back within recovery_timeout_ms
 * @abandoned: the host ended without a resume: a function may not have been reset
 * @overdue: recovery_timeout_ms had passed when it began
 * @undrained: no callback has drained the gate: this is not the host's recovery, or a close
 *	may have entered since
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

/* Begin, if the host is done; otherwise it has time until recovery_timeout_ms. */
static bool mdr_finish_begin(struct mdr_finish *finish)
{
	struct mdr_group *group = finish->group;
	unsigned int visits = READ_ONCE(group->attempt.visits);
	bool abandoned = READ_ONCE(group->attempt.overdue) &&
			 mdr_host_has_abandoned(group);

	guard(mutex)(&group->lock);
	/* an opening has nothing to wait for but its zap */
	if (group->dying || group->opening || mdr_group_has_given_up(group) ||
	    (!mdr_group_is_recovering(group) &&
	     group->machine.state != MDR_STATE_FAILED))
		return false;

	/*
	 * The host came back, so the checks above may be about another event; or it is done
	 * with all functions, late.
	 */
	if (visits != group->attempt.visits || !mdr_group_pending(group))
		abandoned = false;
	if (mdr_group_lacks_reset(group))
		group->attempt.host_is_done = true;
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
	finish->undrained = group->machine.state == MDR_STATE_CLOSING ||
			    group->attempt.undrained;
	mdr_attempt_start(group);
	return true;
}

/* Once for each event, and never again after it has failed the group. */
static bool mdr_finish_may_reset(struct mdr_finish *finish)
{
	struct mdr_group *group = finish->group;

	guard(mutex)(&group->lock);
	if (group->attempt.event == finish->event ||
	    group->machine.state == MDR_STATE_FAILED ||
	    mdr_group_is_resumed_late(group) || !mdr_attempt_may(group))
		return false;
	group->attempt.event = finish->event;
	return true;
}

static u64 mdr_finish_deadline(struct mdr_finish *finish)
{
	u64 now = ktime_get_ns(), late_ns = MDR_LATE_MS * NSEC_PER_MSEC, timeout_ns;
	struct mdr_group *group = finish->group;

	guard(mutex)(&group->lock);
	/* the users know that it is lost; a close may delay the restore */
	if (group->machine.state == MDR_STATE_FAILED)
		return now + late_ns;
	timeout_ns = (u64)mdr_group_recovery_timeout(group) * NSEC_PER_MSEC;
	/* a host that went on all the time may have used it up; before the next watchdog */
	return max(group->error_at + timeout_ns,
		   finish->overdue ? 0 : now + min(timeout_ns / 2, late_ns));
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
	/* what cannot be reset may be blank all the same, which shows: a restore is enough */
	if (!ret || ret == -ENOTTY)
		ret = mdr_group_restore(group, mdr_finish_deadline(finish),
					!ret && !finish->abandoned);
	if (!ret || ret == -ECANCELED || !mdr_finish_may_reset(finish))
		return ret;
	dev_notice(&group->dev,
		   "event %llu: not restored after the host's reset (%d), resetting it again\n",
		   finish->event, ret);
	return mdr_group_reset_and_restore(group);
}

/* A user who has reset its device in failed need not leave it; see mdr_group_revived(). */
static enum mdr_event mdr_finish_resume_event(struct mdr_group *group)
{
	enum mdr_policy policy = mdr_group_policy(group, true);

	if (policy == MDR_POLICY_EVICT &&
	    mdr_group_acknowledged(group, MDR_POLICY_EVICT))
		policy = MDR_POLICY_HOLD;
	return mdr_policy_resume_event(policy);
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
	} else {
		mdr_group_count_harmless(group);
	}
	group->untouched = mdr_group_is_pristine(group);
	group->stats.recoveries++;
	group->stats.recovery_ns_last = ktime_get_ns() - group->error_at;
	mdr_group_step(group, mdr_finish_resume_event(group), NULL);
	/* in failed users can reset, and the one who has not may have left */
	if (group->machine.state == MDR_STATE_HOLDING &&
	    mdr_group_acknowledged(group, MDR_POLICY_HOLD))
		mdr_group_step(group, MDR_EVENT_ACKNOWLEDGED, NULL);
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
		/* recovery_timeout_ms passed meanwhile: this was the answer, but to a reset */
		if (ret && ret != -EBUSY && !finish->host_at_work)
			cancel_work(&group->finish);
	}
	/*
	 * The host may have come back since mdr_finish_begin(): another run is queued. The end
	 * of a reset queues one, too.
	 */
	group->attempt.late = (mdr_group_in_reset(group) ||
			       (finish->host_at_work &&
				!group->attempt.host_is_done)) &&
			      !mdr_group_pending(group) &&
			      !mdr_group_is_recovering(group);
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
	u64 deadline;
	bool synced;
	int ret;

	if (!mdr_finish_begin(&run))
		return;
	ret = mdr_finish_run(&run);
	deadline = mdr_finish_deadline(&run);

	mdr_gate_enter_exclusive(&run.group->gate, &entry);
	while ((device = mdr_finish_end(&run, ret))) {
		synced = mdr_device_sync_interrupts(device);
		mdr_group_synced(run.group, device);
		if (!synced)
			ret = mdr_sync_again(run.group, deadline);
	}
	mdr_gate_exit(&entry);
}

/* For &pci_driver.err_handler of a parent driver. */
const struct pci_error_handlers mdr_pci_error_handlers = {
	.error_detected		= mdr_error_detected,
	.mmio_enabled		= mdr_mmio_enabled,
	.slot_reset		= mdr_slot_reset,
	.resume			= mdr_resume,
	.reset_prepare		= mdr_reset_prepare,
	.reset_done		= mdr_reset_done,
	.cor_error_detected	= mdr_cor_error_detected,
};
EXPORT_SYMBOL_GPL(mdr_pci_error_handlers);
