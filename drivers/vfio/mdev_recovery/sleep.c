// SPDX-License-Identifier: GPL-2.0-only
/*
 * System sleep and hibernation: to the shim a reset from outside, of all groups.
 *
 * A function may lose its power in a sleep. The PCI core restores its config space then,
 * so nothing shows the loss, but it cannot restore what only the parent driver or the user
 * knows. So after each sleep all functions count as lost, and are recovered as after an
 * error.
 *
 * The PM core calls groups through their class, while user tasks are frozen. A task is
 * frozen only outside of a gate, and does not run until a group is recovering. The worker's
 * workqueue is frozen as well, so from the end of the late phase to the thaw nothing of
 * ours touches a function: the PCI core saves and restores it meanwhile, without the
 * device lock.
 */
#include <linux/pm.h>

#include "function.h"
#include "group.h"

/*
 * A recovery with which the host is done may sleep: the worker goes on with it afterwards.
 * This may be the recovery from a sleep, because hibernation wakes the devices to write its
 * image, and puts them to sleep again.
 */
static int mdr_sleep_begin(struct mdr_group *group)
{
	guard(mutex)(&group->lock);
	if (group->dying)
		return -ENODEV;
	if (mdr_group_is_recovering(group) && !mdr_group_pending(group))
		group->resets++;
	else if (!mdr_group_reset_begin(group, MDR_EVENT_HOST_RESET_BEGIN, NULL))
		return -EBUSY;
	group->sleeping = true;
	return 0;
}

static void mdr_sleep_end(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);

	if (group->dying)
		return;
	mdr_group_reset_end(group, MDR_EVENT_HOST_RESET_DONE, NULL);
	group->sleeping = false;
	mdr_group_reset_is_over(group);
}

/* Close the gate, before anything sleeps. -EBUSY ends the transition. */
static int mdr_sleep_prepare(struct device *dev)
{
	struct mdr_group *group = to_mdr_group(dev);

	switch (mdr_sleep_begin(group)) {
	case 0:
		break;
	case -ENODEV:
		return 0;
	default:
		dev_notice(dev, "the host is recovering it: the system cannot sleep now\n");
		return -EBUSY;
	}
	/* an MMU notifier may wait for a task that is frozen */
	mdr_group_zap_begin(group);
	if (mdr_group_drain_or_fail(group) && mdr_group_zap_wait(group))
		return 0;
	/* not a user's: those are frozen outside */
	dev_notice(dev, "an access, or removing the mappings, does not end: the system cannot sleep now\n");
	guard(mutex)(&group->lock);
	mdr_sleep_end(group);
	return -EBUSY;
}

/* The function does no DMA from here on, until its parent driver has seen it again. */
static int mdr_sleep_function(struct pci_dev *pdev)
{
	struct mdr_function *function;
	u16 command;

	if (!device_trylock(&pdev->dev))
		return -EBUSY;
	function = mdr_function_find(pdev);
	if (function) {
		function->restore.configured = false;
		mdr_function_set_blank(function);
		pci_read_config_word(pdev, PCI_COMMAND, &command);
		if (!PCI_POSSIBLE_ERROR(command))
			pci_write_config_word(pdev, PCI_COMMAND,
					      command & ~PCI_COMMAND_MASTER);
	}
	device_unlock(&pdev->dev);
	return 0;
}

/* An error came after the gate had closed, and its walk goes on. No new one begins now. */
static bool mdr_sleep_in_walk(struct mdr_group *group)
{
	guard(mutex)(&group->lock);
	return mdr_group_is_recovering(group) && mdr_group_pending(group);
}

/*
 * The last step before the PCI core saves config space, when everything is still in D0. A
 * sleep that ends before this step has changed nothing.
 */
static int mdr_sleep_late(struct device *dev)
{
	struct mdr_group *group = to_mdr_group(dev);
	struct mdr_snapshot snapshot;
	unsigned int i;
	int ret;

	/* the worker is frozen, and so is a task that writes to recover */
	WARN_ON_ONCE(READ_ONCE(group->attempt.task));

	ret = mdr_snapshot_take(group, MDR_SNAPSHOT_ALL, &snapshot);
	if (mdr_sleep_in_walk(group))
		ret = -EBUSY;
	for (i = 0; i < snapshot.count && !ret; i++)
		ret = mdr_sleep_function(snapshot.pdevs[i]);
	mdr_snapshot_put(&snapshot);
	if (ret)
		dev_notice(dev, "a function is in use (%d): the system cannot sleep now\n",
			   ret);
	return ret;
}

/*
 * A recovery that was already running also covers the sleep. Restart its timeout; the time
 * asleep does not count.
 */
static void mdr_sleep_lost(struct mdr_group *group)
{
	struct mdr_function *function;

	if (mdr_group_is_recovering(group) && !mdr_group_pending(group)) {
		group->error_at = ktime_get_ns();
		group->attempt.host_is_done = false;
		mdr_group_host_at_work(group);
		return;
	}
	function = list_first_entry_or_null(&group->functions,
					    struct mdr_function, group_item);
	if (function && mdr_group_recover_lost(function))
		dev_notice(&group->dev,
			   "the system has slept: restoring all functions (event %llu)\n",
			   group->event);
}

/* Everything is awake, but for tasks and workers. */
static void mdr_sleep_complete(struct device *dev)
{
	struct mdr_group *group = to_mdr_group(dev);

	guard(mutex)(&group->lock);
	if (!group->sleeping)
		return;
	/* nobody has waited since the gate closed */
	mdr_gate_restart(&group->gate);
	if (mdr_group_has_failed(group))
		mdr_sleep_lost(group);
	mdr_sleep_end(group);
}

const struct dev_pm_ops mdr_sleep_pm_ops = {
	.prepare	= mdr_sleep_prepare,
	LATE_SYSTEM_SLEEP_PM_OPS(mdr_sleep_late, NULL)
	.complete	= mdr_sleep_complete,
};
