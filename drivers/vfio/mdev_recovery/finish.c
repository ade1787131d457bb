// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a recovery: all functions of a group have resumed.
 */
#include "mdr.h"

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
		if (!function->was_reset)
			return false;
	return true;
}

/* Is every function whole again, in time or late? */
static bool mdr_group_has_resumed(struct mdr_group *group)
{
	if (mdr_group_pending(group) || mdr_group_has_failed(group))
		return false;
	/* whom the breaker gave up on, only an administrator takes back */
	if (group->machine.state == MDR_STATE_FAILED)
		return group->cause != MDR_CAUSE_BREAKER;
	return group->machine.state == MDR_STATE_RECOVERING;
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
 * mdr_group_finish - all functions have resumed: decide by policy
 * @work: &mdr_group.finish
 *
 * Runs apart from the host's callback because bringing INTx in line takes locks
 * of vfio-pci-core, which a callback must not take. A new error may come at any
 * time; its drain waits for this.
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
	mutex_lock(&group->lock);
	if (due_failed && due_failed != -ECANCELED)
		mdr_group_step(group, MDR_EVENT_SLOT_RESET_FAILED, NULL);

	while (!due_failed && mdr_group_has_resumed(group) &&
	       (device = mdr_group_next_unsynced(group))) {
		mutex_unlock(&group->lock);
		scoped_guard(mutex, &device->core_lock)
			if (READ_ONCE(device->opened))
				mdr_restore_interrupts(device);
		put_device(&device->core.vdev.device);
		mutex_lock(&group->lock);
	}

	if (!due_failed && mdr_group_has_resumed(group)) {
		group->untouched = mdr_group_is_pristine(group);
		group->stats.recoveries++;
		group->stats.recovery_ns_last = ktime_get_ns() - group->error_at;
		mdr_group_step(group, mdr_policy_resume_event(mdr_group_policy(group, true)),
			       NULL);
	}

	mutex_unlock(&group->lock);
	mdr_gate_exit(&entry);
}
