// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions: what a parent driver registers. From then on a function takes part
 * in the recoveries of its group, with or without an mdev.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "device.h"
#include "function.h"
#include "group.h"

static const struct mdr_parent_ops mdr_no_ops;

static int mdr_function_check(struct pci_dev *pdev)
{
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL) {
		pci_err(pdev, "is a bridge: only an endpoint function can be assigned\n");
		return -EINVAL;
	}
	if (!device_iommu_mapped(&pdev->dev)) {
		pci_err(pdev, "is in no IOMMU group: enable the IOMMU (for example intel_iommu=on)\n");
		return -ENODEV;
	}
	if (!to_pci_driver(pdev->dev.driver)->driver_managed_dma) {
		pci_err(pdev, "parent driver %s does not set driver_managed_dma\n",
			pdev->dev.driver->name);
		return -EINVAL;
	}
	/* not -EPROBE_DEFER: it may have another driver_override by then */
	guard(mutex)(&mdr_registry_lock);
	if (mdr_walk_goes_on_above(pdev)) {
		pci_err(pdev, "the host is recovering a port above: bind the function again when that is over\n");
		return -EAGAIN;
	}
	return 0;
}

/* Operations of the parent driver's own: those that we call without asking. */
static bool mdr_parent_ops_complete(const struct mdr_parent_ops *parent)
{
	const struct vfio_device_ops *ops = parent->device_ops;

	if (!ops)
		return !parent->device_size;
	return parent->device_size >= sizeof(struct vfio_pci_core_device) &&
	       ops->init && ops->release && ops->open_device &&
	       ops->close_device && ops->read && ops->write && ops->ioctl &&
	       ops->device_feature && ops->request && ops->match;
}

static void mdr_function_init_types(struct mdr_function *function)
{
	static const char * const names[] = {
		"resume", "hold", "evict",
	};
	static const char * const pretty_names[] = {
		"PCI function, access resumes after recovery",
		"PCI function, held after recovery until its user resets it",
		"PCI function, user evicted after recovery",
	};
	int i;

	BUILD_BUG_ON(ARRAY_SIZE(names) != ARRAY_SIZE(function->types));
	for (i = 0; i < ARRAY_SIZE(function->types); i++) {
		function->types[i].sysfs_name = names[i];
		function->types[i].pretty_name = pretty_names[i];
		function->type_pointers[i] = &function->types[i];
	}
}

/*
 * Can SERR be set? Endpoints of PCI Express have the bit, but not VFs, also where a VM has
 * one that it cannot tell from another function.
 */
static bool mdr_function_keeps_serr(struct pci_dev *pdev)
{
	u16 command, tried;

	if (pci_read_config_word(pdev, PCI_COMMAND, &command))
		return false;
	pci_write_config_word(pdev, PCI_COMMAND, command | PCI_COMMAND_SERR);
	pci_read_config_word(pdev, PCI_COMMAND, &tried);
	pci_write_config_word(pdev, PCI_COMMAND, command);
	return !PCI_POSSIBLE_ERROR(tried) && (tried & PCI_COMMAND_SERR);
}

static int mdr_function_save_pristine(struct mdr_function *function)
{
	struct pci_dev *pdev = function->pdev;

	pci_set_power_state(pdev, PCI_D0);
	if (!mdr_function_answers(pdev)) {
		pci_err(pdev, "does not answer: if it lost power, remove and rescan it\n");
		return -ENODEV;
	}
	/* reset before we were bound, or written to; the kernel has a copy */
	if (mdr_function_is_misplaced(pdev))
		pci_restore_state(pdev);
	if (mdr_function_is_misplaced(pdev)) {
		pci_err(pdev, "config space is lost, and so is the kernel's copy: remove and rescan it\n");
		return -EIO;
	}
	mdr_pci_unfreeze(pdev);
	function->keeps_serr = mdr_function_keeps_serr(pdev);
	pci_save_state(pdev);
	function->pristine = pci_store_saved_state(pdev);
	return function->pristine ? 0 : -ENOMEM;
}

/* Join group and domain. Callbacks find the function from here on. */
static int mdr_function_join(struct mdr_function *function)
{
	struct pci_dev *pdev = function->pdev;
	int ret;

	/* a walk may have begun since mdr_function_check(), and have passed this function */
	if (mdr_walk_goes_on_above(pdev))
		return -EAGAIN;

	function->group = mdr_group_get(pdev);
	if (IS_ERR(function->group))
		return PTR_ERR(function->group);

	function->domain = mdr_domain_get(pdev);
	if (IS_ERR(function->domain)) {
		ret = PTR_ERR(function->domain);
		goto err_put_group;
	}

	ret = xa_err(xa_store(&mdr_functions, (unsigned long)pdev, function,
			      GFP_KERNEL));
	if (ret)
		goto err_put_domain;

	ret = mdr_group_link(function->group, &pdev->dev);
	if (ret)
		goto err_erase;

	mdr_group_add(function->group, function);
	return 0;

err_erase:
	xa_erase(&mdr_functions, (unsigned long)pdev);
err_put_domain:
	mdr_domain_put(function->domain);
err_put_group:
	mdr_group_put(function->group);
	return ret;
}

static int mdr_function_publish(struct mdr_function *function)
{
	guard(mutex)(&mdr_registry_lock);
	return mdr_function_join(function);
}

static void mdr_function_unpublish(struct mdr_function *function)
{
	guard(mutex)(&mdr_registry_lock);

	mdr_group_remove(function->group, function);
	mdr_group_unlink(function->group, &function->pdev->dev);
	xa_erase(&mdr_functions, (unsigned long)function->pdev);
	mdr_domain_forget(function);
	mdr_domain_put(function->domain);
	mdr_group_put(function->group);
	if (xa_empty(&mdr_functions))
		mdr_zap_patience_reset();
}

/**
 * mdr_register_function - offer a PCI function as an mdev parent
 * @pdev: the function
 * @ops: what the parent driver adds, constant; may be NULL
 *
 * From here on the function takes part in the recovery of its IOMMU group. Call
 * this last in the parent driver's probe: user space can use the function
 * before this returns.
 *
 * Context: probe of a PCI driver; may sleep.
 * Return: 0; -EINVAL for a bridge, for a parent driver without
 * driver_managed_dma, or for incomplete @ops; -ENODEV if the function is in no
 * IOMMU group or does not answer; -EIO if its config space is lost; -EAGAIN while the
 * host recovers a port above; -ENOMEM; or an error of mdev_register_parent().
 */
int mdr_register_function(struct pci_dev *pdev,
			  const struct mdr_parent_ops *ops)
{
	struct mdr_function *function;
	int ret;

	device_lock_assert(&pdev->dev);

	if (ops && WARN_ON(!mdr_parent_ops_complete(ops)))
		return -EINVAL;
	ret = mdr_function_check(pdev);
	if (ret)
		return ret;

	function = kzalloc(sizeof(*function), GFP_KERNEL);
	if (!function)
		return -ENOMEM;
	function->pdev = pdev;
	function->ops = ops ?: &mdr_no_ops;
	/* the PCI core has it in D0 when the system goes to sleep, see sleep.c */
	dev_pm_set_driver_flags(&pdev->dev, pdev->dev.power.driver_flags |
					    DPM_FLAG_NO_DIRECT_COMPLETE);
	INIT_LIST_HEAD(&function->walk.item);
	mdr_function_init_types(function);

	ret = mdr_function_save_pristine(function);
	if (ret)
		goto err_free;

	ret = mdr_bridges_keep(pdev);
	if (ret)
		goto err_free_pristine;

	ret = mdr_function_publish(function);
	if (ret)
		goto err_drop_bridges;

	ret = mdev_register_parent(&function->parent, &pdev->dev,
				   &mdr_mdev_driver, function->type_pointers,
				   ARRAY_SIZE(function->type_pointers));
	if (ret)
		goto err_unpublish;
	return 0;

err_unpublish:
	mdr_function_unpublish(function);
err_drop_bridges:
	mdr_bridges_drop(pdev);
err_free_pristine:
	kfree(function->pristine);
err_free:
	kfree_rcu(function, rcu);
	pci_err(pdev, "cannot register as an mdev parent: %d\n", ret);
	return ret;
}
EXPORT_SYMBOL_GPL(mdr_register_function);

/**
 * mdr_unregister_function - take a PCI function back
 * @pdev: the function
 *
 * Waits until the user of its mdev, if any, has closed the device.
 *
 * Context: remove of a PCI driver; may sleep.
 */
void mdr_unregister_function(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);

	device_lock_assert(&pdev->dev);

	WRITE_ONCE(function->removing, true);
	mdr_group_leave(function->group, function);
	mdr_closes_hurry_begin();
	mdev_unregister_parent(&function->parent);
	/* mdr_mdev_remove() could not get the device lock that we hold */
	if (function->device)
		mdr_device_unregister(function->device);
	mdr_closes_hurry_end();
	mdr_function_unpublish(function);
	mdr_bridges_drop(pdev);
	kfree(function->pristine);
	kfree_rcu(function, rcu);
}
EXPORT_SYMBOL_GPL(mdr_unregister_function);
