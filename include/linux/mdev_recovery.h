/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parent driver API of mdev_recovery. With it a PCI driver offers its function as a
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
 * @prepare: an error was detected. The gate is closed and drained, and the link
 *	may be frozen. Stop what the driver itself does with the function.
 * @reset: reset the function, in place of the PCI core's function reset. Called
 *	when the shim resets by itself: after an abandoned recovery, when the host
 *	did not make a reset that was voted for, and for an administrator; not for
 *	a user's reset. Need not restore anything, because @restore follows.
 *	Returns 0 or -errno. After an error the shim resets the bus instead, if it
 *	may; after -EAGAIN or -EBUSY it first calls the hook again, for up to 5 s.
 * @restore: the function was reset, and its config space is restored, with bus
 *	mastering off. Restore what else the device needs. Called once after each
 *	reset. Returns 0 or -errno. After -EINVAL, -EIO, -ENXIO, -ENOMEM or -ECANCELED a
 *	recovery resets the function once and starts over, and a user's reset
 *	fails. After other errors it is called again until the timeout.
 * @healthy: does the device work? Called after @restore, once the device answers
 *	config cycles with its own IDs, and again every 10 to 200 ms while it
 *	returns false, until the timeout. So it must not wait itself. Bus mastering
 *	is off until it returns true.
 * @device_ops: the operations of the parent's own vfio driver, in place of those of
 *	vfio-pci-core; or NULL. See "Operations of a parent driver".
 * @device_size: size of that driver's structure, MDR_DEVICE_SIZE(); 0 without one
 * @region_size: size of a region that vfio-pci-core does not know, or that is
 *	smaller or larger than the BAR; 0 for all others. Must not access the
 *	device: it is called when that does not answer. Only with @device_ops.
 *
 * All are optional. The first four are called with the device lock of the function
 * held. They may sleep, but for a bounded time, because the host's recovery may be
 * waiting for them. They must not wait for user space, nor take a lock under which
 * functions of vfio-pci-core or mdev core are called. Besides the device lock these
 * may be held:
 *
 * - in a recovery by the host (@prepare; @restore, @healthy): pci_bus_sem for
 *   reading;
 * - in a reset from outside (@restore, @healthy): what the PCI core holds then, which
 *   is pci_cfg_access_lock() of the function, and the device locks of everything that
 *   is reset with it; also memory_lock of vfio-pci-core, if the user resets the
 *   function through config space;
 * - at open (@restore, @healthy): dev_set->lock of vfio core, and its group_lock;
 * - where the shim restores the config space (@restore, @healthy): a lock of the
 *   shim, under which it also calls @device_ops->close_device();
 * - otherwise none.
 *
 * @restore and @healthy are called after every reset, before any user gets access.
 * The gate is closed then, or the device is not open yet:
 *
 * - in a recovery: by the host's slot_reset, and then by the shim's worker, until
 *   recovery_timeout_ms after the error;
 * - after a reset from outside: at its end. If they do not succeed at once, a
 *   recovery follows;
 * - after a sleep of the system, whether the function has lost its power or not: by the
 *   worker, as in a recovery by the host. From the late phase of the transition on the
 *   function does no DMA. @prepare is not called;
 * - after VFIO_DEVICE_RESET and a hot reset, for every function with a parent driver
 *   that was reset: until recovery_timeout_ms. If they do not succeed, the ioctl
 *   fails, and the state becomes failed;
 * - at open, after @device_ops->open_device(), which includes a reset: until
 *   recovery_timeout_ms. If they do not succeed, the open fails. They are not called
 *   after the reset at close; the next open does that.
 *
 * They are not called after a change of the power state that resets a device without
 * No_Soft_Reset: vfio-pci-core restores its config space, and nothing else.
 *
 * A parent driver gets no callback of its own in a system sleep: vfio-pci-core replaces
 * its &device_driver.pm.
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
 * A parent driver with its own vfio driver passes its operations in
 * &mdr_parent_ops.device_ops. Its structure begins with a struct
 * vfio_pci_core_device. The shim allocates it, with its own data behind it, and calls
 * these operations as vfio core would, but inside the gate:
 *
 * - read and write, cut into pieces: a read of up to 40 bytes, or a write of 8 bytes
 *   to a BAR and of 4 bytes to other regions of vfio-pci; in the driver's own regions
 *   up to a page;
 * - ioctl: RESET and PCI_HOT_RESET with the gate closed, everything else inside the
 *   gate, IOEVENTFD never;
 * - get_region_info_caps, device_feature, and the migration and logging operations
 *   that init has put into the vfio_device, but for log_read_and_clear;
 * - attach_ioas, detach_ioas and unbind_iommufd, which wait only for a recovery by the
 *   host;
 * - the faults of a mapping. A mapping must be shared (VM_SHARED) and of page frames
 *   (VM_PFNMAP), and only fault or huge_fault may fill it, with vmf_insert_pfn*().
 *   After mmap, the shim replaces the table in vma->vm_ops.
 *   A fault may release its lock (release_fault_lock()), and says so with VM_FAULT_RETRY
 *   or VM_FAULT_COMPLETED. The shim keeps the device and its file until it has returned.
 *   One that fails while the gate closes is called again when the gate is open.
 *
 * The result is that of the operation, or -EIO if the gate was closed for
 * stall_timeout_ms; read, write and faults then do what dead_access says.
 *
 * Inside the gate an operation must not reset the function, wait for a recovery or a
 * hook, or take longer than a small access: the host waits for it, up to 1 s.
 *
 * read, write, ioctl and device_feature run with page faults off. If one of them returns
 * -EFAULT, the shim leaves the gate, faults in the user's memory, and calls it again, up
 * to 16 times. So it must copy from the user before it changes anything, and must not
 * mind if it gives its result twice. The first word of an ioctl's argument is its size,
 * argsz, as in vfio's own. The shim faults in that much, 8 KiB at most, and nothing that
 * the argument points to.
 *
 * log_read_and_clear is called outside of the gate, because iova_bitmap_set() may wait
 * for the user's bitmap without a bound. It enters by mdr_parent_enter() for what it does
 * with the device, and leaves before it calls iova_bitmap_set(). Meanwhile it must not
 * hold a lock that another operation or a hook takes.
 *
 * These are called outside of the gate, so they must not touch the device: init and
 * release, mmap itself, request, match, match_token_uuid, bind_iommufd, dma_unmap.
 * open_device and close_device have exclusive access to the
 * device; open_device calls vfio_pci_core_enable(), and close_device
 * vfio_pci_core_close_device(). If the function does not answer, close_device is
 * called with its device lock held, so that vfio-pci-core does not reset it.
 * Operations that are not named here are not called.
 */

/* For &mdr_parent_ops.device_size: the structure, and its vfio_pci_core_device. */
#define MDR_DEVICE_SIZE(type_, core_)					\
	(sizeof(type_) + BUILD_BUG_ON_ZERO(offsetof(type_, core_)))

/**
 * struct mdr_parent_entry - a parent driver's entry into a gate
 * @opaque: private to the shim
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
