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

#include <linux/types.h>

struct pci_dev;
struct pci_error_handlers;

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
 *
 * All are optional. All are called with the device lock of the
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
 * - at open, after vfio-pci-core's reset in it: until
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
};

int mdr_register_function(struct pci_dev *pdev,
			  const struct mdr_parent_ops *ops);
void mdr_unregister_function(struct pci_dev *pdev);

extern const struct pci_error_handlers mdr_pci_error_handlers;

#endif
