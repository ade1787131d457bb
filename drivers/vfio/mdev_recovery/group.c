// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be asked of a group: sums over its functions, and what goes on.
 * Nothing here changes a state; step.c does.
 */
#include <linux/slab.h>

#include "device.h"
#include "function.h"
#include "group.h"

/**
 * mdr_group_pending - does the host still recover a function of this group?
 * @group: the group
 *
 * Return: true if a function was told of an error and not yet of its end.
 */
bool mdr_group_pending(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item)
		if (function->recovering)
			return true;
	return false;
}

/**
 * mdr_group_has_failed - is a function of this group not whole?
 * @group: the group
 *
 * Return: true if a function could not be restored, or was not yet.
 */
bool mdr_group_has_failed(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item)
		if (function->failed || READ_ONCE(function->blank))
			return true;
	return false;
}

/**
 * mdr_group_has_given_up - has the breaker tripped?
 * @group: the group
 *
 * Return: true if only an administrator recovers the group.
 */
bool mdr_group_has_given_up(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);

	return group->machine.state == MDR_STATE_FAILED &&
	       group->cause == MDR_CAUSE_BREAKER;
}

/**
 * mdr_group_acknowledged - has every user of type hold acknowledged the event?
 * @group: the group
 *
 * Return: true if no open device of type hold lags behind.
 */
bool mdr_group_acknowledged(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && device->opened &&
		    device->policy == MDR_POLICY_HOLD &&
		    device->acknowledged != group->event)
			return false;
	}
	return true;
}

/**
 * mdr_group_is_recovering - is the host at work?
 * @group: the group
 *
 * Context: any; without group->lock the answer may be old.
 * Return: true in states closing and recovering.
 */
bool mdr_group_is_recovering(struct mdr_group *group)
{
	enum mdr_state state = READ_ONCE(group->machine.state);

	return state == MDR_STATE_CLOSING || state == MDR_STATE_RECOVERING;
}

/**
 * mdr_group_is_resetting - does a reset by a user or from outside run?
 * @group: the group
 *
 * Context: any; without group->lock the answer may be old.
 * Return: true in state resetting.
 */
bool mdr_group_is_resetting(struct mdr_group *group)
{
	return READ_ONCE(group->machine.state) == MDR_STATE_RESETTING;
}

/**
 * mdr_group_elides - may a reset be left out where it makes no difference?
 * @group: the group
 *
 * Return: true if an mdev of the group has reset_elision=pristine.
 */
bool mdr_group_elides(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item)
		if (function->device &&
		    READ_ONCE(function->device->tunables.reset_elision) ==
		    MDR_RESET_ELISION_PRISTINE)
			return true;
	return false;
}

/**
 * mdr_group_policy - the strictest policy of the group's mdevs
 * @group: the group
 * @opened_only: count only those that a user has open
 *
 * Return: the policy, MDR_POLICY_NONE if no mdev counts.
 */
enum mdr_policy mdr_group_policy(struct mdr_group *group, bool opened_only)
{
	enum mdr_policy policy = MDR_POLICY_NONE;
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && (device->opened || !opened_only))
			policy = mdr_policy_stricter(policy, device->policy);
	}
	return policy;
}

/**
 * mdr_group_recovery_timeout - how long the host may take
 * @group: the group
 *
 * Return: the shortest bound among the group's mdevs, in milliseconds.
 */
unsigned int mdr_group_recovery_timeout(struct mdr_group *group)
{
	struct mdr_function *function;
	unsigned int ms = MDR_MAX_TIMEOUT_MS;
	bool found = false;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device) {
			ms = min(ms, READ_ONCE(device->tunables.recovery_timeout_ms));
			found = true;
		}
	}
	return found ? ms : MDR_DEFAULT_RECOVERY_TIMEOUT_MS;
}

/**
 * mdr_group_hold_timeout - how long holding waits for users
 * @group: the group
 *
 * Return: the shortest bound among the open mdevs of type hold, in milliseconds.
 */
unsigned int mdr_group_hold_timeout(struct mdr_group *group)
{
	struct mdr_function *function;
	unsigned int ms = MDR_MAX_TIMEOUT_MS;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && device->opened &&
		    device->policy == MDR_POLICY_HOLD)
			ms = min(ms, READ_ONCE(device->tunables.hold_timeout_ms));
	}
	return ms;
}

/* Is this the first function of the group that is in this domain? */
static bool mdr_first_of_domain(struct mdr_group *group,
				struct mdr_function *function)
{
	struct mdr_function *other;

	list_for_each_entry(other, &group->functions, group_item)
		if (other->domain == function->domain)
			return other == function;
	return false;
}

/**
 * mdr_group_port - the ports of the domains that a group reaches into
 * @group: the group
 * @index: which one, from 0
 *
 * Context: process context; takes group->lock.
 * Return: the port, to be released with pci_dev_put(); NULL after the last.
 */
struct pci_dev *mdr_group_port(struct mdr_group *group, unsigned int index)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	list_for_each_entry(function, &group->functions, group_item)
		if (mdr_first_of_domain(group, function) && !index--)
			return pci_dev_get(function->domain->port);
	return NULL;
}

/**
 * mdr_snapshot_take - note who is in a group at this moment
 * @group: the group
 * @of: which functions
 * @snapshot: filled in; to be released with mdr_snapshot_put() in any case
 *
 * Context: process context; takes group->lock. Allocates without I/O: the disk
 * to swap to may be what the host recovers, and the host waits for that lock.
 * Return: 0, or -ENOMEM with an empty snapshot.
 */
int mdr_snapshot_take(struct mdr_group *group, enum mdr_snapshot_of of,
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
		if (of == MDR_SNAPSHOT_LOST && !function->failed &&
		    !READ_ONCE(function->blank))
			continue;
		if (of == MDR_SNAPSHOT_DUE && !function->error.reset_due)
			continue;
		if (of == MDR_SNAPSHOT_DUE)
			function->error.reset_due = false;
		snapshot->pdevs[snapshot->count++] = pci_dev_get(function->pdev);
	}
	return 0;
}

/**
 * mdr_snapshot_put - release a snapshot
 * @snapshot: from mdr_snapshot_take()
 *
 * Context: process context, may sleep.
 */
void mdr_snapshot_put(struct mdr_snapshot *snapshot)
{
	while (snapshot->count)
		pci_dev_put(snapshot->pdevs[--snapshot->count]);
	kfree(snapshot->pdevs);
}

static const char * const mdr_cause_names[MDR_CAUSE_COUNT] = {
	[MDR_CAUSE_NONE]	= "none",
	[MDR_CAUSE_NONFATAL]	= "nonfatal",
	[MDR_CAUSE_FATAL]	= "fatal",
	[MDR_CAUSE_PERMANENT]	= "permanent",
	[MDR_CAUSE_USER_RESET]	= "user_reset",
	[MDR_CAUSE_HOST_RESET]	= "host_reset",
	[MDR_CAUSE_WATCHDOG]	= "watchdog",
	[MDR_CAUSE_BREAKER]	= "breaker",
};

/**
 * mdr_cause_name - name of a cause as shown in sysfs and uevents
 * @cause: the cause
 *
 * Context: any.
 * Return: a constant string.
 */
const char *mdr_cause_name(enum mdr_cause cause)
{
	return mdr_cause_names[cause];
}

/**
 * mdr_attempt_start - the current task will reset on the shim's own account
 * @group: the group
 *
 * The host always wins against it: a host callback calls mdr_attempt_stop(). The
 * task looks whether it still may whenever it gets a device lock, and while it
 * waits for one: the host holds that lock while it drains the gate.
 */
void mdr_attempt_start(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);
	WRITE_ONCE(group->attempt.task, current);
}

/**
 * mdr_attempt_may - may the current task go on?
 * @group: the group
 *
 * Context: any; with group->lock or the device lock of a function held the
 * answer stays true for that function.
 * Return: true after mdr_attempt_start(), until the host is at work again.
 */
bool mdr_attempt_may(struct mdr_group *group)
{
	return READ_ONCE(group->attempt.task) == current;
}

/**
 * mdr_attempt_stop - the host is at work: no reset of our own any more
 * @group: the group
 *
 * Context: a host callback.
 */
void mdr_attempt_stop(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);
	WRITE_ONCE(group->attempt.task, NULL);
}
