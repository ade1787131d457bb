// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stock vfio-pci driver: the devices of this machine can be driven from user space
 * at all, and a fatal error costs their user the device.
 */
#include "access_log.h"
#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "nic_user.h"
#include "nvme_user.h"
#include "pci.h"
#include "scenario.h"
#include "vfio_irq.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define RECOVERY_MS 5000
#define IRQ_MS 2000

static struct vfio_user user;

/* The nth function below a port, bound to vfio-pci and opened. */
static void open_below(const char *port, unsigned int n, char addr[PCI_ADDR_LEN])
{
	REQUIRE_OK(pci_below(port, n, addr));
	REQUIRE_OK(pci_bind(addr, "vfio-pci"));
	REQUIRE_OK(vfio_user_open(&user, addr));
}

SCENARIO(vfio_pci_nvme_identify, "DMA and MSI-X of nvme reach a user of vfio-pci")
{
	struct nvme_identity id;
	struct nvme_user nvme;
	char addr[PCI_ADDR_LEN];
	uint64_t start;

	open_below("rp_nvme", 0, addr);
	REQUIRE_OK(nvme_user_start(&nvme, &user));
	start = now_ns();
	REQUIRE_OK(nvme_user_identify(&nvme, &id, IRQ_MS));
	MEASURE("identify_us", "%ju", (now_ns() - start) / 1000);
	CHECK(!strcmp(id.serial, "mdr-nvme-0"), "serial is '%s'", id.serial);
}

static void interrupt_works(const char *port, enum nic_kind kind, unsigned int index)
{
	struct nic_user nic;
	char addr[PCI_ADDR_LEN];

	open_below(port, 0, addr);
	REQUIRE_OK(nic_user_start(&nic, &user, kind, index));
	CHECK_OK(nic_user_interrupt(&nic, IRQ_MS));
	CHECK_OK(nic_user_interrupt(&nic, IRQ_MS));
	nic_user_stop(&nic);
}

SCENARIO(vfio_pci_e1000e_intx, "a level interrupt of e1000e reaches its user")
{
	interrupt_works("rp_e1000e", NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX);
}

SCENARIO(vfio_pci_e1000e_msix, "an MSI-X interrupt of e1000e reaches its user")
{
	interrupt_works("rp_e1000e", NIC_E1000E, VFIO_PCI_MSIX_IRQ_INDEX);
}

SCENARIO(vfio_pci_igb_msix, "an MSI-X interrupt of igb reaches its user")
{
	interrupt_works("rp_igb", NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX);
}

SCENARIO(vfio_pci_fatal_loses_device,
	 "after a fatal error the kernel calls the device recovered, and its user has lost it")
{
	struct access_log log = {
		.u = &user, .kind = ACCESS_MAP_READ, .region = BAR0, .off = NIC_STATUS,
	};
	char addr[PCI_ADDR_LEN];
	uint32_t before, after;

	open_below("rp_igb2", 0, addr);
	before = nic_status(&user);
	log.value = before;
	REQUIRE_OK(access_start(&log));
	REQUIRE_OK(aer_inject("rp_igb2", "DLP"));
	CHECK(klog_wait("device recovery successful", RECOVERY_MS, NULL, 0),
	      "not in the kernel log");
	sleep_ms(50);
	access_stop(&log);

	after = *(volatile uint32_t *)((char *)vfio_user_map(&user, BAR0) + NIC_STATUS);
	CHECK(after != before, "the BAR still reads %#x", after);
	CHECK(pci_command(addr) == 0, "COMMAND is %#x", pci_command(addr));
	CHECK(log.wrong + log.ones > 0, "no read went wrong of %ju", log.count);
	MEASURE("before", "%#x", before);
	MEASURE("after", "%#x", after);
	MEASURE("command", "%#x", pci_command(addr));
	MEASURE("reads", "%ju", log.count);
	MEASURE("wrong_reads", "%ju", log.wrong + log.ones);
}
