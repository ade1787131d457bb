// SPDX-License-Identifier: GPL-2.0-only
/* The properties of the test machine (machine.sh) that scenarios rely on. */
#include <errno.h>

#include "needs.h"
#include "pci.h"
#include "scenario.h"
#include "slot.h"

SCENARIO(machine_igb_two_groups, "two igb functions of one device have an IOMMU group each")
{
	char a[PCI_ADDR_LEN], b[PCI_ADDR_LEN];

	REQUIRE_OK(pci_below("rp_igb", 0, a));
	REQUIRE_OK(pci_below("rp_igb", 1, b));
	CHECK_OK(pci_iommu_group(a));
	CHECK_OK(pci_iommu_group(b));
	CHECK(pci_iommu_group(a) != pci_iommu_group(b), "both are in group %d",
	      pci_iommu_group(a));
}

SCENARIO(machine_e1000e_one_group, "two e1000e functions of one device share an IOMMU group")
{
	char a[PCI_ADDR_LEN], b[PCI_ADDR_LEN];

	REQUIRE_OK(pci_below("rp_e1000e", 0, a));
	REQUIRE_OK(pci_below("rp_e1000e", 1, b));
	CHECK_OK(pci_iommu_group(a));
	CHECK(pci_iommu_group(a) == pci_iommu_group(b), "groups %d and %d",
	      pci_iommu_group(a), pci_iommu_group(b));
}

SCENARIO(machine_function_without_group, "a function behind no IOMMU has no group")
{
	char addr[PCI_ADDR_LEN];

	REQUIRE_OK(pci_below("rp_noiommu", 0, addr));
	CHECK_ERRNO(pci_iommu_group(addr), ENOENT);
}

SCENARIO(machine_hotplug, "a function can be plugged in and out while the machine runs")
{
	char addr[PCI_ADDR_LEN];

	needs_unplug();
	CHECK(pci_below("rp_empty", 0, addr) < 0, "%s is there at boot", addr);
	REQUIRE_OK(slot_plug("rp_empty", "igb,id=plugged,bus=rp_empty"));
	REQUIRE_OK(slot_unplug("rp_empty", "plugged"));
	CHECK(pci_wait_below("rp_empty", 0, 15000), "it does not go");
}

/* The group of the first function right below a port. */
static int group_below(const char *port)
{
	char addr[PCI_ADDR_LEN];
	int ret = pci_below(port, 0, addr);

	return ret ? ret : pci_iommu_group(addr);
}

SCENARIO(machine_switch_groups,
	 "functions behind a switch: a group each, but one for those behind two ports without ACS")
{
	CHECK_OK(group_below("sw_a"));
	CHECK_OK(group_below("sw_b"));
	CHECK(group_below("sw_a") != group_below("sw_b"), "both in group %d", group_below("sw_a"));
	CHECK_OK(group_below("deep_a"));
	CHECK(group_below("deep_a") == group_below("deep_b"), "groups %d and %d",
	      group_below("deep_a"), group_below("deep_b"));
	CHECK_OK(group_below("deeper_a"));
	CHECK(group_below("deeper_a") != group_below("deep_a"), "both in group %d",
	      group_below("deep_a"));
	CHECK_OK(group_below("pci_bridge"));
}
