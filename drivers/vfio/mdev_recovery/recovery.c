// SPDX-License-Identifier: GPL-2.0-only
/*
 * One recovery, told in the order in which it happens: the PCI error handlers as
 * the host calls them, and mdr_group_work(), which takes over when the host is
 * done.
 *
 * The host calls with pci_bus_sem held for reading and with the device lock of
 * the function, all functions below a port one after the other, in one task. The
 * only wait for user space in here is the drain, which is bounded. Nothing here
 * takes a lock of vfio-pci-core, vfio core or mm, except those a zap needs.
 */
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "device.h"
#include "function.h"
#include "group.h"

/* The strictest breaker of the group's mdevs: errors in a window, in ns. */
static unsigned int mdr_group_breaker(struct mdr_group *group, u64 *window)
{
	struct mdr_function *function;
	unsigned int max = 0;

	*window = 0;
	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;
		unsigned int device_max;

		if (!device)
			continue;
		device_max = READ_ONCE(device->tunables.breaker_max);
		if (!device_max || (max && max <= device_max))
			continue;
		max = device_max;
		*window = (u64)READ_ONCE(device->tunables.breaker_window_ms) *
			  NSEC_PER_MSEC;
	}
	return max;
}

/*
 * Errors that need no reset are none for the breaker: a device that goes on by
 * itself is healthy, however often it does. The administrator is told.
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
		 "more than %u non-fatal errors in %llu ms; none needed a reset, the device goes on\n",
		 max, div_u64(window, NSEC_PER_MSEC));
}

/* Count an event with a reset, once: is it one too many? */
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
		"too many errors in too short a time, giving up at event %llu: write 1 to recover when the cause is found\n",
		group->event);
	group->cause = MDR_CAUSE_BREAKER;
	mdr_group_step(group, MDR_EVENT_BREAKER, function);
}

/* The group meets this event for the first time. */
static void mdr_group_new_event(struct mdr_group *group, u64 event)
{
	group->event = event;
	group->error_at = ktime_get_ns();
	group->attempt.host_is_done = false;
	group->attempt.overdue = false;
}

/* Close the group for this event, unless another of its functions has. */
static void mdr_group_error(struct mdr_function *function, u64 event,
			    struct mdr_function_error error)
{
	struct mdr_group *group = function->group;
	bool known;

	guard(mutex)(&group->lock);
	function->recovering = true;
	function->error = error;
	if (function->device)
		function->device->synced = false;
	mdr_attempt_stop(group);
	known = group->event == event;
	if (!known)
		mdr_group_new_event(group, event);
	if (group->machine.state == MDR_STATE_FAILED)
		return; /* the host takes up again what it gave up on */

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
 * The host goes on with a recovery that an administrator took for dead and ended
 * by hand. Keep users out again until it is done. True if they were in.
 */
static bool mdr_group_close_again(struct mdr_function *function)
{
	struct mdr_group *group = function->group;

	scoped_guard(mutex, &group->lock) {
		mdr_attempt_stop(group);
		if (group->machine.state == MDR_STATE_FAILED ||
		    mdr_group_is_recovering(group))
			return false;
		function->recovering = true;
		mdr_group_step(group, MDR_EVENT_ERROR_FATAL, function);
	}
	mdr_group_zap(group);
	mdr_group_drain(group, false);
	return true;
}

/*
 * The host gives the function up: at the end of a recovery, or without one, and
 * then this is an event of its own. True if users had to be kept out for it.
 */
static bool mdr_permanent_failure(struct mdr_function *function)
{
	struct mdr_group *group = function->group;
	u64 event;
	bool told;

	if (mdr_group_is_recovering(group)) {
		mdr_walk_goes_on(function);
		event = 0;
	} else {
		event = mdr_walk_error(function, pci_channel_io_perm_failure);
	}

	guard(mutex)(&group->lock);
	function->failed = true;
	function->recovering = false;
	/* told function by function: the first one has started the work */
	told = group->attempt.host_is_done;
	if (mdr_group_is_recovering(group) ||
	    (group->machine.state == MDR_STATE_FAILED &&
	     group->cause != MDR_CAUSE_BREAKER)) {
		group->attempt.host_is_done = true;
		if (!told)
			queue_work(mdr_workqueue, &group->work);
		return false;
	}
	if (group->machine.state == MDR_STATE_FAILED)
		return false;
	if (event && event != group->event)
		mdr_group_new_event(group, event);
	group->cause = MDR_CAUSE_PERMANENT;
	mdr_group_step(group, MDR_EVENT_ERROR_PERMANENT, function);
	return true;
}

/* Does this function want a reset for an error that left the link alone? */
static bool mdr_wants_reset(struct mdr_function *function)
{
	struct mdr_device *device = function->device;

	return device && READ_ONCE(device->tunables.nonfatal_action) ==
			 MDR_NONFATAL_RESET;
}

static pci_ers_result_t mdr_error_detected(struct pci_dev *pdev,
					   pci_channel_state_t state)
{
	struct mdr_function *function = mdr_function_find(pdev);
	struct mdr_function_error error = {};
	u64 event;

	if (!function) /* being bound or unbound: nobody has access */
		return PCI_ERS_RESULT_CAN_RECOVER;
	if (state == pci_channel_io_perm_failure) {
		/* the work may be inside the gate, and waits for us */
		if (mdr_permanent_failure(function)) {
			mdr_group_zap(function->group);
			mdr_group_drain(function->group, false);
		}
		return PCI_ERS_RESULT_DISCONNECT;
	}

	error.frozen = state == pci_channel_io_frozen;
	if (error.frozen)
		WRITE_ONCE(function->blank, true);
	/* an earlier recovery that ended in the middle has to be made up for */
	error.needs_reset = READ_ONCE(function->blank) ||
			    mdr_wants_reset(function);

	event = mdr_walk_error(function, state);
	mdr_group_error(function, event, error);
	/* first what no drain sees: a fault that is late takes its entry back */
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
 * Not every kernel resets something before it calls slot_reset after a non-fatal
 * error (6.12 does not, 7.3 does). A live function is left as it is: a restore
 * would take its MSI away for a moment. One that voted for a reset gets it, but
 * not from here: pci_bus_sem is held, and some ways to reset a function take it.
 */
static pci_ers_result_t mdr_slot_reset(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);
	struct mdr_group *group;
	bool was_reset, touched;
	int ret = 0;

	if (!function)
		return PCI_ERS_RESULT_RECOVERED;

	mdr_walk_goes_on(function);
	was_reset = function->error.frozen || !mdr_function_answers(pdev) ||
		    mdr_function_is_blank(function);
	touched = mdr_group_close_again(function);
	if (was_reset) {
		WRITE_ONCE(function->blank, true);
		ret = mdr_restore(function);
	}

	group = function->group;
	guard(mutex)(&group->lock);
	function->failed = false;
	function->error.was_reset = was_reset && !touched;
	function->error.reset_due = function->error.needs_reset && !was_reset;
	if (was_reset && mdr_group_is_recovering(group))
		mdr_group_count_reset(group, function);
	if (!ret) {
		mdr_group_step(group, MDR_EVENT_SLOT_RESET_OK, function);
		return PCI_ERS_RESULT_RECOVERED;
	}
	/*
	 * The device takes its time, and the host must not wait for it; nor does
	 * it give up on the others, as it would after DISCONNECT.
	 */
	pci_info(pdev, "not ready after the reset (%d), waiting with the gate closed\n",
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
	function->recovering = false;
	if (!mdr_group_pending(group))
		queue_work(mdr_workqueue, &group->work);
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
	struct mdr_group *group;

	if (!function ||
	    mdr_gate_current_exclusive(&function->group->gate))
		return;

	group = function->group;
	scoped_guard(mutex, &group->lock) {
		group->stats.host_resets++;
		function->in_host_reset = mdr_group_reset_begin(group,
								MDR_EVENT_HOST_RESET_BEGIN,
								function);
	}
	mdr_group_zap(group);
	/*
	 * A user who resets through config space (FLR) is inside the gate, with
	 * memory_lock. Others who are inside wait for that lock, so a drain
	 * would only end by its bound.
	 */
	if (!mdr_gate_current_inside())
		mdr_group_drain(group, true);
}

/*
 * What the PCI core put back is what it found before the reset. If that was
 * nothing, since the device had lost power, this is the moment to notice.
 */
static void mdr_reset_done(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);
	struct mdr_group *group;

	if (!function || !function->in_host_reset)
		return;

	function->in_host_reset = false;
	if (mdr_function_answers(pdev) && mdr_function_is_blank(function) &&
	    mdr_restore(function))
		pci_err(pdev, "has lost its config space, and the restore failed\n");

	group = function->group;
	guard(mutex)(&group->lock);
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

/* Did the host reset every function, with nobody inside the gate since? */
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

/* Is every function whole again, in time or late? */
static bool mdr_group_has_resumed(struct mdr_group *group)
{
	if (mdr_group_pending(group) || mdr_group_has_failed(group))
		return false;
	return group->machine.state == MDR_STATE_RECOVERING ||
	       (group->machine.state == MDR_STATE_FAILED &&
		!mdr_group_has_given_up(group));
}

/* The next open device whose INTx is out of line, with a reference. */
static struct mdr_device *mdr_group_next_unsynced(struct mdr_group *group)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && device->opened && !device->synced) {
			device->synced = true;
			get_device(&device->core.vdev.device);
			return device;
		}
	}
	return NULL;
}

/**
 * struct mdr_work - one run of mdr_group_work()
 * @group: the group
 * @event: what it was begun for
 * @host_at_work: the host has not come back, in recovery_timeout_ms
 * @abandoned: the host ended without a resume: a function may not have been reset
 * @overdue: recovery_timeout_ms had passed when it began
 * @failure: what fails the group if nothing helps
 */
struct mdr_work {
	struct mdr_group *group;
	u64 event;
	bool host_at_work;
	bool abandoned;
	bool overdue;
	enum mdr_event failure;
};

/*
 * Is the reset of an abandoned recovery over? It holds the device locks of all
 * functions below the port. And it shows: in the function, or in a bridge above.
 */
static bool mdr_reset_has_passed(struct pci_dev *pdev)
{
	struct mdr_function *function;
	bool passed = true;

	if (!device_trylock(&pdev->dev))
		return false;
	function = mdr_function_find(pdev);
	if (function && function->device && READ_ONCE(function->device->opened))
		passed = mdr_bridges_are_blank(pdev) ||
			 (mdr_function_answers(pdev) &&
			  mdr_function_is_blank(function));
	device_unlock(&pdev->dev);
	return passed;
}

/*
 * Not every kernel says that it abandons a recovery (6.12 does not). With a
 * blocker it always does, right after its reset. Only the open functions have to
 * show that: nobody is harmed by a reset of the others that comes later.
 */
static bool mdr_host_has_abandoned(struct mdr_group *group)
{
	struct mdr_snapshot snapshot;
	bool abandoned;
	unsigned int i;

	if (!mdr_group_has_blockers(group))
		return false;
	abandoned = !mdr_snapshot_take(group, false, &snapshot);
	for (i = 0; i < snapshot.count; i++)
		abandoned &= mdr_reset_has_passed(snapshot.pdevs[i]);
	mdr_snapshot_put(&snapshot);
	return abandoned;
}

/* Begin, if the host is done; otherwise it has time until recovery_timeout_ms. */
static bool mdr_work_begin(struct mdr_work *work)
{
	struct mdr_group *group = work->group;
	bool abandoned = READ_ONCE(group->attempt.overdue) &&
			 mdr_host_has_abandoned(group);

	guard(mutex)(&group->lock);
	if (group->dying || mdr_group_has_given_up(group) ||
	    (!mdr_group_is_recovering(group) &&
	     group->machine.state != MDR_STATE_FAILED))
		return false;

	work->event = group->event;
	work->overdue = group->attempt.overdue;
	work->failure = MDR_EVENT_SLOT_RESET_FAILED;
	if (group->attempt.host_is_done)
		work->failure = MDR_EVENT_ERROR_PERMANENT;
	else if (mdr_group_pending(group))
		work->failure = MDR_EVENT_WATCHDOG;
	work->abandoned = group->attempt.host_is_done ||
			  (abandoned && work->overdue);
	work->host_at_work = mdr_group_pending(group) && !work->abandoned;
	if (work->host_at_work)
		return work->overdue; /* to fail the group */
	mdr_attempt_start(group);
	return true;
}

/* Once for each event, and never again after it has failed the group. */
static bool mdr_work_may_reset(struct mdr_work *work)
{
	struct mdr_group *group = work->group;

	guard(mutex)(&group->lock);
	if (group->attempt.event == work->event || !mdr_attempt_may(group))
		return false;
	group->attempt.event = work->event;
	return true;
}

static u64 mdr_work_deadline(struct mdr_work *work)
{
	struct mdr_group *group = work->group;

	guard(mutex)(&group->lock);
	if (group->machine.state == MDR_STATE_FAILED)
		return 0;
	return group->error_at + (u64)mdr_group_recovery_timeout(group) *
				 NSEC_PER_MSEC;
}

/* Bring every function back, by what it takes. */
static int mdr_work_run(struct mdr_work *work)
{
	struct mdr_group *group = work->group;
	int ret;

	if (work->host_at_work)
		return -ETIMEDOUT;
	ret = mdr_group_reset_due(group);
	if (!ret)
		ret = mdr_group_restore(group, mdr_work_deadline(work),
					!work->abandoned);
	if (!ret || ret == -ECANCELED || !mdr_work_may_reset(work))
		return ret;
	dev_notice(&group->dev,
		   "event %llu: not restored after the host's reset (%d), resetting\n",
		   work->event, ret);
	return mdr_group_reset_and_restore(group);
}

static void mdr_work_resumed(struct mdr_work *work)
{
	struct mdr_group *group = work->group;

	if (work->abandoned) {
		dev_notice(&group->dev,
			   "the kernel abandoned the recovery of event %llu, own recovery succeeded\n",
			   work->event);
		group->stats.own_resets++;
	}
	group->untouched = mdr_group_is_pristine(group);
	group->stats.recoveries++;
	group->stats.recovery_ns_last = ktime_get_ns() - group->error_at;
	mdr_group_step(group, mdr_policy_resume_event(mdr_group_policy(group, true)),
		       NULL);
}

/* ERR is the last word: nothing helped. */
static void mdr_work_failed(struct mdr_work *work, int ret)
{
	struct mdr_group *group = work->group;

	if (!mdr_group_is_recovering(group))
		return;
	dev_err(&group->dev,
		"event %llu: not recovered (%d), failed: see state and blockers, then write 1 to recover\n",
		work->event, ret);
	if (work->failure == MDR_EVENT_WATCHDOG)
		group->cause = MDR_CAUSE_WATCHDOG;
	else if (work->failure == MDR_EVENT_ERROR_PERMANENT)
		group->cause = MDR_CAUSE_PERMANENT;
	mdr_group_step(group, work->failure, NULL);
}

/* The result counts, unless something newer has taken over. */
static bool mdr_work_is_current(struct mdr_work *work, int ret)
{
	struct mdr_group *group = work->group;

	if (ret == -ECANCELED || work->event != group->event)
		return false;
	return work->host_at_work || mdr_attempt_may(group);
}

/* A device to bring in line before the end, referenced; NULL: this was the end. */
static struct mdr_device *mdr_work_end(struct mdr_work *work, int ret)
{
	struct mdr_group *group = work->group;
	struct mdr_function *function;
	struct mdr_device *device;

	guard(mutex)(&group->lock);
	if (!mdr_work_is_current(work, ret))
		return NULL;
	if (!ret && work->abandoned)
		list_for_each_entry(function, &group->functions, group_item)
			function->recovering = false;
	if (!ret && mdr_group_has_resumed(group)) {
		device = mdr_group_next_unsynced(group);
		if (device)
			return device;
		mdr_work_resumed(work);
	} else if (ret || work->overdue) {
		/* without an error, a function is being unbound as it is */
		mdr_work_failed(work, ret ?: -EBUSY);
	}
	mdr_attempt_stop(group);
	return NULL;
}

/**
 * mdr_group_work - the host is done, or late: bring the group to its end
 * @work: &mdr_group.work
 *
 * Not part of the host's callbacks: a device may take its time, a function may
 * have to be reset, and bringing INTx in line takes locks of vfio-pci-core. A new
 * error may come at any time, and takes over.
 *
 * Context: mdr_workqueue.
 */
void mdr_group_work(struct work_struct *work)
{
	struct mdr_work run = {
		.group = container_of(work, struct mdr_group, work),
	};
	struct mdr_gate_entry entry;
	struct mdr_device *device;
	int ret;

	if (!mdr_work_begin(&run))
		return;
	ret = mdr_work_run(&run);

	mdr_gate_enter_exclusive(&run.group->gate, &entry);
	while ((device = mdr_work_end(&run, ret))) {
		mdr_device_sync_interrupts(device);
		put_device(&device->core.vdev.device);
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
