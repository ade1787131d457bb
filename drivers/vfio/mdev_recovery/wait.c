// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a group: the host for its users, users for the host. Every wait has
 * a bound; Documentation/locking.rst lists who waits for whom.
 */
#include <linux/delay.h>
#include <linux/sched/signal.h>

#include "device.h"
#include "function.h"
#include "group.h"
#include "trace.h"

/**
 * mdr_group_drain - wait, with a bound, until no user is inside the gate
 * @group: a group in state closing or resetting
 * @config_is_blocked: see mdr_gate_drain()
 *
 * Past the bound the host goes on; that is counted, traced and logged.
 *
 * Context: process context, no lock of ours held, may sleep; a host callback.
 */
void mdr_group_drain(struct mdr_group *group, bool config_is_blocked)
{
	u64 start = ktime_get_ns();
	bool drained;

	drained = mdr_gate_drain(&group->gate, MDR_DRAIN_TIMEOUT_MS,
				 config_is_blocked);
	trace_mdr_drain(group, ktime_get_ns() - start, drained);

	guard(mutex)(&group->lock);
	group->drained = drained;
	if (!drained) {
		group->stats.drain_timeouts++;
		dev_warn_ratelimited(&group->dev,
				     "a user is still inside after %u ms, going on without it\n",
				     MDR_DRAIN_TIMEOUT_MS);
	}
	if (group->machine.state == MDR_STATE_CLOSING)
		mdr_group_step(group, drained ? MDR_EVENT_DRAINED :
						MDR_EVENT_DRAIN_TIMEOUT, NULL);
}

/**
 * mdr_group_zap - take the BAR mappings of all devices away
 * @group: a group whose gate is closed
 *
 * Context: process context, may sleep; a host callback. Takes i_mmap_rwsem of
 * the devices' mappings and page table locks, not mmap_lock.
 */
void mdr_group_zap(struct mdr_group *group)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	list_for_each_entry(function, &group->functions, group_item)
		if (function->device)
			mdr_device_zap(function->device);
}

static int mdr_group_waited(long left)
{
	if (left < 0)
		return left;
	return left ? 0 : -EAGAIN;
}

/**
 * mdr_group_wait_recovered - wait for the end of the host's recovery
 * @group: the group
 * @timeout_ms: the bound, in milliseconds
 *
 * Does not wait for resets that users asked for: a hot reset wants the lock of
 * the device set, with which vfio core calls open_device().
 *
 * Context: process context, not inside any gate, may sleep, killable.
 * Return: 0, -EAGAIN if the bound passed, -ERESTARTSYS if killed.
 */
int mdr_group_wait_recovered(struct mdr_group *group, unsigned int timeout_ms)
{
	return mdr_group_waited(wait_event_killable_timeout(group->state_changed,
				!mdr_group_is_recovering(group),
				msecs_to_jiffies(timeout_ms)));
}

/**
 * mdr_group_wait_settled - wait for the end of what the host or a user does
 * @group: the group
 * @timeout_ms: the bound, in milliseconds
 *
 * Context: process context, no lock of vfio core held, not inside any gate, may
 * sleep, killable.
 * Return: 0, -EAGAIN if the bound passed, -ERESTARTSYS if killed.
 */
int mdr_group_wait_settled(struct mdr_group *group, unsigned int timeout_ms)
{
	return mdr_group_waited(wait_event_killable_timeout(group->state_changed,
				!mdr_group_is_recovering(group) &&
				!mdr_group_is_resetting(group),
				msecs_to_jiffies(timeout_ms)));
}

/**
 * mdr_group_wait_close - wait for the end of the recovery, whoever kills us
 * @function: a function of the group
 *
 * For close, which cannot fail and cannot be undone. Bounded by the group's
 * watchdog. Who unbinds the function holds its device lock and waits for the
 * close, and the host's recovery waits for that lock: then nobody waits here.
 *
 * Context: process context, not inside any gate, may sleep.
 */
void mdr_group_wait_close(struct mdr_function *function)
{
	struct mdr_group *group = function->group;
	unsigned int ms;

	scoped_guard(mutex, &group->lock)
		ms = mdr_group_recovery_timeout(group) + MDR_DRAIN_TIMEOUT_MS;
	wait_event_timeout(group->state_changed,
			   !mdr_group_is_recovering(group) ||
			   READ_ONCE(function->removing),
			   msecs_to_jiffies(ms));
}

/**
 * mdr_wait_host_lets_go - a pause before the next try at what the host holds
 * @deadline: no more tries after it, in jiffies
 *
 * A recovery is over in the last callback of the host, which has the function's
 * device_lock until that returns. vfio-pci-core only tries to take it.
 *
 * Context: process context, may sleep.
 * Return: whether to try again.
 */
bool mdr_wait_host_lets_go(unsigned long deadline)
{
	if (time_after(jiffies, deadline) || fatal_signal_pending(current))
		return false;
	usleep_range(500, 1000);
	return true;
}

