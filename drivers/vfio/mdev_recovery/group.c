// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups: one per IOMMU group with functions of ours. Who is in a group, and what
 * its members add up to; step.c changes its state.
 */
#include <linux/iommu.h>
#include <linux/slab.h>

#include "mdr.h"

static LIST_HEAD(mdr_groups);

static void mdr_group_release(struct device *dev)
{
	struct mdr_group *group = to_mdr_group(dev);

	iommu_group_put(group->iommu_group);
	mutex_destroy(&group->lock);
	kfree_rcu(group, rcu);
}

static struct mdr_group *mdr_group_create(struct iommu_group *iommu_group)
{
	struct mdr_group *group;
	int ret;

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group) {
		iommu_group_put(iommu_group);
		return ERR_PTR(-ENOMEM);
	}

	group->iommu_group = iommu_group;
	mdr_gate_init(&group->gate);
	mutex_init(&group->lock);
	mdr_machine_init(&group->machine);
	init_waitqueue_head(&group->state_changed);
	INIT_LIST_HEAD(&group->functions);
	INIT_DELAYED_WORK(&group->timer, mdr_group_timer);
	INIT_WORK(&group->finish, mdr_group_finish);
	INIT_WORK(&group->fallback, mdr_group_fallback);

	device_initialize(&group->dev);
	group->dev.class = &mdr_class;
	group->dev.release = mdr_group_release;
	ret = dev_set_name(&group->dev, "group%d", iommu_group_id(iommu_group));
	if (ret)
		goto err_put;
	ret = device_add(&group->dev);
	if (ret)
		goto err_put;

	group->state_node = sysfs_get_dirent(group->dev.kobj.sd, "state");
	list_add_tail(&group->item, &mdr_groups);
	return group;

err_put:
	put_device(&group->dev);
	return ERR_PTR(ret);
}

/**
 * mdr_group_get - find or make the group of a function
 * @pdev: the function
 *
 * Context: process context, mdr_registry_lock held, may sleep.
 * Return: the group, to be released with mdr_group_put(), or an ERR_PTR():
 * -ENODEV if the function is in no IOMMU group, -ENOMEM, or what
 * device_add() says.
 */
struct mdr_group *mdr_group_get(struct pci_dev *pdev)
{
	struct iommu_group *iommu_group;
	struct mdr_group *group;

	lockdep_assert_held(&mdr_registry_lock);

	iommu_group = iommu_group_get(&pdev->dev);
	if (!iommu_group)
		return ERR_PTR(-ENODEV);

	list_for_each_entry(group, &mdr_groups, item) {
		if (group->iommu_group == iommu_group) {
			iommu_group_put(iommu_group);
			group->registered++;
			return group;
		}
	}

	group = mdr_group_create(iommu_group);
	if (!IS_ERR(group))
		group->registered = 1;
	return group;
}

/**
 * mdr_group_put - release a group
 * @group: from mdr_group_get()
 *
 * Context: process context, mdr_registry_lock held, may sleep.
 */
void mdr_group_put(struct mdr_group *group)
{
	lockdep_assert_held(&mdr_registry_lock);

	if (--group->registered)
		return;

	list_del(&group->item);
	scoped_guard(mutex, &group->lock)
		group->dying = true;
	cancel_delayed_work_sync(&group->timer);
	cancel_work_sync(&group->finish);
	cancel_work_sync(&group->fallback);
	device_del(&group->dev);
	sysfs_put(group->state_node);
	group->state_node = NULL;
	put_device(&group->dev);
}

/**
 * mdr_group_add - a function joins its group
 * @group: the group
 * @function: the function
 *
 * Context: process context.
 */
void mdr_group_add(struct mdr_group *group, struct mdr_function *function)
{
	guard(mutex)(&group->lock);
	list_add_tail(&function->group_item, &group->functions);
}

/**
 * mdr_group_has_failed - is a function of this group not whole?
 * @group: the group
 *
 * Context: group->lock held.
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
 * mdr_group_remove - a function leaves its group for good
 * @group: the group
 * @function: the function
 *
 * If the group waited for this function only, it goes on.
 *
 * Context: process context.
 */
void mdr_group_remove(struct mdr_group *group, struct mdr_function *function)
{
	guard(mutex)(&group->lock);
	list_del(&function->group_item);
	if (list_empty(&group->functions) || mdr_group_pending(group) ||
	    mdr_group_has_failed(group))
		return;
	if (group->machine.state == MDR_STATE_FAILED)
		mdr_group_step(group, MDR_EVENT_REMOVE, function);
	else if (group->machine.state == MDR_STATE_RECOVERING)
		queue_work(mdr_workqueue, &group->finish);
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
 * mdr_group_pending - does the host still recover a function of this group?
 * @group: the group
 *
 * Context: group->lock held.
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
 * mdr_group_policy - the strictest policy of the group's mdevs
 * @group: the group
 * @opened_only: count only those that somebody has open
 *
 * Context: group->lock held.
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
 * mdr_group_acknowledged - has every user who must, acknowledged the event?
 * @group: the group
 *
 * Context: group->lock held.
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
 * mdr_group_recovery_timeout - how long the host may take
 * @group: the group
 *
 * Context: group->lock held.
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
