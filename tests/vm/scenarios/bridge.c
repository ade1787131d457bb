// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function behind a bridge to conventional PCI. The bridge has no driver, so the
 * kernel itself does not bring it back after a reset.
 */
#include "client.h"
#include "clock.h"
#include "scenario.h"
#include "sysfs.h"

#define SETTLE_MS 5000

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
