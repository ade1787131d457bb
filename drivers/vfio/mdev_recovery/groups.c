// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which groups exist, and which functions are in them: one group per IOMMU
 * group with functions of ours. Only this file knows the work functions.
 */
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "function.h"
#include "group.h"

static LIST_HEAD(mdr_groups);

static void mdr_group_release(struct device *dev)
{
	struct mdr_group *group = to_mdr_group(dev);

	iommu_group_put(group->iommu_group);
	mdr_gate_destroy(&group->gate);
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
	mutex_init(&group->lock);
	mdr_machine_init(&group->machine);
	init_waitqueue_head(&group->state_changed);
	INIT_LIST_HEAD(&group->functions);
	INIT_DELAYED_WORK(&group->timer, mdr_group_timer);
	INIT_WORK(&group->finish, mdr_group_finish);
	INIT_WORK(&group->open, mdr_group_open_work);
	INIT_WORK(&group->zap.work, mdr_group_zap_work);
	group->zap.closing = 1;

	device_initialize(&group->dev);
	group->dev.class = &mdr_class;
	group->dev.release = mdr_group_release;
	ret = mdr_gate_init(&group->gate);
	if (ret)
		goto err_put;
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

/*
 * Find or create the group of a function; mdr_group_put() releases it. -ENODEV
 * if the function is in no IOMMU group.
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

void mdr_group_put(struct mdr_group *group)
{
	lockdep_assert_held(&mdr_registry_lock);

	if (--group->registered)
		return;

	list_del(&group->item);
	scoped_guard(mutex, &group->lock) {
		group->dying = true;
		mdr_attempt_stop(group);
		mdr_group_stop_opening(group);
	}
	wake_up_all(&group->state_changed);
	cancel_delayed_work_sync(&group->timer);
	cancel_work_sync(&group->finish);
	cancel_work_sync(&group->open);
	cancel_work_sync(&group->zap.work);
	device_del(&group->dev);
	sysfs_put(group->state_node);
	group->state_node = NULL;
	put_device(&group->dev);
}

void mdr_group_add(struct mdr_group *group, struct mdr_function *function)
{
	guard(mutex)(&group->lock);
	list_add_tail(&function->group_item, &group->functions);
}

/* A function has left, or is gone: the others go on, if they have waited only for it. */
static void mdr_group_go_on(struct mdr_group *group)
{
	if (list_empty(&group->functions) || mdr_group_pending(group))
		return;
	if (group->machine.state == MDR_STATE_RECOVERING ||
	    (group->machine.state == MDR_STATE_FAILED &&
	     !mdr_group_has_failed(group)))
		queue_work(mdr_workqueue, &group->finish);
	else if (group->machine.state == MDR_STATE_HOLDING &&
		 mdr_group_acknowledged(group, MDR_POLICY_HOLD))
		mdr_group_step(group, MDR_EVENT_ACKNOWLEDGED, NULL);
}

/* A function is being unbound, which may take as long as its user likes. */
void mdr_group_leave(struct mdr_group *group, struct mdr_function *function)
{
	guard(mutex)(&group->lock);
	if (mdr_function_is_gone(function))
		mdr_group_go_on(group);
}

void mdr_group_remove(struct mdr_group *group, struct mdr_function *function)
{
	guard(mutex)(&group->lock);
	list_del(&function->group_item);
	mdr_group_go_on(group);
}

/* Show a function or an mdev in the directory of its group. */
int mdr_group_link(struct mdr_group *group, struct device *dev)
{
	return sysfs_create_link(&group->dev.kobj, &dev->kobj, dev_name(dev));
}

void mdr_group_unlink(struct mdr_group *group, struct device *dev)
{
	sysfs_remove_link(&group->dev.kobj, dev_name(dev));
}
