/* SPDX-License-Identifier: GPL-2.0-only */
/* The slot below a port, driven by the kernel's own hotplug (pciehp). */
#ifndef MDR_SLOT_H
#define MDR_SLOT_H

#include <stdbool.h>

/*
 * Asks QEMU to unplug a device. QEMU presses the attention button for that, and the
 * kernel would wait 5 s for a second press; this makes it act at once. Waits for the
 * kernel, and so for the users of the device. pci_wait_below() says whether the
 * device is gone. 0 or -errno.
 */
int slot_unplug(const char *port_id, const char *device_id);

/*
 * Plugs a device (arguments as for QEMU's -device) into a slot that is empty, or that
 * QEMU is about to empty. On return the kernel has assigned the BARs and probed the
 * drivers. 0 or -errno.
 */
int slot_plug(const char *port_id, const char *arguments);

/*
 * The slot's power controller, behind the back of pciehp: off, what is in the slot does
 * not answer, and is not removed either. 0 or -errno.
 */
int slot_power(const char *port_id, bool on);
bool slot_is_powered(const char *port_id);

#endif
