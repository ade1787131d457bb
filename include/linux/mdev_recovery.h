/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parent driver API of mdev_recovery: a PCI driver offers its function as a
 * mediated device whose user survives the host's error recovery.
 *
 * A parent driver
 *
 * - sets &pci_driver.driver_managed_dma, since the user of the mdev owns the
 *   DMA of the function's IOMMU group;
 * - sets &pci_driver.err_handler to &mdr_pci_error_handlers;
 * - leaves the driver data of the function (dev_set_drvdata()) to the shim, which
 *   keeps the vfio_pci_core_device of the mdev in it;
 * - calls mdr_register_function() as the last step of its probe and
 *   mdr_unregister_function() as the first step of its remove.
 */
#ifndef _LINUX_MDEV_RECOVERY_H
#define _LINUX_MDEV_RECOVERY_H

#include <linux/build_bug.h>
#include <linux/types.h>

struct pci_dev;
struct pci_error_handlers;
struct vfio_device;
struct vfio_device_ops;

/**
 * struct mdr_parent_ops - what a parent driver knows about its device
 * @prepare: an error was detected: the gate is closed and drained, the link may
 *	be frozen. For quiescing what the driver itself does with the function.
 * @reset: reset the function, in place of the PCI core's function reset. Called
 *	when the shim resets by itself: after an abandoned recovery, where the
 *	host made no reset that was voted for, and for an administrator; not for
 *	a user's reset. Need not restore anything, since a restore follows.
 *	Returns 0 or -errno.
 * @restore: the function was reset and its config space is restored, with bus
 *	mastering off: restore what the device needs besides. Called once after
 *	each reset. Returns 0 or -errno. After -EINVAL, -EIO, -ENXIO or -ENOMEM
 *	a recovery resets the function once and begins anew, and a reset of the
 *	user fails; after other errors it is called again until the time is over.
 * @healthy: does the device work? Asked after @restore, once it answers config
 *	cycles with its own IDs, and asked again and again while it says no: every
 *	10 to 200 ms, until the time is over. So look, and do not wait. Bus
 *	mastering is off until it says yes.
 * @device_ops: operations of a vfio driver of the parent's own, in place of
 *	those of vfio-pci-core; or NULL. See "Operations of a parent driver".
 * @device_size: size of that driver's structure, MDR_DEVICE_SIZE(); 0 without
 * @region_size: size of a region that vfio-pci-core does not know, or that is not
 *	as large as the BAR; 0 for all others. Only looks at memory: it is called
 *	for a device that does not answer. With @device_ops only.
 *
 * All are optional. The first four are called with the device lock of the
 * function held, may sleep, and must be bounded in time: the host's recovery may
 * be waiting for them. None may wait for user space, or take a lock under which
 * vfio-pci-core or mdev core functions are called. Besides the device lock these
 * may be held:
 *
 * - in a recovery by the host (@prepare; @restore, @healthy): pci_bus_sem for
 *   reading;
 * - in a reset from outside (@restore, @healthy): what the PCI core holds then,
 *   which is pci_cfg_access_lock() of the function, and device locks of what is
 *   reset with it; memory_lock of vfio-pci-core, if the user of the function
 *   resets it through config space;
 * - at open (@restore, @healthy): dev_set->lock of vfio core, and its group_lock;
 * - where the shim restores the config space (@restore, @healthy): a lock of the
 *   shim's, under which it also calls @device_ops->close_device();
 * - otherwise, none.
 *
 * @restore and @healthy are called after every reset, before anybody gets access.
 * The gate is closed then, or the device is not open yet:
 *
 * - in a recovery: by the host's slot_reset, and then by the shim's worker, until
 *   recovery_timeout_ms after the error;
 * - after a reset from outside: at its end. If they do not succeed at once, a
 *   recovery follows;
 * - after VFIO_DEVICE_RESET and a hot reset, for every function of the shim's that
 *   was reset: until recovery_timeout_ms. If they do not succeed, the ioctl fails,
 *   and the group is failed;
 * - at open, after @device_ops->open_device() with the reset in it: until
 *   recovery_timeout_ms. If they do not succeed, the open fails. Nothing is called
 *   after the reset at close; the next open does it.
 *
 * A change of the power state that resets a device without No_Soft_Reset is not
 * seen: vfio-pci-core restores its config space, and no more.
 *
 * The driver data of the function (dev_get_drvdata()) is the &struct
 * vfio_pci_core_device of its mdev. Under the device lock it does not change; it is
 * NULL without an mdev.
 */
struct mdr_parent_ops {
	void (*prepare)(struct pci_dev *pdev);
	int (*reset)(struct pci_dev *pdev);
	int (*restore)(struct pci_dev *pdev);
	bool (*healthy)(struct pci_dev *pdev);

	const struct vfio_device_ops *device_ops;
	size_t device_size;
	u64 (*region_size)(struct vfio_device *vdev, unsigned int index);
};

/**
 * DOC: Operations of a parent driver
 *
 * A parent driver with a vfio driver of its own passes its operations in
 * &mdr_parent_ops.device_ops. Its structure begins with a struct
 * vfio_pci_core_device; the shim allocates it, with its own data behind it, and
 * calls the operations as vfio core would, but in the gate:
 *
 * - read and write, in the pieces that a user asks for;
 * - ioctl: RESET and PCI_HOT_RESET with the gate closed, everything else inside
 *   it, IOEVENTFD never;
 * - get_region_info_caps, device_feature; migration and logging operations that
 *   init has put into the vfio_device;
 * - attach_ioas and detach_ioas, which wait for a recovery by the host only;
 * - the faults of a mapping. What mmap sets up must be shared (VM_SHARED), of page
 *   frames (VM_PFNMAP), filled by fault or huge_fault with vmf_insert_pfn*() and by
 *   nothing else. The table in vma->vm_ops is not the driver's own any more once
 *   mmap has returned.
 *
 * They return what they return, or -EIO if the gate was closed for
 * stall_timeout_ms; read, write and faults then do what dead_access says.
 *
 * Inside the gate no operation may reset the function, wait for a recovery or for a
 * hook, or take longer than a small access does: the host waits for it, up to 1 s.
 *
 * These pass as they are, so they must not reach the device: init and release,
 * mmap itself, request, match, match_token_uuid, bind_iommufd and unbind_iommufd,
 * dma_unmap. open_device and close_device have the device for
 * themselves; open_device calls vfio_pci_core_enable(), and close_device
 * vfio_pci_core_close_device(). close_device of a function that does not answer is
 * called with its device lock, so that nothing is reset. Operations that are not
 * named here are not called.
 */

/* For &mdr_parent_ops.device_size: the structure, and its vfio_pci_core_device. */
#define MDR_DEVICE_SIZE(type_, core_)					\
	(sizeof(type_) + BUILD_BUG_ON_ZERO(offsetof(type_, core_)))

/**
 * struct mdr_parent_entry - presence of a parent driver in a gate
 * @opaque: for the shim
 */
struct mdr_parent_entry {
	unsigned long opaque[8];
};

int mdr_parent_enter(struct vfio_device *vdev, struct mdr_parent_entry *entry);
void mdr_parent_exit(struct mdr_parent_entry *entry);

int mdr_register_function(struct pci_dev *pdev,
			  const struct mdr_parent_ops *ops);
void mdr_unregister_function(struct pci_dev *pdev);

extern const struct pci_error_handlers mdr_pci_error_handlers;

#endif
