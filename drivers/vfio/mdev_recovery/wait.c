// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits between the host and the users of a group. Documentation/locking.rst lists them with
 * their bounds.
 */
#include <linux/delay.h>
#include <linux/sched/signal.h>

#include "device.h"
#include "function.h"
#include "group.h"
#include "trace.h"

/*
 * Drain the gate of a group in state closing or resetting, see mdr_gate_drain(), and wait
 * for a zap that mdr_group_zap_begin() has begun. After the bound, which is one for both, the
 * host goes on. The caller holds no lock of the shim.
 */
void mdr_group_drain(struct mdr_group *group, bool config_is_blocked)
{
	unsigned long begun = jiffies;
	u64 start = ktime_get_ns();
	bool empty, drained;

	empty = mdr_gate_drain(&group->gate, MDR_DRAIN_TIMEOUT_MS,
			       config_is_blocked);
	drained = mdr_group_zap_wait_since(group, begun) && empty;
	trace_mdr_drain(group, ktime_get_ns() - start, drained);

	guard(mutex)(&group->lock);
	group->attempt.undrained = false;
	mdr_intx_withhold(group);
	/* only the drain of an error proves something about the reset that follows */
	if (group->machine.state == MDR_STATE_CLOSING)
		group->drained = drained;
	else
		group->drained &= drained;
	if (!empty) {
		group->stats.drain_timeouts++;
		dev_warn_ratelimited(&group->dev,
				     "an access did not end within %u ms, going on without it\n",
				     MDR_DRAIN_TIMEOUT_MS);
	}
	if (group->machine.state == MDR_STATE_CLOSING)
		mdr_group_step(group, drained ? MDR_EVENT_DRAINED :
						MDR_EVENT_DRAIN_TIMEOUT, NULL);
}

/*
 * Drain the gate for a reset that fails if a user stays inside: false then. The caller
 * holds no lock of the shim.
 */
bool mdr_group_drain_or_fail(struct mdr_group *group)
{
	if (!mdr_gate_drain(&group->gate, MDR_DRAIN_TIMEOUT_MS, false))
		return false;
	guard(mutex)(&group->lock);
	mdr_intx_withhold(group);
	return true;
}

static int mdr_group_waited(long left)
{
	if (left < 0)
		return left;
	return left ? 0 : -EAGAIN;
}

/*
 * Like mdr_group_wait_recovered(), but waits for resets by users as well, so no
 * lock of vfio core may be held.
 */
int mdr_group_wait_settled(struct mdr_group *group, unsigned int timeout_ms)
{
	return mdr_group_waited(wait_event_killable_timeout(group->state_changed,
				!mdr_group_is_recovering(group) &&
				!mdr_group_is_resetting(group),
				msecs_to_jiffies(timeout_ms)));
}

/* Tasks that hold the device lock of a function, and may wait for a close. */
static unsigned int mdr_hurries;

/* See mdr_closes_hurry_begin(). The caller holds mdr_registry_lock. */
void mdr_closes_hurry_count(int more)
{
	WRITE_ONCE(mdr_hurries, mdr_hurries + more);
}

bool mdr_closes_must_hurry(void)
{
	return READ_ONCE(mdr_hurries);
}

/* Must a close wait for the host? Not if the host waits for it, see mdr_closes_hurry_begin(). */
static bool mdr_close_must_wait(struct mdr_group *group)
{
	/* the host is done with a group that is about to open */
	return mdr_group_is_recovering(group) && !READ_ONCE(group->opening) &&
	       !mdr_closes_must_hurry();
}

/*
 * Wait for the end of the host's recovery, outside any gate: 0, -EAGAIN if @timeout_ms
 * passed or closes have to hurry, or -ERESTARTSYS if killed. The callers hold the device
 * set's lock, for which a close may wait. A hot reset needs that lock, too, so this does not
 * wait for resets by users.
 */
int mdr_group_wait_recovered(struct mdr_group *group, unsigned int timeout_ms)
{
	unsigned int let_go_ms = min_t(unsigned int, timeout_ms, MDR_LET_GO_MS);
	int ret;

	ret = mdr_group_waited(wait_event_killable_timeout(group->state_changed,
							   !mdr_close_must_wait(group),
							   msecs_to_jiffies(timeout_ms)));
	if (ret || !mdr_group_is_recovering(group))
		return ret;
	/* mostly it is for a moment: an mdev is created or removed */
	ret = mdr_group_waited(wait_event_killable_timeout(group->state_changed,
							   !mdr_group_is_recovering(group),
							   msecs_to_jiffies(let_go_ms)));
	return ret == -EAGAIN && !mdr_closes_must_hurry() ? 0 : ret;
}

/*
 * Wait for the end of the recovery in close, outside any gate. Close cannot fail, so a
 * signal does not end the wait; the group's timer bounds it.
 */
static void mdr_group_wait_close(struct mdr_group *group)
{
	unsigned int ms;

	scoped_guard(mutex, &group->lock)
		ms = mdr_group_recovery_timeout(group) + MDR_DRAIN_TIMEOUT_MS;
	/* idle: a recovery may take longer than the hung task detector's 120 s */
	wait_event_idle_timeout(group->state_changed,
				!mdr_close_must_wait(group),
				msecs_to_jiffies(ms));
}

/*
 * Enter the gate for close, which touches the function, must not run during the host's
 * recovery, and cannot fail. Either this task sees the recovery, or the drain of the
 * recovery waits for this task. Each new error prolongs the loop; the timer bounds each
 * recovery, and the breaker their number. (Detaching an address space only waits here.)
 */
void mdr_device_enter_recovered(struct mdr_device *device,
				struct mdr_gate_entry *entry)
{
	struct mdr_group *group = device->function->group;

	for (;;) {
		mdr_group_wait_close(group);
		mdr_gate_enter_exclusive(&group->gate, entry);
		if (!mdr_close_must_wait(group))
			return;
		mdr_gate_exit(entry);
	}
}

/* For mdr_trylock_until(): after @deadline (jiffies), or with a fatal signal. */
bool mdr_wait_is_over(unsigned long deadline)
{
	return time_after(jiffies, deadline) || fatal_signal_pending(current);
}

/*
 * Pause before the next try of a call that needs a device lock; false if the wait is
 * over. The host holds that lock until the last callback of a recovery has returned, and
 * vfio-pci-core only tries to take it.
 */
bool mdr_wait_host_lets_go(unsigned long deadline)
{
	if (mdr_wait_is_over(deadline))
		return false;
	usleep_range(500, 1000);
	return true;
}

