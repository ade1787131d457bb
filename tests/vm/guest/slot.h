/* SPDX-License-Identifier: GPL-2.0-only */
/* The slot below a port, driven by the kernel's own hotplug (pciehp). */
#ifndef MDR_SLOT_H
#define MDR_SLOT_H

/*
 * Asks QEMU to pull a device, and the guest's kernel to act at once on the
 * attention button that QEMU presses for it: it gives people 5 s to press again.
 * Waits for the kernel, so for the users too; pci_wait_below() says whether it
 * is gone. 0 or -errno.
 */
int slot_unplug(const char *port_id, const char *device_id);

/*
 * Plugs a device (arguments as after QEMU's -device) into an empty slot, also one
 * that QEMU has yet to empty. On return the kernel is through with it: BARs
 * assigned, drivers asked. 0 or -errno.
 */
int slot_plug(const char *port_id, const char *arguments);

#endif
