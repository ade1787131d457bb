// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices: an mdev in front of a vfio-pci-core device that sits on the function
 * itself, and so in the function's real IOMMU group.
 */
#include <linux/gfp.h>
#include <linux/kernfs.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "device.h"
#include "function.h"
#include "group.h"

/* How long the last task that had the file of a device may take to return from close(). */
#define MDR_RELEASE_MS 1000

/*
 * Match by UUID or by PCI address. A VF token may follow either one; that is
 * left to the parent's operation.
 */
static int mdr_device_match(struct vfio_device *vdev, char *buf)
{
	struct mdr_device *device = to_mdr_device(vdev);
	char *name;
	int ret;

	if (strncasecmp(buf, device->uuid, UUID_STRING_LEN))
		return device->parent->match(vdev, buf);

	buf += UUID_STRING_LEN;
	if (*buf && *buf != ' ')
		return 0;
	name = kasprintf(GFP_KERNEL, "%s%s", pci_name(device->core->pdev), buf);
	if (!name)
		return -ENOMEM;
	ret = device->parent->match(vdev, name);
	kfree(name);
	return ret;
}

static int mdr_plain_open(struct vfio_device *vdev)
{
	struct vfio_pci_core_device *core =
		container_of(vdev, struct vfio_pci_core_device, vdev);
	int ret;

	ret = vfio_pci_core_enable(core);
	if (!ret)
		vfio_pci_core_finish_enable(core);
	return ret;
}

/* Inside the gate, for a parent driver without a vfio driver of its own. */
static const struct vfio_device_ops mdr_plain_ops = {
	.init		= vfio_pci_core_init_dev,
	.release	= vfio_pci_core_release_dev,
	.open_device	= mdr_plain_open,
	.close_device	= vfio_pci_core_close_device,
	.read		= vfio_pci_core_read,
	.write		= vfio_pci_core_write,
	.ioctl		= vfio_pci_core_ioctl,
	.device_feature	= vfio_pci_core_ioctl_feature,
	.request	= vfio_pci_core_request,
	.match		= vfio_pci_core_match,
	VFIO_OPS_REGION_INFO(vfio_pci_ioctl_get_region_info)
	.unbind_iommufd	= vfio_iommufd_physical_unbind,
	.attach_ioas	= vfio_iommufd_physical_attach_ioas,
	.detach_ioas	= vfio_iommufd_physical_detach_ioas,
};

/*
 * Operations that need no gate: they are called while the device is closed, or do not
 * reach it (see struct mdr_parent_ops). An unknown operation might, so it is left out.
 */
static void mdr_device_copy_ops(struct mdr_device *device)
{
	const struct vfio_device_ops *parent = device->parent;
	struct vfio_device_ops *ops = &device->ops;

	ops->name = parent->name;
	ops->bind_iommufd = parent->bind_iommufd;
	ops->dma_unmap = parent->dma_unmap;
	if (!parent->unbind_iommufd)
		ops->unbind_iommufd = NULL;
	if (!parent->attach_ioas)
		ops->attach_ioas = NULL;
	if (!parent->detach_ioas)
		ops->detach_ioas = NULL;
	vfio_ops_copy_match_token(ops, parent);
}

/* Our part lies behind that of the parent driver. */
static size_t mdr_device_offset(const struct mdr_parent_ops *ops)
{
	if (!ops->device_ops)
		return offsetof(struct mdr_plain_device, device);
	return ALIGN(ops->device_size, __alignof__(struct mdr_device));
}

static int mdr_device_init_parent(struct mdr_device *device)
{
	struct vfio_device *vdev = &device->core->vdev;
	int ret;

	ret = device->parent->init(vdev);
	if (ret)
		return ret;
	ret = mdr_vendor_init(device);
	if (ret)
		device->parent->release(vdev);
	return ret;
}

static int mdr_device_init(struct vfio_device *vdev)
{
	struct mdr_function *function = mdr_function_find(to_pci_dev(vdev->dev));
	const struct mdr_parent_ops *ops = function->ops;
	struct mdr_device *device = (void *)vdev + mdr_device_offset(ops);
	int ret;

	device->core = container_of(vdev, struct vfio_pci_core_device, vdev);
	device->function = function;
	mdr_device_set_gate(device, &function->group->gate);
	device->parent = ops->device_ops ?: &mdr_plain_ops;
	device->ops = *vdev->ops;
	if (ops->device_ops)
		mdr_device_copy_ops(device);
	vdev->ops = &device->ops;
	mutex_init(&device->registers_lock);
	mutex_init(&device->core_lock);
	mutex_init(&device->look);
	mutex_init(&device->mappings_lock);
	init_waitqueue_head(&device->released);
	spin_lock_init(&device->users.lock);
	mdr_tunables_init(&device->tunables);

	device->ones = alloc_page(GFP_KERNEL_ACCOUNT);
	if (!device->ones)
		return -ENOMEM;
	memset(page_address(device->ones), 0xff, PAGE_SIZE);

	ret = mdr_device_init_parent(device);
	if (ret) {
		__free_page(device->ones);
		return ret;
	}

	mdr_device_limit_entries(device);
	/*
	 * Stay in D0: an idle function takes part in the recovery of its
	 * neighbours, and cannot be woken over a link that is down.
	 */
	vfio_pci_core_stay_in_d0(device->core);
	return 0;
}

static void mdr_device_release(struct vfio_device *vdev)
{
	struct mdr_device *device = to_mdr_device(vdev);

	vfio_pci_core_stay_in_d0_end(device->core);
	device->parent->release(vdev);
	mdr_mapping_free(device);
	mutex_destroy(&device->mappings_lock);
	mutex_destroy(&device->look);
	mutex_destroy(&device->core_lock);
	mutex_destroy(&device->registers_lock);
	kfree(device->saved);
	__free_page(device->ones);
}

static const struct vfio_device_ops mdr_device_ops = {
	.name		= "mdev-recovery",
	.init		= mdr_device_init,
	.release	= mdr_device_release,
	.open_device	= mdr_device_open,
	.close_device	= mdr_device_close,
	.read		= mdr_device_read,
	.write		= mdr_device_write,
	.ioctl		= mdr_device_ioctl,
	.device_feature	= mdr_device_feature,
	.mmap		= mdr_device_mmap,
	.request	= mdr_device_request,
	.match		= mdr_device_match,
	VFIO_OPS_REGION_INFO(mdr_device_region_info)
	VFIO_OPS_MATCH_TOKEN(vfio_pci_core_match_token_uuid)
	.bind_iommufd	= vfio_iommufd_physical_bind,
	.unbind_iommufd	= mdr_device_unbind_iommufd,
	.attach_ioas	= mdr_device_attach_ioas,
	.detach_ioas	= mdr_device_detach_ioas,
};

/* For a parent driver with a vfio driver of its own; see mdr_device_copy_ops(). */
static const struct vfio_device_ops mdr_vendor_ops = {
	.init		= mdr_device_init,
	.release	= mdr_device_release,
	.open_device	= mdr_device_open,
	.close_device	= mdr_device_close,
	.read		= mdr_vendor_read,
	.write		= mdr_vendor_write,
	.ioctl		= mdr_device_ioctl,
	.device_feature	= mdr_device_feature,
	.mmap		= mdr_vendor_mmap,
	.request	= mdr_device_request,
	.match		= mdr_device_match,
	VFIO_OPS_REGION_INFO(mdr_device_region_info)
	.unbind_iommufd	= mdr_device_unbind_iommufd,
	.attach_ioas	= mdr_device_attach_ioas,
	.detach_ioas	= mdr_device_detach_ioas,
};

/* QEMU and libvirt look for the first two links in the mdev's directory. */
static int mdr_device_link(struct mdr_device *device, struct device *mdev)
{
	struct device *dev = &device->function->pdev->dev;
	struct kernfs_node *link;
	int ret;

	/* the kobject of an iommu_group is private; reach it by its link */
	link = sysfs_get_dirent(dev->kobj.sd, "iommu_group");
	if (!link)
		return -ENOENT;
	ret = sysfs_create_link(&mdev->kobj, link->symlink.target_kn->priv,
				"iommu_group");
	sysfs_put(link);
	if (ret)
		return ret;

	ret = sysfs_create_link(&mdev->kobj,
				device->core->vdev.device.kobj.parent,
				"vfio-dev");
	if (ret)
		goto err_remove_group;

	ret = mdr_group_link(device->function->group, mdev);
	if (ret)
		goto err_remove_device;
	return 0;

err_remove_device:
	sysfs_remove_link(&mdev->kobj, "vfio-dev");
err_remove_group:
	sysfs_remove_link(&mdev->kobj, "iommu_group");
	return ret;
}

static void mdr_device_unlink(struct mdr_device *device, struct device *mdev)
{
	mdr_group_unlink(device->function->group, mdev);
	sysfs_remove_link(&mdev->kobj, "vfio-dev");
	sysfs_remove_link(&mdev->kobj, "iommu_group");
}

static void mdr_device_attach(struct mdr_function *function,
			      struct mdr_device *device)
{
	device_lock_assert(&function->pdev->dev);
	guard(mutex)(&function->group->lock);
	WRITE_ONCE(function->device, device);
}

/* Then wait for those that have found it there; see mdr_device_unregister(). */
static void mdr_device_detach(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;

	mdr_device_attach(device->function, NULL);
	wait_event(device->released, !READ_ONCE(device->pins));
	/* the last one wakes this task under the lock */
	mutex_lock(&group->lock);
	mutex_unlock(&group->lock);
}

static struct mdr_device *mdr_device_alloc(struct mdr_function *function)
{
	const struct mdr_parent_ops *ops = function->ops;
	struct vfio_device *vdev;

	vdev = _vfio_alloc_device(mdr_device_offset(ops) +
				  sizeof(struct mdr_device),
				  &function->pdev->dev,
				  ops->device_ops ? &mdr_vendor_ops :
						    &mdr_device_ops);
	return IS_ERR(vdev) ? ERR_CAST(vdev) : to_mdr_device(vdev);
}

/*
 * A file of /dev/vfio/devices drops its reference on the device after vfio core has told us
 * that it is closed. That must not be the last one: our code for the release, or the parent
 * driver's, may be unloaded with the function.
 */
static void mdr_device_wait_unreferenced(struct mdr_device *device)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(MDR_RELEASE_MS);
	struct kref *references = &device->core->vdev.device.kobj.kref;

	while (kref_read(references) > 1) {
		if (time_after(jiffies, deadline)) {
			pci_warn(device->core->pdev,
				 "mdev %s: its file is closed, but a task still has it\n",
				 device->uuid);
			break;
		}
		usleep_range(500, 1000);
	}
}

static int mdr_device_register(struct mdr_function *function,
			       struct mdev_device *mdev)
{
	struct pci_dev *pdev = function->pdev;
	struct mdr_device *device;
	int ret;

	device = mdr_device_alloc(function);
	if (IS_ERR(device))
		return PTR_ERR(device);
	device->policy = mdev->type - function->types + MDR_POLICY_RESUME;
	strscpy(device->uuid, dev_name(&mdev->dev), sizeof(device->uuid));

	dev_set_drvdata(&pdev->dev, device->core);
	mdr_device_attach(function, device);
	ret = vfio_pci_core_register_device(device->core);
	if (ret)
		goto err_detach;

	dev_set_drvdata(&mdev->dev, device);
	return 0;

err_detach:
	mdr_device_detach(device);
	dev_set_drvdata(&pdev->dev, NULL);
	vfio_put_device(&device->core->vdev);
	return ret;
}

static int mdr_device_create(struct mdr_function *function,
			     struct mdev_device *mdev)
{
	struct pci_dev *pdev = function->pdev;
	int ret;

	if (function->device)
		return -EUSERS;
	/* vfio-pci-core reads once, and now, what the function can do in low power */
	if (!mdr_function_answers(pdev)) {
		dev_warn_ratelimited(&pdev->dev,
				     "cannot create mdev %s: the function does not answer\n",
				     dev_name(&mdev->dev));
		return -EAGAIN;
	}
	ret = mdr_device_register(function, mdev);
	if (ret)
		pci_err(pdev, "cannot create mdev %s: %d\n",
			dev_name(&mdev->dev), ret);
	return ret;
}

/*
 * Free a device under the function's device lock. The users have left and cannot come
 * back, so this waits for no task that wants that lock. A worker may be making INTx match
 * still; it finds the device closed. Another one may end a zap: those of a process end before
 * its mappings do. It must not be the one that frees the device: the
 * parent driver's code for that may be unloaded with the function.
 */
void mdr_device_unregister(struct mdr_device *device)
{
	struct mdr_function *function = device->function;

	mdr_device_detach(device);
	vfio_pci_core_unregister_device(device->core);
	mdr_device_wait_unreferenced(device);
	dev_set_drvdata(&function->pdev->dev, NULL);
	vfio_put_device(&device->core->vdev);
}

/*
 * Take a device away from its user, and free it. The lock may have taken long, and the file
 * in /dev/vfio/devices is still there: vfio core would wait below the lock for a process
 * that has opened it meanwhile.
 */
static void mdr_device_take_back(struct mdr_device *device)
{
	struct mdr_function *function = device->function;

	for (;;) {
		mdr_device_revoke(device);
		/* if this fails, mdr_unregister_function() does it under its lock */
		if (mdr_function_lock(function))
			return;
		if (!mdr_device_is_held(device))
			break;
		mdr_function_unlock(function);
	}
	mdr_device_unregister(device);
	mdr_function_unlock(function);
}

/*
 * The links of a device that was registered: vfio core makes the target of one. So somebody
 * may have the device open if they cannot be made, and a create that fails here is a removal:
 * it waits for the user without the device lock, for which the host would wait.
 */
static int mdr_device_publish(struct mdr_device *device, struct device *mdev)
{
	int ret = mdr_device_link(device, mdev);

	if (!ret)
		return 0;
	pci_err(device->core->pdev, "cannot create mdev %s: %d\n", device->uuid,
		ret);
	mdr_device_take_back(device);
	return ret;
}

static int mdr_mdev_probe(struct mdev_device *mdev)
{
	struct mdr_function *function = container_of(mdev->type->parent,
						     struct mdr_function,
						     parent);
	int ret;

	if (READ_ONCE(function->device))
		return -EUSERS;
	ret = mdr_function_lock(function);
	if (ret)
		return ret;
	ret = mdr_device_create(function, mdev);
	mdr_function_unlock(function);
	if (!ret)
		ret = mdr_device_publish(dev_get_drvdata(&mdev->dev), &mdev->dev);
	if (ret)
		return ret;

	mdr_blockers_warn(function);
	return 0;
}

static void mdr_mdev_remove(struct mdev_device *mdev)
{
	struct mdr_device *device = dev_get_drvdata(&mdev->dev);

	mdr_device_revoke(device);
	mdr_device_unlink(device, &mdev->dev);
	mdr_device_take_back(device);
}

/*
 * One mdev for a function. mdev core can count by itself, but if it has no memory for an mdev,
 * it forgets to give the number back, and the function never has one again.
 */
static unsigned int mdr_mdev_get_available(struct mdev_type *type)
{
	struct mdr_function *function = container_of(type->parent,
						     struct mdr_function,
						     parent);

	return READ_ONCE(function->device) ? 0 : 1;
}

static ssize_t mdr_mdev_show_description(struct mdev_type *type, char *buf)
{
	struct mdr_function *function = container_of(type->parent,
						     struct mdr_function,
						     parent);
	static const char * const descriptions[] = {
		"After an error of the device the host recovers it; access waits meanwhile and then goes on.",
		"After an error of the device the host recovers it; it stays closed until its user resets it.",
		"After an error of the device the host recovers it and asks its user to give it back.",
	};

	BUILD_BUG_ON(ARRAY_SIZE(descriptions) != ARRAY_SIZE(function->types));
	return sysfs_emit(buf, "%s\n", descriptions[type - function->types]);
}

struct mdev_driver mdr_mdev_driver = {
	.device_api		= VFIO_DEVICE_API_PCI_STRING,
	.probe			= mdr_mdev_probe,
	.remove			= mdr_mdev_remove,
	.get_available		= mdr_mdev_get_available,
	.show_description	= mdr_mdev_show_description,
	.driver = {
		.name		= "mdev_recovery",
		.owner		= THIS_MODULE,
		.mod_name	= KBUILD_MODNAME,
		.dev_groups	= mdr_device_groups,
	},
};
