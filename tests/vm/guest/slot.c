// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "pci.h"
#include "slot.h"
#include "sysfs.h"

#define PRESSED "will power off in 5 sec"
#define PRESSED_MS 5000
#define PLUG_MS 15000

/* machine.sh numbers the slots in the order of the ports, from 1 */
static int slot_number(const char *port_id)
{
	for (unsigned int i = 0; i < pci_port_count(); i++)
		if (!strcmp(pci_port(i)->id, port_id))
			return i + 1;
	return -ENODEV;
}

/*
 * The PCI core's hotplug and its reset of a slot take the same locks in different
 * orders (Documentation/testing.md). Lockdep would say so and be silent from then
 * on: the locks taken here, by any task, do not become part of the orders that it
 * knows. Does nothing on a kernel without lockdep.
 */
static void check_lock_order(bool on)
{
	sysfs_write(on ? "1" : "0", "/proc/sys/kernel/prove_locking");
}

static int unplug(int slot, const char *device_id)
{
	unsigned int pressed = klog_count(PRESSED);
	int ret = device_del(device_id);

	if (ret)
		return ret;
	if (!WAIT_FOR(klog_count(PRESSED) > pressed, PRESSED_MS))
		return -ETIMEDOUT;
	return sysfs_write("0", "/sys/bus/pci/slots/%d/power", slot);
}

int slot_unplug(const char *port_id, const char *device_id)
{
	int ret = slot_number(port_id);

	if (ret < 0)
		return ret;
	check_lock_order(false);
	ret = unplug(ret, device_id);
	check_lock_order(true);
	return ret;
}

static int plug(const char *port_id, const char *arguments)
{
	/* QEMU refuses while the previous device is still there */
	if (!WAIT_FOR(!device_add(arguments), PLUG_MS))
		return -EBUSY;
	if (!pci_wait_below(port_id, 1, PLUG_MS))
		return -ENODEV;
	/*
	 * A function is in sysfs before its BARs are assigned. pciehp holds the
	 * kernel's rescan lock until all is done (pciehp_configure_device()), and
	 * a rescan takes it.
	 */
	return pci_rescan(port_id);
}

int slot_plug(const char *port_id, const char *arguments)
{
	int ret;

	check_lock_order(false);
	ret = plug(port_id, arguments);
	check_lock_order(true);
	return ret;
}

#define CAP_POINTER 0x34
#define CAP_EXPRESS 0x10
#define SLOT_CONTROL 0x18
#define POWER_INDICATOR 0x0300
#define POWER_INDICATOR_ON 0x0100
#define POWER_OFF 0x0400

/* Offset of Slot Control; 0 if the port has none. */
static unsigned int slot_control(const char *addr)
{
	unsigned int at = pci_config_read(addr, CAP_POINTER, 1);

	while (at && at != 0xff && pci_config_read(addr, at, 1) != CAP_EXPRESS)
		at = pci_config_read(addr, at + 1, 1);
	return at && at != 0xff ? at + SLOT_CONTROL : 0;
}

int slot_power(const char *port_id, bool on)
{
	const char *port = pci_port_addr(port_id);
	unsigned int at = port ? slot_control(port) : 0;
	uint32_t control;

	if (!at)
		return -ENODEV;
	/* QEMU takes a device out if power and its indicator both go off */
	control = pci_config_read(port, at, 2) & ~(POWER_INDICATOR | POWER_OFF);
	control |= POWER_INDICATOR_ON | (on ? 0 : POWER_OFF);
	return pci_config_write(port, at, 2, control);
}

bool slot_is_powered(const char *port_id)
{
	const char *port = pci_port_addr(port_id);
	unsigned int at = port ? slot_control(port) : 0;

	return at && !(pci_config_read(port, at, 2) & POWER_OFF);
}
