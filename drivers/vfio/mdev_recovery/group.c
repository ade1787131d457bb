// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queries about a group: sums over its functions, and what it is doing. Nothing here
 * changes the state; step.c does.
 */
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "device.h"
#include "function.h"
#include "group.h"

/*
 * Take group->lock for an unprivileged reader. Preemption is off and the lock is polled, so
 * that a starved reader, or many readers, cannot delay the host. Nothing may sleep under it.
 * With PREEMPT_RT a mutex has priority inheritance, and is just taken.
 */
void mdr_group_lock_briefly(struct mdr_group *group)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		mutex_lock(&group->lock);
		return;
	}
	for (;;) {
		preempt_disable();
		if (mutex_trylock(&group->lock))
			return;
		preempt_enable();
		usleep_range(20, 100);
	}
}

void mdr_group_unlock_briefly(struct mdr_group *group)
{
	mutex_unlock(&group->lock);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_enable();
}

/* The place of the current walker, or the first free one. */
static unsigned int mdr_function_walker(struct mdr_function *function)
{
	unsigned int at;

	lockdep_assert_held(&function->group->lock);

	for (at = 0; at < MDR_WALKERS - 1 && function->walkers[at]; at++)
		if (function->walkers[at] == mdr_walker())
			break;
	return at;
}

/* The current walk has told a function of an error, and may come back to it. */
void mdr_function_told(struct mdr_function *function)
{
	function->walkers[mdr_function_walker(function)] = mdr_walker();
	function->recovering = true;
}

/*
 * The current walk is done with a function. Another walk may still have to make its
 * reset.
 */
void mdr_function_resumed(struct mdr_function *function)
{
	unsigned int at = mdr_function_walker(function);

	if (function->walkers[at] == mdr_walker()) {
		for (; at < MDR_WALKERS - 1; at++)
			function->walkers[at] = function->walkers[at + 1];
		function->walkers[at] = NULL;
	}
	function->recovering = function->walkers[0];
}

/* No walk comes back to a function any more, or it does not matter. */
void mdr_function_settled(struct mdr_function *function)
{
	lockdep_assert_held(&function->group->lock);

	memset(function->walkers, 0, sizeof(function->walkers));
	function->recovering = false;
}

/*
 * Has a function been removed, while another one of its group has not? Nothing brings it back,
 * so the others go on without it. Its user is asked to leave when it is unbound.
 */
bool mdr_function_is_gone(struct mdr_function *function)
{
	struct mdr_function *other;

	lockdep_assert_held(&function->group->lock);

	if (!pci_dev_is_disconnected(function->pdev))
		return false;
	list_for_each_entry(other, &function->group->functions, group_item)
		if (!pci_dev_is_disconnected(other->pdev))
			return true;
	return false;
}

/* Has a function been told of an error, but not of its end yet? */
bool mdr_group_pending(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item)
		if (function->recovering && !mdr_function_is_gone(function))
			return true;
	return false;
}

/* Is a function lost, or not restored yet? */
bool mdr_group_has_failed(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item)
		if ((function->failed || READ_ONCE(function->restore.blank)) &&
		    !mdr_function_is_gone(function))
			return true;
	return false;
}

/*
 * Has the host given up a function that it has not reset? The last function that it was to
 * tell may have been unbound meanwhile, or another walk has come back to it.
 */
bool mdr_group_lacks_reset(struct mdr_group *group)
{
	struct mdr_function *function;

	if (!mdr_group_is_recovering(group) || mdr_group_pending(group))
		return false;
	list_for_each_entry(function, &group->functions, group_item)
		if (function->failed && !function->error.was_reset &&
		    !mdr_function_is_gone(function))
			return true;
	return false;
}

/* Does a function wait for the hooks? The next open calls those of a closed device. */
bool mdr_function_awaits_hooks(struct mdr_function *function)
{
	lockdep_assert_held(&function->group->lock);

	return READ_ONCE(function->restore.hooks_due) && function->device &&
	       function->device->opened;
}

/* Has the breaker tripped? Then only an administrator recovers the group, and no other reset. */
bool mdr_group_has_given_up(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);

	return group->cause == MDR_CAUSE_BREAKER &&
	       (group->machine.state == MDR_STATE_FAILED ||
		(group->machine.state == MDR_STATE_RESETTING &&
		 !(group->resetter && group->by_admin)));
}

/*
 * Has a walk that is past its reset still to come back to a function? It resets nothing any more,
 * but takes the device lock for that, with pci_bus_sem held, and so an own reset may have to
 * wait for it (Documentation/upstream/pci-bus-sem.md).
 */
bool mdr_group_is_resumed_late(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item)
		if (function->recovering && function->error.past_reset)
			return true;
	return false;
}

/* Has a function asked for a reset that it did not get? */
bool mdr_group_awaits_reset(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item)
		if (function->error.reset_due)
			return true;
	return false;
}

/* Does an error change nothing? The host has given up on the group, or the breaker has. */
bool mdr_group_stays_failed(struct mdr_group *group)
{
	return group->machine.state == MDR_STATE_FAILED ||
	       mdr_group_has_given_up(group);
}

/*
 * Has the user of every open device of this type acknowledged the latest event, by a reset
 * or by opening the device after it?
 */
bool mdr_group_acknowledged(struct mdr_group *group, enum mdr_policy policy)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && device->opened && device->policy == policy &&
		    device->acknowledged != group->event &&
		    !mdr_function_is_gone(function))
			return false;
	}
	return true;
}

/* Is the host at work? Without group->lock the answer may be stale. */
bool mdr_group_is_recovering(struct mdr_group *group)
{
	enum mdr_state state = READ_ONCE(group->machine.state);

	return state == MDR_STATE_CLOSING || state == MDR_STATE_RECOVERING;
}

/* Does a reset by a user or from outside run? May be stale, too. */
bool mdr_group_is_resetting(struct mdr_group *group)
{
	return READ_ONCE(group->machine.state) == MDR_STATE_RESETTING;
}

/* Did the host reset every function, with no user inside the gate since? */
bool mdr_group_is_pristine(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	if (!group->drained)
		return false;
	list_for_each_entry(function, &group->functions, group_item)
		if (!function->error.was_reset)
			return false;
	return true;
}

/* A reset that began before the error may still be at work. */
bool mdr_group_in_reset(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	if (group->sleeping)
		return true;
	list_for_each_entry(function, &group->functions, group_item)
		if (function->host_reset.counted || function->host_reset.by_user)
			return true;
	return false;
}

/* Is every function whole again, in time or late? */
bool mdr_group_has_resumed(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);

	if (mdr_group_pending(group) || mdr_group_has_failed(group) ||
	    mdr_group_in_reset(group))
		return false;
	return group->machine.state == MDR_STATE_RECOVERING ||
	       (group->machine.state == MDR_STATE_FAILED &&
		!mdr_group_has_given_up(group));
}

/* Does INTx of all open devices match what vfio-pci-core believes? */
bool mdr_group_is_synced(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && device->opened && !device->synced &&
		    !mdr_function_is_gone(function))
			return false;
	}
	return true;
}

/* Does an mdev of the group have reset_elision=pristine? */
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

/* The strictest type among all mdevs, or only the open ones; or NONE. */
enum mdr_policy mdr_group_policy(struct mdr_group *group, bool opened_only)
{
	enum mdr_policy policy = MDR_POLICY_NONE;
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && (!opened_only || (device->opened &&
						!mdr_function_is_gone(function))))
			policy = mdr_policy_stricter(policy, device->policy);
	}
	return policy;
}

/* How long the host may take: the shortest bound of all mdevs, in ms. */
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

/* The shortest bound of all open devices of type hold, in ms. */
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

/* Is this the group's first function in its domain? */
static bool mdr_first_of_domain(struct mdr_group *group,
				struct mdr_function *function)
{
	struct mdr_function *other;

	list_for_each_entry(other, &group->functions, group_item)
		if (other->domain == function->domain)
			return other == function;
	return false;
}

/*
 * The root ports of the group's domains, one by one: get the port with @index,
 * counted from 0, or NULL after the last.
 */
struct pci_dev *mdr_group_port(struct mdr_group *group, unsigned int index)
{
	struct mdr_function *function;

	guard(mdr_group_briefly)(group);
	list_for_each_entry(function, &group->functions, group_item)
		if (mdr_first_of_domain(group, function) && !index--)
			return pci_dev_get(function->domain->port);
	return NULL;
}

static void mdr_snapshot_fill(struct mdr_group *group, enum mdr_snapshot_of of,
			      struct mdr_snapshot *snapshot)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		if (of == MDR_SNAPSHOT_LOST && !function->failed &&
		    !READ_ONCE(function->restore.blank))
			continue;
		if (of == MDR_SNAPSHOT_DUE && !function->error.reset_due)
			continue;
		if (of == MDR_SNAPSHOT_HOOKS && !mdr_function_awaits_hooks(function))
			continue;
		if (mdr_function_is_gone(function))
			continue;
		/* a VF that is in the list is bound, and so its PF is there */
		pci_dev_get(pci_physfn(function->pdev));
		snapshot->pdevs[snapshot->count++] = pci_dev_get(function->pdev);
	}
}

/*
 * Take a snapshot of the functions of a group; mdr_snapshot_put() releases it, even after
 * -ENOMEM, which only a large group gives: a recovery without memory would reset a device
 * that needs no reset, or lose it. Allocates without I/O under group->lock: the host waits
 * for that lock, and the swap disk may be what the host recovers.
 */
int mdr_snapshot_take(struct mdr_group *group, enum mdr_snapshot_of of,
		      struct mdr_snapshot *snapshot)
{
	size_t count;

	snapshot->count = 0;
	snapshot->awake = false;
	snapshot->pdevs = snapshot->few;
	guard(mutex)(&group->lock);
	count = list_count_nodes(&group->functions);
	if (count > ARRAY_SIZE(snapshot->few)) {
		snapshot->pdevs = kcalloc(count, sizeof(*snapshot->pdevs),
					  GFP_NOIO);
		if (!snapshot->pdevs)
			return -ENOMEM;
	}
	mdr_snapshot_fill(group, of, snapshot);
	return 0;
}

/* The same, for who works on them: users may have put them into low power. */
int mdr_snapshot_take_awake(struct mdr_group *group, enum mdr_snapshot_of of,
			    struct mdr_snapshot *snapshot)
{
	int ret = mdr_snapshot_take(group, of, snapshot);
	unsigned int i;

	for (i = 0; i < snapshot->count; i++)
		pm_runtime_get_sync(&snapshot->pdevs[i]->dev);
	snapshot->awake = true;
	return ret;
}

/* The same of all functions, for a reader that anybody may be. */
int mdr_snapshot_take_briefly(struct mdr_group *group,
			      struct mdr_snapshot *snapshot)
{
	size_t room = ARRAY_SIZE(snapshot->few), count;

	snapshot->count = 0;
	snapshot->awake = false;
	snapshot->pdevs = snapshot->few;
	for (;;) {
		scoped_guard(mdr_group_briefly, group) {
			count = list_count_nodes(&group->functions);
			if (count <= room) {
				mdr_snapshot_fill(group, MDR_SNAPSHOT_ALL,
						  snapshot);
				return 0;
			}
		}
		mdr_snapshot_put(snapshot);
		room = count;
		snapshot->pdevs = kcalloc(room, sizeof(*snapshot->pdevs),
					  GFP_KERNEL);
		if (!snapshot->pdevs)
			return -ENOMEM;
	}
}

void mdr_snapshot_put(struct mdr_snapshot *snapshot)
{
	while (snapshot->count) {
		struct pci_dev *pdev = snapshot->pdevs[--snapshot->count];

		if (snapshot->awake)
			pm_runtime_put(&pdev->dev);
		pci_dev_put(pci_physfn(pdev));
		pci_dev_put(pdev);
	}
	if (snapshot->pdevs != snapshot->few)
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

/* The name of a cause in sysfs and uevents. */
const char *mdr_cause_name(enum mdr_cause cause)
{
	return mdr_cause_names[cause];
}

/*
 * The current task begins the shim's own attempt. The host always wins: its callbacks
 * call mdr_attempt_stop(). So the task checks mdr_attempt_may() whenever it
 * gets a device lock, and while it waits for one, as the host holds that lock
 * while it drains the gate.
 */
void mdr_attempt_start(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);
	WRITE_ONCE(group->attempt.task, current);
}

/*
 * May the current task go on with the shim's own attempt? A yes stays true for a
 * function while its device lock or group->lock is held.
 */
bool mdr_attempt_may(struct mdr_group *group)
{
	return READ_ONCE(group->attempt.task) == current;
}

/* The host is at work again: end the shim's own attempt. */
void mdr_attempt_stop(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);
	WRITE_ONCE(group->attempt.task, NULL);
}
