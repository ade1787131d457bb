// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts across a fatal error: each interrupt that the device raises after the
 * recovery reaches the eventfd that was set up before it, exactly once. And what users
 * cannot reach.
 */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "klog.h"
#include "nic_user.h"
#include "scenario.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_irq.h"

#define IRQ_MS 2000
#define SILENCE_MS 50

/* e1000e: cause set, mask set, mask clear, cause read. */
#define ICS 0xc8
#define IMS 0xd0
#define IMC 0xd8
#define ICR 0xc0
#define LINK_CHANGE 0x4

#define CAP_LIST 0x34
#define CAP_MSIX 0x11
#define MSIX_TABLE 0x04

static struct vfio_user user;
static struct shim shim;
static struct nic_user nic;

/* Opens function 0 below the port and parks the others, so that they do not block. */
static void open_nic(const char *port, enum nic_kind kind, unsigned int index)
{
	char addr[PCI_ADDR_LEN];

	REQUIRE_OK(shim_make(&shim, port, 0, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	if (!pci_below(port, 1, addr))
		REQUIRE_OK(pci_bind(addr, "mdr-pci"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(nic_user_start(&nic, &user, kind, index));
}

/* How often the host's handlers of the function ran, by name of the action. */
static unsigned long handled(const char *action)
{
	unsigned long sum = 0;
	char line[512], *p;
	bool found = false;
	FILE *file;

	file = fopen("/proc/interrupts", "re");
	REQUIRE(file, "no /proc/interrupts");
	while (fgets(line, sizeof(line), file)) {
		if (!strstr(line, action) || !strstr(line, shim.addr))
			continue;
		found = true;
		p = strchr(line, ':') + 1;
		for (char *end; strtoul(p, &end, 10), end != p; p = end)
			sum += strtoul(p, NULL, 10);
	}
	fclose(file);
	REQUIRE(found, "no handler %s of %s", action, shim.addr);
	return sum;
}

static void interrupt_comes_back(const char *port, enum nic_kind kind,
				 unsigned int index, const char *action)
{
	unsigned long before, after;
	uint64_t start;

	open_nic(port, kind, index);
	CHECK_OK(nic_user_interrupt(&nic, IRQ_MS));
	/* e1000e raises one more when it is masked again */
	vfio_irq_wait(nic.irq, SILENCE_MS, NULL);
	REQUIRE_OK(strike(&shim, port, "DLP", "open"));
	CHECK(!vfio_irq_wait(nic.irq, SILENCE_MS, NULL), "it fired by itself");
	before = handled(action);
	start = now_ns();
	CHECK_OK(nic_user_interrupt(&nic, IRQ_MS));
	MEASURE_BOUND("first_ms", (now_ns() - start) / NS_PER_MS, IRQ_MS);
	CHECK_OK(nic_user_interrupt(&nic, IRQ_MS));
	sleep_ms(SILENCE_MS);
	after = handled(action);
	CHECK(after > before && after - before <= 4, "the host handled %lu interrupts",
	      after - before);
	MEASURE("handled", "%lu", after - before);
	nic_user_stop(&nic);
}

SCENARIO(interrupts_msix_igb, "MSI-X of igb works after a fatal error as set up before")
{
	interrupt_comes_back("rp_igb2", NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX, "vfio-msix");
}

SCENARIO(interrupts_msix_e1000e, "MSI-X of e1000e works after a fatal error as set up before")
{
	interrupt_comes_back("rp_e1000e", NIC_E1000E, VFIO_PCI_MSIX_IRQ_INDEX, "vfio-msix");
}

SCENARIO(interrupts_msi_e1000e, "MSI of e1000e works after a fatal error as set up before")
{
	interrupt_comes_back("rp_e1000e", NIC_E1000E, VFIO_PCI_MSI_IRQ_INDEX, "vfio-msi");
}

SCENARIO(interrupts_intx_e1000e, "INTx of e1000e works after a fatal error as set up before")
{
	interrupt_comes_back("rp_e1000e", NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX, "vfio-intx");
}

/* Where the table is: offset in the BAR, and the BAR's index. */
static uint64_t msix_table(unsigned int *bar)
{
	unsigned int at = vfio_user_read(&user, VFIO_CONFIG, CAP_LIST, 1);
	uint32_t table;

	while (at && vfio_user_read(&user, VFIO_CONFIG, at, 1) != CAP_MSIX)
		at = vfio_user_read(&user, VFIO_CONFIG, at + 1, 1);
	REQUIRE(at, "no MSI-X capability");
	table = vfio_user_read(&user, VFIO_CONFIG, at + MSIX_TABLE, 4);
	*bar = table & 7;
	return table & ~7u;
}

SCENARIO(interrupts_msix_table,
	 "the MSI-X table belongs to the host: a user reads all-ones there, and writes nothing")
{
	unsigned int bar;
	uint64_t table;

	open_nic("rp_igb2", NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX);
	table = msix_table(&bar);
	for (unsigned int width = 1; width <= 4; width *= 2)
		for (unsigned int off = 0; off < 16; off += width) {
			uint32_t value = vfio_user_read(&user, bar, table + off, width);

			CHECK(value == ~0u >> (32 - 8 * width), "%u bytes at %#x are %#x", width,
			      off, value);
			REQUIRE_OK(vfio_user_write(&user, bar, table + off, width, 0));
		}
	/* the vector leads to the host's handler as before */
	CHECK_OK(nic_user_interrupt(&nic, IRQ_MS));
	nic_user_stop(&nic);
}

static void raise_line(void)
{
	nic_user_write(&nic, IMC, ~0u);
	nic_user_read(&nic, ICR);
	nic_user_write(&nic, IMS, LINK_CHANGE);
	nic_user_write(&nic, ICS, LINK_CHANGE);
}

/* Exactly one interrupt from here on, then silence though the line stays up. */
static void one_interrupt(unsigned long before)
{
	uint64_t fired = 0;

	CHECK(vfio_irq_wait(nic.irq, IRQ_MS, &fired), "silence");
	CHECK(fired == 1, "%ju interrupts", fired);
	CHECK(!vfio_irq_wait(nic.irq, SILENCE_MS, &fired), "%ju more", fired);
	CHECK(handled("vfio-intx") <= before + 2, "storm: the host handled %lu",
	      handled("vfio-intx") - before);
}

/* masked: by a request of the user, or by the kernel as an interrupt fired. */
static void masked_intx(bool by_request)
{
	unsigned long before;
	uint64_t fired = 0;

	open_nic("rp_e1000e", NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX);
	if (by_request) {
		CHECK_OK(vfio_irq_mask_intx(&user));
	} else {
		raise_line();
		CHECK(vfio_irq_wait(nic.irq, IRQ_MS, NULL), "no interrupt before the error");
	}
	REQUIRE_OK(strike(&shim, "rp_e1000e", "DLP", "open"));

	before = handled("vfio-intx");
	raise_line();
	CHECK(!vfio_irq_wait(nic.irq, SILENCE_MS, &fired), "masked, and %ju interrupts",
	      fired);
	CHECK(handled("vfio-intx") == before, "masked, and the host handled %lu",
	      handled("vfio-intx") - before);
	CHECK_OK(vfio_irq_unmask_intx(&user));
	one_interrupt(before);

	/* and the whole round once more */
	raise_line();
	CHECK_OK(vfio_irq_unmask_intx(&user));
	one_interrupt(handled("vfio-intx"));
	MEASURE("handled", "%lu", handled("vfio-intx") - before);
	nic_user_stop(&nic);
}

SCENARIO(interrupts_intx_masked,
	 "INTx that its user masked before the error stays so until unmasked")
{
	masked_intx(true);
}

SCENARIO(interrupts_intx_fired, "INTx that fired before the error stays masked until unmasked")
{
	masked_intx(false);
}

SCENARIO(interrupts_intx_unmasked,
	 "INTx unmasked before the error fires once after it, though its line stays up")
{
	unsigned long before;

	open_nic("rp_e1000e", NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX);
	REQUIRE_OK(strike(&shim, "rp_e1000e", "DLP", "open"));
	before = handled("vfio-intx");
	raise_line();
	one_interrupt(before);
	MEASURE("handled", "%lu", handled("vfio-intx") - before);
	nic_user_stop(&nic);
}

SCENARIO(interrupts_intx_recover,
	 "INTx unmasked when its group is given up fires once after recover")
{
	unsigned long before;

	open_nic("rp_e1000e", NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX);
	REQUIRE_OK(shim_set(&shim, "breaker_max", "1"));
	REQUIRE_OK(strike(&shim, "rp_e1000e", "DLP", "open"));
	REQUIRE_OK(strike(&shim, "rp_e1000e", "DLP", "failed"));
	REQUIRE(WAIT_FOR(klog_count("device recovery successful") == 2, IRQ_MS),
		"the host is not done");
	REQUIRE_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", shim.group));
	CHECK(shim_is(shim.group, "open"), "not open after recover");
	before = handled("vfio-intx");
	raise_line();
	one_interrupt(before);
	nic_user_stop(&nic);
}
