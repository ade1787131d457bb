// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bridges above a function. One to conventional PCI has no driver, so the kernel itself
 * does not bring it back after a reset.
 */
#include <stdio.h>

#include "client.h"
#include "clock.h"
#include "moment.h"
#include "nic_user.h"
#include "resets.h"
#include "scenario.h"
#include "slot.h"
#include "sysfs.h"

#define SETTLE_MS 5000
#define COMMAND 0x04
#define MASTER 0x4
/* of a bridge: primary, secondary and subordinate */
#define PRIMARY_BUS 0x18
#define BUSES 0xffffff

static struct client nic = { .port = "pci_bridge" };

SCENARIO(bridge_fatal,
	 "behind a bridge to conventional PCI a function comes back, or blockers said it will not")
{
	char bridge[PCI_ADDR_LEN], blockers[256];
	bool foretold;

	/* the driver of its slots is in the function's IOMMU group, and vfio refuses that */
	REQUIRE_OK(pci_below("rp_bridge", 0, bridge));
	REQUIRE_OK(pci_unbind(bridge));
	client_start(&nic);
	shim_status(nic.s.group, "blockers", blockers, sizeof(blockers));
	foretold = strstr(blockers, bridge);
	client_strike(&nic, "rp_bridge", "DLP");
	MEASURE("foretold", "%d", foretold);
	if (foretold) {
		client_check_lost(&nic, SETTLE_MS);
		client_stop_lost(&nic);
	} else {
		client_check_whole(&nic, SETTLE_MS);
		client_stop(&nic);
	}
}

SCENARIO(bridge_reset_in_copy,
	 "a bridge is reset at the moment it is copied, as by DPC: that copy is not used")
{
	static struct vfio_user user;
	uint32_t status, buses;
	char up[PCI_ADDR_LEN];
	struct shim s[2];

	snprintf(up, sizeof(up), "%s", pci_port_addr("sw_up"));
	buses = pci_config_read(up, PRIMARY_BUS, 4) & BUSES;
	REQUIRE_OK(moment_load());
	REQUIRE_OK(shim_make(&s[0], "sw_a", 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s[0].uuid));
	status = nic_status(&user);
	REQUIRE_OK(moment_set("lose_in_save", up));
	REQUIRE_OK(shim_bind(&s[1], "sw_b", 0));
	REQUIRE(!(pci_config_read(up, PRIMARY_BUS, 4) & BUSES), "the bridge was not reset");
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK((pci_config_read(up, PRIMARY_BUS, 4) & BUSES) == buses, "buses are %#x, were %#x",
	      pci_config_read(up, PRIMARY_BUS, 4) & BUSES, buses);
	CHECK(nic_status(&user) == status, "STATUS changed");
	vfio_user_close(&user);
}

/* The bridges of a switch that lead to the function below sw_a. */
static const char * const way[] = { "sw_up", "sw_a" };

#define NR_WAY (sizeof(way) / sizeof(way[0]))

static void master_way(bool on)
{
	for (unsigned int i = 0; i < NR_WAY; i++) {
		const char *addr = pci_port_addr(way[i]);
		unsigned int command = pci_command(addr) & ~MASTER;

		REQUIRE_OK(pci_config_write(addr, COMMAND, 2, command | (on ? MASTER : 0)));
	}
}

/* What the kernel writes to the bridges after the next reset. */
static void check_saved(void)
{
	for (unsigned int i = 0; i < NR_WAY; i++) {
		REQUIRE_OK(resets_watch(pci_port_addr(way[i])));
		CHECK(resets_seen("saved") >= 0, "%s: the kernel has no copy", way[i]);
		CHECK(resets_seen("saved") & MASTER, "%s: the kernel's copy has COMMAND %#lx",
		      way[i], resets_seen("saved"));
	}
	REQUIRE_OK(resets_watch("none"));
}

SCENARIO(bridge_power_back,
	 "a reset behind a switch that lost its power: its bridges master, and are copied anew")
{
	struct client user = { .port = "sw_a" };

	/* bound before anything behind the bridges did DMA, as at boot */
	master_way(false);
	client_start(&user);
	master_way(true);
	access_stop(&user.log);
	REQUIRE_OK(slot_power("rp_switch", false));
	REQUIRE_OK(slot_power("rp_switch", true));
	REQUIRE(!(pci_config_read(pci_port_addr("sw_up"), PRIMARY_BUS, 4) & BUSES),
		"the switch has lost nothing");
	CHECK(WAIT_FOR(!vfio_user_reset(&user.u), SETTLE_MS), "no reset brings it back");
	client_check_whole(&user, 0);
	for (unsigned int i = 0; i < NR_WAY; i++)
		CHECK(pci_command(pci_port_addr(way[i])) & MASTER, "%s: COMMAND is %#x", way[i],
		      pci_command(pci_port_addr(way[i])));
	check_saved();
}
