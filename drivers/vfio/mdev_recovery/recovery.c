// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI error handlers: those of one recovery by the host, in the order in which it
 * calls them, then those of a reset from outside. mdr_group_finish() takes over when the
 * host is done.
 *
 * One task calls the handlers of all functions below a port, one function after
 * the other. It holds pci_bus_sem for reading and the device lock of the function.
 * The only wait for user space here is the drain, which is bounded. Nothing here
 * takes a lock of vfio-pci-core, vfio core or mm, except those that a zap needs.
 */
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "device.h"
#include "function.h"
#include "group.h"

/* The strictest breaker among the group's mdevs; the window is in ns. */
static unsigned int mdr_group_breaker(struct mdr_group *group, u64 *window)
{
	struct mdr_function *function;
	unsigned int max = 0;

	*window = 0;
	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;
		unsigned int device_max;
		u64 device_window;

		if (!device)
			continue;
		device_max = READ_ONCE(device->tunables.breaker_max);
		device_window = (u64)READ_ONCE(device->tunables.breaker_window_ms) *
				NSEC_PER_MSEC;
		/* of two with the same number the longer window is the stricter one */
		if (!device_max || (max && max < device_max) ||
		    (max == device_max && *window >= device_window))
			continue;
		max = device_max;
		*window = device_window;
	}
	return max;
}

/*
 * The breaker does not count errors that need no reset: the device keeps working. The
 * administrator is warned.
 */
static void mdr_group_count_harmless(struct mdr_group *group)
{
	unsigned int max;
	u64 window;

	group->stats.harmless_errors++;
	max = mdr_group_breaker(group, &window);
	if (!mdr_breaker_trips(&group->harmless, group->error_at, max, window))
		return;
	/* once in a window */
	if (group->warned_at && group->error_at - group->warned_at <= window)
		return;
	group->warned_at = group->error_at;
	dev_warn(&group->dev,
		 "more than %u non-fatal errors in %llu ms, none of which needed a reset\n",
		 max, div_u64(window, NSEC_PER_MSEC));
}

/* Count an event with a reset, once, and give up if there were too many. */
static void mdr_group_count_reset(struct mdr_group *group,
				  struct mdr_function *function)
{
	unsigned int max;
	u64 window;

	if (group->breaker_event == group->event)
		return;
	group->breaker_event = group->event;
	max = mdr_group_breaker(group, &window);
	if (!mdr_breaker_trips(&group->breaker, group->error_at, max, window))
		return;
	dev_err(&group->dev,
		"too many errors, giving up at event %llu: find the cause, then write 1 to recover\n",
		group->event);
	group->cause = MDR_CAUSE_BREAKER;
	mdr_group_step(group, MDR_EVENT_BREAKER, function);
}

/*
 * The group has not seen this event yet; a host callback or a reset has found it. A reset
 * of an earlier event proves nothing any more, even for a function that this event does
 * not reach: a user may have touched it since.
 */
void mdr_group_new_event(struct mdr_function *function, u64 event,
			 enum mdr_channel channel)
{
	struct mdr_group *group = function->group;
	struct mdr_function *other;

	list_for_each_entry(other, &group->functions, group_item) {
		other->error.was_reset = false;
		/* its task gives way, and the walk may not reach this function */
		mdr_function_leave_reset(other);
		/* a walk that is late may never come back; a reset from outside does */
		if (group->attempt.overdue && !other->host_reset.waits)
			mdr_function_settled(other);
	}
	group->event = event;
	group->error_at = ktime_get_ns();
	group->attempt.host_is_done = false;
	group->attempt.overdue = false;
	group->attempt.late = false;
	group->told = (struct mdr_told) {
		.channel	= channel,
		.segment	= pci_domain_nr(function->pdev->bus),
		.function	= pci_dev_id(function->pdev),
		.port		= pci_dev_id(mdr_walk_port_of(function)),
	};
}

/* Close the group for this event, unless another of its functions has. */
static void mdr_group_error(struct mdr_function *function, u64 event,
			    struct mdr_function_error error)
{
	struct mdr_group *group = function->group;
	bool known;

	guard(mutex)(&group->lock);
	function->error = error;
	if (function->device)
		function->device->synced = false;
	mdr_group_host_at_work(group);
	known = group->event == event;
	if (known && !mdr_group_is_recovering(group) &&
	    group->machine.state != MDR_STATE_FAILED) {
		/* that event has ended: the walk is another one */
		event = mdr_walk_renew(function);
		known = false;
	}
	if (!known)
		mdr_group_new_event(function, event,
				    error.frozen ? MDR_CHANNEL_FROZEN :
						   MDR_CHANNEL_NORMAL);
	mdr_function_told(function);
	if (group->machine.state == MDR_STATE_FAILED) {
		/* the host resumes a recovery that it had given up */
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
		mdr_group_count_harmless(group);
}

/*
 * The host continues a recovery that an administrator has ended, or is ending, by a write
 * to recover. Keep users out again until the host is done. That write has decided about
 * the breaker. This is a new event: an acknowledgement of the old one must not count. True
 * if users had access.
 */
static bool mdr_group_close_again(struct mdr_function *function)
{
	struct mdr_group *group = function->group;

	scoped_guard(mutex, &group->lock) {
		mdr_group_host_at_work(group);
		if (group->machine.state == MDR_STATE_FAILED ||
		    mdr_group_is_recovering(group))
			return false;
		mdr_group_new_event(function, mdr_walk_renew(function),
				    group->told.channel);
		group->breaker_event = group->event;
		mdr_function_told(function);
		if (group->cause == MDR_CAUSE_BREAKER)
			mdr_breaker_reset(&group->breaker);
		group->cause = function->error.frozen ? MDR_CAUSE_FATAL :
							MDR_CAUSE_NONFATAL;
		mdr_group_step(group, MDR_EVENT_ERROR_FATAL, function);
	}
	mdr_group_zap(group);
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
	u64 event;

	guard(mutex)(&group->lock);
	/* the host has come back: end the shim's own attempt */
	mdr_group_host_at_work(group);
	mdr_function_resumed(function);
	if (mdr_group_is_recovering(group) ||
	    group->machine.state == MDR_STATE_FAILED) {
		mdr_walk_goes_on(function);
		function->failed = true;
		/* told function by function: the last one starts the work */
		if (mdr_group_has_given_up(group) || mdr_group_pending(group))
			return false;
		group->attempt.host_is_done = true;
		queue_work(mdr_workqueue, &group->finish);
		return false;
	}
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
			mdr_group_zap(function->group);
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
	/* mappings first: a fault that is late removes its own entry */
	mdr_group_zap(function->group);
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
	if ((was_reset || !answers) && mdr_group_is_recovering(group))
		mdr_group_count_reset(group, function);
	if (!ret) {
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
	if (mdr_group_is_recovering(group) && !mdr_group_pending(group))
		queue_work(mdr_workqueue, &group->finish);
}

/*
 * A reset from outside: an administrator's, one of the PF's driver, or a bus
 * reset that vfio-pci-core makes when the last device on the bus is closed. A
 * reset of the group's own user comes this way too, in the task of the user and
 * with the gate closed already.
 */
static void mdr_reset_prepare(struct pci_dev *pdev)
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
	scoped_guard(mutex, &group->lock) {
		group->stats.host_resets++;
		counted = mdr_group_reset_begin(group,
						MDR_EVENT_HOST_RESET_BEGIN,
						function);
		function->host_reset.counted = counted;
		/* the recovery must not open the gate before this reset is over */
		if (!counted && mdr_group_is_recovering(group)) {
			mdr_function_told(function);
			function->host_reset.waits = true;
		}
	}
	mdr_group_zap(group);
	/*
	 * A user's reset through config space (FLR) runs inside the gate, with
	 * memory_lock held. Other tasks inside wait for that lock, so a drain
	 * would only end by its bound. The same goes for a hot reset that comes
	 * here for a group whose gate it has not closed, or no longer.
	 */
	if (!mdr_gate_current_calls() && !entry)
		mdr_group_drain(group, true);
}

/*
 * A reset from outside, or a sleep of the system, did not leave @function as it was. Users
 * stay outside, and the worker recovers the group as after an error. False if the group
 * has failed before, or if an error has taken over.
 */
bool mdr_group_recover_lost(struct mdr_function *function)
{
	struct mdr_group *group = function->group;

	lockdep_assert_held(&group->lock);

	if (group->machine.state != MDR_STATE_RESETTING ||
	    group->machine.origin == MDR_STATE_FAILED)
		return false;
	if (function->device)
		function->device->synced = false;
	mdr_group_new_event(function, mdr_walk_renew(function),
			    MDR_CHANNEL_NORMAL);
	group->cause = MDR_CAUSE_HOST_RESET;
	mdr_group_step(group, MDR_EVENT_ERROR_FATAL, function);
	/* the user that made this reset may be inside: the worker drains */
	queue_work(mdr_workqueue, &group->finish);
	return true;
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

static void mdr_reset_done(struct pci_dev *pdev)
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
	if (lost)
		mdr_reset_lost(function);
	/* an error of another function took over, and its end has waited for us */
	if (mdr_group_is_recovering(group) && !mdr_group_pending(group))
		queue_work(mdr_workqueue, &group->finish);
	mdr_group_reset_end(group, MDR_EVENT_HOST_RESET_DONE, function);
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
