// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI error handlers: one recovery, told in the order in which the host
 * calls.
 *
 * The host calls with pci_bus_sem held for reading and with the device lock of
 * the function, all functions below a port one after the other, on the port's
 * one AER thread. Nothing here waits for user space but the drain, which is
 * bounded, and nothing here takes a lock of vfio-pci-core, vfio core or mm other
 * than those a zap needs.
 */
#include <linux/module.h>

#include "device.h"
#include "function.h"
#include "group.h"

/* The strictest breaker of the group's mdevs decides. */
static bool mdr_group_breaks(struct mdr_group *group)
{
	unsigned int max = 0, window_ms = 0;
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;
		unsigned int device_max;

		if (!device)
			continue;
		device_max = READ_ONCE(device->tunables.breaker_max);
		if (!device_max || (max && max <= device_max))
			continue;
		max = device_max;
		window_ms = READ_ONCE(device->tunables.breaker_window_ms);
	}
	return mdr_breaker_trips(&group->breaker, group->error_at, max,
				 (u64)window_ms * NSEC_PER_MSEC);
}

/* Close the group for this event, unless another of its functions has. */
static void mdr_group_error(struct mdr_function *function, u64 event,
			    struct mdr_function_error error)
{
	struct mdr_group *group = function->group;

	guard(mutex)(&group->lock);
	function->recovering = true;
	function->error = error;
	if (function->device)
		function->device->synced = false;
	mdr_attempt_stop(group);
	if (group->event == event)
		return;
	if (group->machine.state == MDR_STATE_FAILED) {
		/* what the host gave up on before, it has taken up again */
		group->attempt.host_is_done = false;
		group->attempt.event = 0;
		return;
	}

	group->event = event;
	group->attempt.host_is_done = false;
	group->cause = error.frozen ? MDR_CAUSE_FATAL : MDR_CAUSE_NONFATAL;
	group->error_at = ktime_get_ns();
	mdr_group_step(group, error.frozen ? MDR_EVENT_ERROR_FATAL :
					     MDR_EVENT_ERROR_NONFATAL,
		       function);
	if (mdr_group_breaks(group)) {
		dev_err(&group->dev,
			"too many errors in too short a time, giving up at event %llu: write 1 to recover when the cause is found\n",
			event);
		group->cause = MDR_CAUSE_BREAKER;
		mdr_group_step(group, MDR_EVENT_BREAKER, function);
	}
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

/* True if users had to be kept out for it. */
static bool mdr_permanent_failure(struct mdr_function *function)
{
	struct mdr_group *group = function->group;

	guard(mutex)(&group->lock);
	/* told function by function: the first one has started the attempt */
	if (group->attempt.event && group->attempt.event == group->event)
		return false;
	function->failed = true;
	function->recovering = false;
	if (mdr_group_is_recovering(group) ||
	    (group->machine.state == MDR_STATE_FAILED &&
	     group->cause != MDR_CAUSE_BREAKER)) {
		mdr_group_abandon(group, MDR_EVENT_ERROR_PERMANENT, true);
		return false;
	}
	if (group->machine.state == MDR_STATE_FAILED)
		return false;
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
		/* the own attempt is inside the gate, and waits for us */
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

	event = mdr_domain_error(function);
	mdr_group_error(function, event, error);
	/* first what no drain can see; who faults now undoes it before it leaves */
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

	mdr_domain_detected(function->domain);
	mdr_group_close_again(function);
	return function->error.needs_reset ? PCI_ERS_RESULT_NEED_RESET :
					     PCI_ERS_RESULT_RECOVERED;
}

/*
 * Was the function reset since it was in use? A reset clears COMMAND (PCI
 * Express 6.0, 7.5.1.1.3); a function that decodes or masters has not seen one.
 * A VF keeps no decode bits: it counts as not reset.
 */
static bool mdr_is_blank(struct pci_dev *pdev)
{
	u16 command;

	if (pdev->is_virtfn)
		return false;
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	return !(command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
			    PCI_COMMAND_MASTER));
}

static pci_ers_result_t mdr_slot_reset(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);
	struct mdr_group *group;
	bool was_reset, touched;
	int ret;

	if (!function)
		return PCI_ERS_RESULT_RECOVERED;

	mdr_domain_detected(function->domain);
	was_reset = function->error.frozen || mdr_is_blank(pdev);
	touched = mdr_group_close_again(function);
	ret = mdr_restore(function);
	if (ret)
		pci_err(pdev, "function does not come back after the reset: %d\n",
			ret);

	group = function->group;
	guard(mutex)(&group->lock);
	function->failed = ret;
	function->error.was_reset = was_reset && !touched;
	/*
	 * Not every kernel resets something before it calls slot_reset after a
	 * non-fatal error (6.12 does not, 7.3 does). Who asked for a reset gets
	 * one, but not from here: pci_bus_sem is held, and some methods of
	 * resetting a function take it.
	 */
	function->error.reset_due = function->error.needs_reset && !was_reset;
	mdr_group_step(group, ret ? MDR_EVENT_SLOT_RESET_FAILED :
				    MDR_EVENT_SLOT_RESET_OK, function);
	if (!ret)
		return PCI_ERS_RESULT_RECOVERED;
	/* the kernel gives up on all functions if one votes against it */
	if (!list_is_singular(&pdev->bus->devices))
		return PCI_ERS_RESULT_NONE;
	/* and not every kernel says so: there is no resume to wait for */
	function->recovering = false;
	return PCI_ERS_RESULT_DISCONNECT;
}

static void mdr_resume(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);
	struct mdr_group *group;

	if (!function)
		return;

	mdr_domain_detected(function->domain);
	group = function->group;
	guard(mutex)(&group->lock);
	function->recovering = false;
	if (!mdr_group_pending(group))
		queue_work(mdr_workqueue, &group->finish);
}

/*
 * A reset from outside: an administrator's, one of the PF's driver, or a bus
 * reset that vfio-pci-core makes when the last device on the bus is closed. A
 * reset of the group's own user comes this way too, in the context of who asked
 * for it and with the gate closed already.
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
	 * memory_lock: that holds off all who are inside too, and who would have
	 * to be waited for until the bound.
	 */
	if (!mdr_gate_current_inside())
		mdr_group_drain(group, true);
}

static void mdr_reset_done(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);
	struct mdr_group *group;

	if (!function || !function->in_host_reset)
		return;

	function->in_host_reset = false;
	group = function->group;
	guard(mutex)(&group->lock);
	mdr_group_reset_end(group, MDR_EVENT_HOST_RESET_DONE, function);
}

static void mdr_cor_error_detected(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);

	if (!function)
		return;

	guard(mutex)(&function->group->lock);
	function->group->stats.correctable_errors++;
}

/*
 * Did the host reset every function for the latest event, with nobody inside
 * the gate since?
 */
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
	/* after the breaker tripped only an administrator recovers the group */
	if (group->machine.state == MDR_STATE_FAILED)
		return group->cause != MDR_CAUSE_BREAKER;
	return group->machine.state == MDR_STATE_RECOVERING;
}

/* The next open device whose INTx is out of line, with a reference. */
static struct mdr_device *mdr_group_next_unsynced(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

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

/* Is there a device to bring in line before the recovery can end? */
static struct mdr_device *mdr_group_finish_step(struct mdr_group *group,
						int due_failed)
{
	struct mdr_device *device;

	guard(mutex)(&group->lock);
	if (due_failed && due_failed != -ECANCELED)
		mdr_group_step(group, MDR_EVENT_SLOT_RESET_FAILED, NULL);
	if (due_failed || !mdr_group_has_resumed(group))
		return NULL;

	device = mdr_group_next_unsynced(group);
	if (device)
		return device;

	group->untouched = mdr_group_is_pristine(group);
	group->stats.recoveries++;
	group->stats.recovery_ns_last = ktime_get_ns() - group->error_at;
	mdr_group_step(group, mdr_policy_resume_event(mdr_group_policy(group, true)),
		       NULL);
	return NULL;
}

/**
 * mdr_group_finish - all functions have resumed: the type decides
 * @work: &mdr_group.finish
 *
 * Not part of the host's callback, because bringing INTx in line takes locks of
 * vfio-pci-core that a callback must not take. A new error may come at any time;
 * its drain waits for this.
 *
 * Context: mdr_workqueue.
 */
void mdr_group_finish(struct work_struct *work)
{
	struct mdr_group *group = container_of(work, struct mdr_group, finish);
	struct mdr_gate_entry entry;
	struct mdr_device *device;
	int due_failed;

	mdr_gate_enter_exclusive(&group->gate, &entry);
	due_failed = mdr_group_reset_due(group);
	while ((device = mdr_group_finish_step(group, due_failed))) {
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
