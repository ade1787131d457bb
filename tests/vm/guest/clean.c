// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aer_fault.h"
#include "aer_thread.h"
#include "clean.h"
#include "mdev.h"
#include "monitor.h"
#include "pci.h"
#include "shim.h"
#include "slot.h"
#include "slow.h"
#include "sriov.h"

#define MAX_FUNCTIONS 4
#define SCAN_MS 5000
/* the queue of a port may hold many errors, and each one takes a recovery */
#define IDLE_MS 15000
#define BARS 0x10
#define NR_BARS 6

/* The two ports that scenarios plug at, and the devices that belong there. */
#define EMPTY_PORT "rp_empty"
#define EMPTY_ID "plugged"
#define PLUG_PORT "rp_igb2"
#define PLUG_DEVICE "igb,id=igb2,bus=rp_igb2,mac=52:54:00:00:03:00"
#define UNPLUG_MS 15000
/* The one whose power a scenario may have taken. */
#define POWER_PORT "rp_switch"

struct below {
	unsigned int count;
	uint32_t bars[MAX_FUNCTIONS][NR_BARS];
};

static struct below at_boot[PCI_MAX_PORTS];

/* Of a bridge: bus numbers and windows, not its status. */
static const uint32_t bridge_mask[NR_BARS] = { ~0u, ~0u, 0xffffff, 0xffff, ~0u, ~0u };

static void look_below(const struct pci_port *port, struct below *b)
{
	char addr[PCI_ADDR_LEN];
	bool bridge;

	memset(b, 0, sizeof(*b));
	while (b->count < MAX_FUNCTIONS &&
	       !pci_below(port->id, b->count, addr)) {
		bridge = pci_is_bridge(addr);
		for (unsigned int i = 0; i < NR_BARS; i++)
			b->bars[b->count][i] = pci_config_read(addr, BARS + 4 * i, 4) &
					       (bridge ? bridge_mask[i] : ~0u);
		b->count++;
	}
}

/*
 * To look at each port takes longer than most scenarios, and most leave all functions
 * as they were. So the functions that were there when all was well are kept at hand.
 */
static struct at_hand {
	char addr[PCI_ADDR_LEN];
	bool bridge;
	int config;		/* open: it fails for a function that was enumerated anew */
	const uint32_t *bars;
} at_hand[PCI_MAX_PORTS * MAX_FUNCTIONS];
static unsigned int nr_at_hand, nr_devices;

static void keep_at_hand(void)
{
	while (nr_at_hand)
		close(at_hand[--nr_at_hand].config);
	for (unsigned int i = 0; i < pci_port_count(); i++) {
		for (unsigned int n = 0; n < at_boot[i].count; n++) {
			struct at_hand *f = &at_hand[nr_at_hand];

			if (pci_below(pci_port(i)->id, n, f->addr))
				continue;
			f->bridge = pci_is_bridge(f->addr);
			f->config = pci_config_open(f->addr, O_RDONLY);
			f->bars = at_boot[i].bars[n];
			nr_at_hand++;
		}
	}
	nr_devices = pci_device_count();
}

static bool is_as_at_boot(const struct at_hand *f)
{
	uint32_t bars[NR_BARS];

	if (pread(f->config, bars, sizeof(bars), BARS) != sizeof(bars))
		return false;
	for (unsigned int i = 0; i < NR_BARS; i++)
		if ((bars[i] & (f->bridge ? bridge_mask[i] : ~0u)) != f->bars[i])
			return false;
	return true;
}

/* Unbinds the functions at hand. Are they as at boot then, and are there no others? */
static bool release_at_hand(void)
{
	bool well = pci_device_count() == nr_devices;

	for (unsigned int i = 0; i < nr_at_hand; i++)
		if (!at_hand[i].bridge)
			well &= !pci_unbind(at_hand[i].addr);
	for (unsigned int i = 0; i < nr_at_hand && well; i++)
		well = is_as_at_boot(&at_hand[i]);
	return well;
}

int clean_init(void)
{
	for (unsigned int i = 0; i < pci_port_count(); i++)
		look_below(pci_port(i), &at_boot[i]);
	keep_at_hand();
	return 0;
}

static int unbind_below(const struct pci_port *port, unsigned int first)
{
	char addr[PCI_ADDR_LEN];
	int ret;

	for (unsigned int n = first; !pci_below(port->id, n, addr); n++) {
		ret = pci_is_bridge(addr) ? 0 : pci_unbind(addr);
		if (ret)
			return ret;
	}
	return 0;
}

/* What was removed with its bridge is enumerated anew, maybe at other addresses. */
static void look_anew(const struct pci_port *port)
{
	size_t len = strlen(port->way);

	for (unsigned int i = 0; i < pci_port_count(); i++)
		if (!strncmp(pci_port(i)->way, port->way, len) &&
		    (!pci_port(i)->way[len] || pci_port(i)->way[len] == '/'))
			look_below(pci_port(i), &at_boot[i]);
}

/* After a reset without a restore the BARs are blank: rescan the function. */
static int enumerate_again(const struct pci_port *port, unsigned int count)
{
	char addr[PCI_ADDR_LEN];
	bool bridge = false;
	int ret;

	while (!pci_below(port->id, 0, addr)) {
		bridge |= pci_is_bridge(addr);
		ret = pci_remove(addr);
		if (ret)
			return ret;
	}
	ret = pci_rescan(port->id);
	if (ret)
		return ret;
	if (!pci_wait_below(port->id, count, SCAN_MS))
		return -ENODEV;
	if (bridge)
		look_anew(port);
	return 0;
}

/* Undoes a scenario's hotplug. */
static int plug_back(const struct pci_port *port, const struct below *now)
{
	int ret;

	if (!strcmp(port->id, EMPTY_PORT) && now->count) {
		ret = slot_unplug(EMPTY_PORT, EMPTY_ID);
		if (ret)
			return ret;
		return pci_wait_below(port->id, 0, UNPLUG_MS) ? 0 : -EBUSY;
	}
	if (!strcmp(port->id, PLUG_PORT) && !now->count)
		return slot_plug(PLUG_PORT, PLUG_DEVICE);
	return 0;
}

static int clean_port(const struct pci_port *port, const struct below *boot, bool vfs)
{
	struct below now;
	int ret;

	if (vfs && sriov_is_on(port->id))
		return unbind_below(port, 1);

	/* a function that is just being removed needs no unbind */
	ret = unbind_below(port, 0);
	if (ret && ret != -ENOENT && ret != -ENODEV)
		return ret;
	look_below(port, &now);
	ret = plug_back(port, &now);
	if (ret)
		return ret;
	look_below(port, &now);
	if (!memcmp(&now, boot, sizeof(now)))
		return 0;
	return enumerate_again(port, boot->count);
}

static int power_on(void)
{
	int ret = slot_is_powered(POWER_PORT) ? 0 : slot_power(POWER_PORT, true);

	/* the machine that counts has no such port */
	return ret == -ENODEV ? 0 : ret;
}

/* In this order, before the functions; each returns 0 or -errno. */
static const struct {
	int (*undo)(void);
	const char *failure;
} undoings[] = {
	{ slow_end, "functions stay slow" },
	{ power_on, "the power of " POWER_PORT " stays off" },
	{ mdev_remove_all, "an mdev cannot be removed" },
	{ aer_fault_end, "aer_inject does not go" },
	{ sriov_end, "the driver of the PF does not go" },
};

static int clean_ports(bool vfs, char *why, size_t size)
{
	int ret, first = 0;

	for (unsigned int i = 0; i < pci_port_count(); i++) {
		ret = clean_port(pci_port(i), &at_boot[i], vfs);
		if (ret && !first) {
			snprintf(why, size, "functions below %s: %s",
				 pci_port(i)->id, strerror(-ret));
			first = ret;
		}
	}
	keep_at_hand();
	return first;
}

int clean_machine(bool vfs, char *why, size_t size)
{
	int ret;

	for (size_t i = 0; i < sizeof(undoings) / sizeof(undoings[0]); i++) {
		if (vfs && undoings[i].undo == sriov_end)
			continue;
		ret = undoings[i].undo();
		if (ret) {
			snprintf(why, size, "%s: %s", undoings[i].failure, strerror(-ret));
			return ret;
		}
	}
	/*
	 * The PCI core must not reset a slot while a function is removed below it:
	 * see "The debug kernel" in Documentation/testing.md.
	 */
	if (!aer_wait_idle(IDLE_MS)) {
		snprintf(why, size, "the host's recovery of a port does not end");
		return -EBUSY;
	}
	ret = vfs || !release_at_hand() ? clean_ports(vfs, why, size) : 0;
	if (!ret && shim_groups()) {
		snprintf(why, size, "%d groups are left in " SHIM_CLASS, shim_groups());
		ret = -EBUSY;
	}
	return ret;
}
