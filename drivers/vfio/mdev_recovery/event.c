// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: what begins one, and the breaker that counts them.
 */
#include <linux/math64.h>

#include "function.h"
#include "device.h"
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

/* What the group knows of a walk that has told it of an error; NULL if it has told nothing. */
static struct mdr_group_walk *mdr_group_walk_find(struct mdr_group *group,
						  u64 event)
{
	unsigned int i;

	lockdep_assert_held(&group->lock);

	for (i = 0; i < ARRAY_SIZE(group->walks); i++)
		if (group->walks[i].event == event)
			return &group->walks[i];
	return NULL;
}

/*
 * Has a walk told the group of this error before? Another walk may have told it of its own
 * meanwhile, so this need not be the latest event.
 */
bool mdr_group_knows(struct mdr_group *group, u64 event)
{
	return mdr_group_walk_find(group, event);
}

/* A walk is new to the group. What an earlier recovery has not counted never counts. */
static void mdr_group_walk_add(struct mdr_group *group, u64 event)
{
	bool begins = !mdr_group_is_recovering(group);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(group->walks) && begins; i++)
		group->walks[i].harmless = false;
	group->walks[group->walk_count++ % ARRAY_SIZE(group->walks)] =
		(struct mdr_group_walk) { .event = event };
}

/* The first function that this walk has told needs no reset; another one still may. */
void mdr_group_note_harmless(struct mdr_function *function)
{
	struct mdr_group_walk *walk;

	walk = mdr_group_walk_find(function->group, mdr_walk_event(function));
	if (walk)
		walk->harmless = true;
}

static void mdr_group_count_one_harmless(struct mdr_group *group)
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

/*
 * The recovery is over: count the errors that needed no reset. The breaker does not, since the
 * device has kept working. The administrator is warned.
 */
void mdr_group_count_harmless(struct mdr_group *group)
{
	unsigned int i;

	lockdep_assert_held(&group->lock);

	for (i = 0; i < ARRAY_SIZE(group->walks); i++) {
		if (!group->walks[i].harmless)
			continue;
		group->walks[i].harmless = false;
		mdr_group_count_one_harmless(group);
	}
}

/* @function has a reset: count its walk, once, and give up if there were too many. */
void mdr_group_count_reset(struct mdr_group *group,
			   struct mdr_function *function)
{
	struct mdr_group_walk *walk;
	unsigned int max;
	u64 window;

	walk = mdr_group_walk_find(group, mdr_walk_event(function));
	if (!walk || walk->counted)
		return;
	walk->counted = true;
	walk->harmless = false;
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
		/*
		 * A walk that the host has abandoned does not come back. Any other may still
		 * make its reset, however late it is; and so does a reset from outside.
		 */
		if (group->attempt.host_is_done && !other->host_reset.waits)
			mdr_function_settled(other);
	}
	mdr_group_walk_add(group, event);
	/* a walk may have begun before one that has told this group: ids only grow */
	group->event = event > group->event ? event : mdr_event_next();
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

/*
 * The current walk is a new one, with the id @event: the last one of the same walker does not come
 * back. Nobody knows whether that has made its reset.
 */
void mdr_group_end_older_walk(struct mdr_group *group, u64 event)
{
	struct mdr_function *other;

	list_for_each_entry(other, &group->functions, group_item) {
		if (!mdr_walk_is_older(other, event))
			continue;
		mdr_function_resumed(other);
		if (!other->recovering && other->error.needs_reset)
			other->error.reset_due = true;
	}
}

/*
 * The host continues a recovery that has ended: by a write to recover, which has decided about
 * the breaker. This is a new event: an acknowledgement of the old one must not count.
 */
void mdr_group_begin_again(struct mdr_function *function)
{
	struct mdr_group *group = function->group;

	mdr_group_new_event(function, mdr_walk_renew(function),
			    group->told.channel);
	mdr_group_walk_find(group, group->event)->counted = true;
	mdr_function_told(function);
	if (group->cause == MDR_CAUSE_BREAKER)
		mdr_breaker_reset(&group->breaker);
	group->cause = function->error.frozen ? MDR_CAUSE_FATAL :
						MDR_CAUSE_NONFATAL;
	mdr_group_step(group, MDR_EVENT_ERROR_FATAL, function);
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
