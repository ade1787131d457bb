// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call of a user, with an allocation of the kernel that fails. debug_no_leak looks for
 * lost memory afterwards.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fail_nth.h"
#include "hot_reset.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "sweep.h"
#include "vfio_irq.h"
#include "vfio_status.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define PAIR_PORT "rp_igb"
#define SETTLE_MS 3000

static struct shim shim;
static struct vfio_user user;
static uint32_t status;

static void start(enum fail_nth_not not)
{
	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	status = nic_status(&user);
	REQUIRE_OK(fail_nth_init(not));
}

static int info_call(void)
{
	return ioctl(user.device, VFIO_DEVICE_GET_INFO, &user.info) ? -errno : 0;
}

static int region_call(void)
{
	union {
		struct vfio_region_info info;
		char room[512];
	} region;
	int ret = 0;

	for (unsigned int i = 0; i < user.info.num_regions && !ret; i++) {
		region.info = (struct vfio_region_info) { .argsz = sizeof(region), .index = i };
		if (ioctl(user.device, VFIO_DEVICE_GET_REGION_INFO, &region) &&
		    i != VFIO_PCI_VGA_REGION_INDEX)
			ret = -errno;
	}
	return ret;
}

static int irq_info_call(void)
{
	int ret = 0;

	for (unsigned int i = 0; i < user.info.num_irqs && ret >= 0; i++)
		ret = vfio_irq_count(&user, i);
	return ret < 0 ? ret : 0;
}

static int reset_call(void)
{
	return vfio_user_reset(&user);
}

static int hot_info_call(void)
{
	union {
		struct vfio_pci_hot_reset_info head;
		char room[256];
	} info = { .head = { .argsz = sizeof(info) } };

	return ioctl(user.device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info) ? -errno : 0;
}

static int hot_reset_call(void)
{
	return hot_reset(&user);
}

static int status_call(void)
{
	struct mdr_status now;

	return vfio_status(&user, &now);
}

static int acknowledge_call(void)
{
	int ret = vfio_acknowledge(&user, 0);

	/* there was no event */
	return ret == -ESTALE || ret == -EINVAL ? 0 : ret;
}

static int told = -1;

static int eventfd_call(void)
{
	return vfio_status_eventfd(&user, told);
}

static int eventfd_after(void)
{
	return vfio_status_eventfd(&user, -1);
}

SCENARIO(fail_nth_ioctl, "every ioctl but SET_IRQS works, whatever allocation fails",
	 .debug = true, .limit_s = 120)
{
	static const struct step steps[] = {
		{ "info", NULL, info_call, NULL, false },
		{ "region_info", NULL, region_call, NULL, false },
		{ "irq_info", NULL, irq_info_call, NULL, false },
		{ "hot_reset_info", NULL, hot_info_call, NULL, false },
		{ "reset", NULL, reset_call, NULL, false },
		{ "hot_reset", NULL, hot_reset_call, NULL, false },
		{ "status", NULL, status_call, NULL, false },
		{ "acknowledge", NULL, acknowledge_call, NULL, false },
		{ "eventfd", NULL, eventfd_call, eventfd_after, false },
	};

	start(FAIL_NTH_NOT_ACPI);
	told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	SWEEP(steps);
	CHECK(shim_is(shim.group, "open"), "not open any more");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

static const unsigned int kinds[] = {
	VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX,
	VFIO_PCI_ERR_IRQ_INDEX, VFIO_PCI_REQ_IRQ_INDEX,
};

static unsigned int kind;
static int fired[3];

static int irqs_call(void)
{
	int ret = vfio_irq_enable(&user, kind, kind == VFIO_PCI_MSIX_IRQ_INDEX ? 3 : 1, fired);

	/* so says the PCI core if it has memory for some of the vectors only */
	return ret == -ENOSPC ? -ENOMEM : ret;
}

/* They work: each fires when it is told to, and only then. */
static int irqs_after(void)
{
	unsigned int count = kind == VFIO_PCI_MSIX_IRQ_INDEX ? 3 : 1;
	int ret = 0;

	for (unsigned int i = 0; i < count && !ret; i++) {
		ret = vfio_irq_loopback(&user, kind, i);
		if (!ret && !vfio_irq_wait(fired[i], SETTLE_MS, NULL))
			ret = -ETIMEDOUT;
	}
	if (!ret)
		ret = vfio_irq_disable(&user, kind);
	for (unsigned int i = 0; i < count; i++)
		close(fired[i]);
	return ret;
}

static int off_before(void)
{
	return irqs_call();
}

static int off_call(void)
{
	int ret = vfio_irq_disable(&user, kind);

	for (unsigned int i = 0; i < (kind == VFIO_PCI_MSIX_IRQ_INDEX ? 3u : 1u); i++)
		close(fired[i]);
	return ret;
}

static int unmasker = -1;

static int unmask_call(void)
{
	return vfio_irq_unmask_intx_by(&user, unmasker);
}

static int unmask_after(void)
{
	return vfio_irq_unmask_intx_by(&user, -1);
}

SCENARIO(fail_nth_irqs, "SET_IRQS turns interrupts on and off, whatever allocation fails",
	 .debug = true, .limit_s = 120)
{
	static const struct step unmask[] = {
		{ "unmask", NULL, unmask_call, unmask_after, false },
	};
	static const char * const names[] = { "intx", "msi", "msix", "err", "req" };

	start(FAIL_NTH_NOT_PROC);
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct step steps[] = {
			{ names[i], NULL, irqs_call, irqs_after, false },
			{ "off", off_before, off_call, NULL, true },
		};

		kind = kinds[i];
		SWEEP(steps);
	}
	kind = VFIO_PCI_INTX_IRQ_INDEX;
	unmasker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	REQUIRE_OK(irqs_call());
	SWEEP(unmask);
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

static void *map = MAP_FAILED;
static uint64_t page_size, page_offset;

static int map_call(void)
{
	map = mmap(NULL, user.regions[BAR0].size, PROT_READ | PROT_WRITE, MAP_SHARED, user.device,
		   user.regions[BAR0].offset);
	return map == MAP_FAILED ? -errno : 0;
}

static int unmap(void)
{
	return munmap(map, user.regions[BAR0].size) ? -errno : 0;
}

/* The first load of a mapping. */
static int load_call(void)
{
	uint32_t value = *(volatile uint32_t *)((char *)map + NIC_STATUS);

	return value == status ? 0 : -EIO;
}

static int page_call(void)
{
	map = mmap(NULL, page_size, PROT_READ, MAP_SHARED, user.device, page_offset);
	return map == MAP_FAILED ? -errno : 0;
}

static int page_after(void)
{
	const struct mdr_status_page *page = map;
	int ret = page->status.event ? -EIO : 0;

	return munmap(map, page_size) ? -errno : ret;
}

static char data[4096];

static int read_region(unsigned int region, size_t len)
{
	ssize_t ret = vfio_user_pread(&user, region, data, len, 0);

	/* the ROM may be shorter than its BAR */
	return ret < 0 ? ret : 0;
}

static int bar_call(void)
{
	return read_region(BAR0, sizeof(data));
}

static int rom_call(void)
{
	return user.regions[VFIO_PCI_ROM_REGION_INDEX].size ?
	       read_region(VFIO_PCI_ROM_REGION_INDEX, sizeof(data)) : 0;
}

static int config_call(void)
{
	return read_region(VFIO_CONFIG, 256);
}

/* To where nothing harms: the interrupt line, and a register that keeps its value. */
static int write_call(void)
{
	int ret = vfio_user_write(&user, VFIO_CONFIG, 0x3c, 1, 0x0b);

	return ret ? ret : vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, 0x55);
}

SCENARIO(fail_nth_access, "BARs, config space and the status page, whatever allocation fails",
	 .debug = true, .limit_s = 90)
{
	static const struct step steps[] = {
		{ "map", NULL, map_call, unmap, false },
		{ "first_load", map_call, load_call, unmap, true },
		{ "unmap", map_call, unmap, NULL, false },
		{ "status_page", NULL, page_call, page_after, false },
		{ "bar", NULL, bar_call, NULL, false },
		{ "rom", NULL, rom_call, NULL, false },
		{ "config", NULL, config_call, NULL, false },
		{ "write", NULL, write_call, NULL, false },
	};

	start(FAIL_NTH_NOT_ACPI);
	REQUIRE_OK(vfio_status_region(&user, &page_size, &page_offset));
	SWEEP(steps);
}

SCENARIO(fail_nth_pair, "a hot reset of two groups, whatever allocation fails",
	 .debug = true, .limit_s = 90)
{
	static const struct step steps[] = {
		{ "hot_reset", NULL, hot_reset_call, NULL, false },
	};
	static struct vfio_user other;
	struct shim neighbour;

	REQUIRE_OK(shim_make(&shim, PAIR_PORT, 0, "resume"));
	REQUIRE_OK(shim_make(&neighbour, PAIR_PORT, 1, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_open_in(&other, neighbour.uuid, user.space));
	status = nic_status(&other);
	REQUIRE_OK(fail_nth_init(FAIL_NTH_NOT_ACPI));
	SWEEP(steps);
	CHECK(shim_is(shim.group, "open") && shim_is(neighbour.group, "open"), "not open");
	CHECK(vfio_user_read(&other, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}
