// SPDX-License-Identifier: GPL-2.0-only
/*
 * The path of every access: the same calls on the same function, assigned by
 * vfio-pci and by each type of ours.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "nic_user.h"
#include "scenario.h"
#include "shm.h"
#include "sysfs.h"
#include "vfio_irq.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define PAGE 4096ul
#define HUGE (2ul << 20)

#define ROUNDS 64
#define RESETS 32
#define TICK_US 4000
#define LONG_ROUNDS 8u
#define BURST 100
#define MIX_MS 1100

/* Registers of config space that vfio-pci emulates, and that have no effect. */
#define CONFIG_BAR0 0x10
#define CONFIG_COMMAND 0x04

static struct bench_side side;
static struct bench b;

static void say(const char *metric)
{
	bench_say(&b, &side, "instructions", metric);
}

/* What the statement costs, under the name of the metric. */
#define COUNT(metric, rounds, statement)		\
	do {						\
		BENCH(&b, rounds, statement);		\
		say(metric);				\
	} while (0)

/* A burst, since one access is three instructions. */
static inline void read_burst(volatile uint32_t *reg)
{
	for (int i = 0; i < BURST; i++)
		(void)*reg;
}

static inline void write_burst(volatile uint32_t *reg)
{
	for (int i = 0; i < BURST; i++)
		*reg = i;
}

static void measure_mapped(void)
{
	volatile uint32_t *reg;
	uint8_t *map = vfio_user_map(&side.user, BAR0);

	REQUIRE(map, "cannot map: %s", strerror(errno));
	reg = (volatile uint32_t *)(map + NIC_SCRATCH);
	*reg = 0;
	COUNT("bar_mapped_read_x100", ROUNDS, read_burst(reg));
	COUNT("bar_mapped_write_x100", ROUNDS, write_burst(reg));
	vfio_user_unmap(&side.user, BAR0);
}

static void measure_region(const char *what, unsigned int region, uint64_t off)
{
	off_t pos = side.user.regions[region].offset + off;
	int fd = side.user.device;
	char metric[64];
	uint64_t value = 0;
	ssize_t len = 0;

	for (unsigned int width = 1; width <= 8; width *= 2) {
		REQUIRE(pread(fd, &value, width, pos) == width, "pread: %s", strerror(errno));
		snprintf(metric, sizeof(metric), "%s_pread_%u", what, width);
		COUNT(metric, ROUNDS, len += pread(fd, &value, width, pos));
		snprintf(metric, sizeof(metric), "%s_pwrite_%u", what, width);
		COUNT(metric, ROUNDS, len += pwrite(fd, &value, width, pos));
		CHECK(len == 2 * ROUNDS * width, "%s: %zd bytes", metric, len);
		len = 0;
	}
}

/* Long ones, which are made in pieces. */
static void measure_long(const char *what, unsigned int region, bool writes)
{
	off_t pos = side.user.regions[region].offset;
	int fd = side.user.device;
	static uint8_t data[PAGE] __attribute__((aligned(PAGE)));
	char metric[64];
	ssize_t len = 0;

	memset(data, 0, sizeof(data));
	BENCH(&b, LONG_ROUNDS, len += pread(fd, data, PAGE, pos));
	snprintf(metric, sizeof(metric), "%s_pread_%lu", what, PAGE);
	bench_say(&b, &side, "instructions", metric);
	CHECK(len == (ssize_t)(LONG_ROUNDS * PAGE), "%s: %zd bytes", metric, len);
	if (!writes)
		return;
	len = 0;
	BENCH(&b, LONG_ROUNDS, len += pwrite(fd, data, PAGE, pos));
	snprintf(metric, sizeof(metric), "%s_pwrite_%lu", what, PAGE);
	bench_say(&b, &side, "instructions", metric);
	CHECK(len == (ssize_t)(LONG_ROUNDS * PAGE), "%s: %zd bytes", metric, len);
}

/* The one register that the shim copies whenever it is written. */
static void measure_command(void)
{
	off_t pos = side.user.regions[VFIO_CONFIG].offset + CONFIG_COMMAND;
	uint16_t command = vfio_user_command(&side.user);
	ssize_t len = 0;

	COUNT("config_pwrite_command", ROUNDS,
	      len += pwrite(side.user.device, &command, 2, pos));
	CHECK(len == 2 * ROUNDS, "%zd bytes", len);
}

static void measure_touch(const char *metric, unsigned int region, uintptr_t step,
			  size_t span)
{
	size_t size = side.user.regions[region].size;
	uintptr_t area;
	void *map;

	REQUIRE(size >= span, "the BAR has only %#zx bytes", size);
	area = (uintptr_t)mmap(NULL, size + step, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	area = (area + step - 1) & ~(step - 1);
	for (int i = 0; i < 4; i++) {
		volatile uint8_t *p;

		map = mmap((void *)area, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			   side.user.device, side.user.regions[region].offset);
		REQUIRE(map != MAP_FAILED, "cannot map: %s", strerror(errno));
		p = map;
		/* the first one makes a page table */
		(void)*p;
		for (size_t at = step; at < span; at += step)
			BENCH(&b, 1, (void)p[at]);
		munmap(map, size);
	}
	say(metric);
}

static void measure_irqs(void)
{
	struct vfio_irq_info info = {
		.argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX,
	};
	struct nic_user nic;
	int ret = 0, fd;

	COUNT("get_irq_info", ROUNDS,
	      ret |= ioctl(side.user.device, VFIO_DEVICE_GET_IRQ_INFO, &info));
	COUNT("set_irqs_cycle", BENCH_MAX_ROUNDS,
	      (ret |= vfio_irq_enable(&side.user, VFIO_PCI_MSIX_IRQ_INDEX, 1, &fd),
	       ret |= vfio_irq_disable(&side.user, VFIO_PCI_MSIX_IRQ_INDEX),
	       close(fd)));
	CHECK(!ret, "SET_IRQS: %d", ret);

	REQUIRE_OK(nic_user_start(&nic, &side.user, NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX));
	COUNT("set_irqs_loopback", ROUNDS,
	      ret |= vfio_irq_loopback(&side.user, VFIO_PCI_MSIX_IRQ_INDEX, 0));
	CHECK(!ret && vfio_irq_wait(nic.irq, 0, NULL), "no loopback");
	nic_user_stop(&nic);
	vfio_user_unmap(&side.user, BAR0);
}

/*
 * The device raises the interrupt: from the write to its register until its handler
 * has run, right after that write. Only a few of the instructions are the loop's own.
 *
 * The kernel uses the time of an interrupt as a source of randomness. That takes eight
 * instructions less while it has yet to mix in earlier times. It does so at the next
 * tick, and at most once a second. So after a second without our interrupts the first
 * one starts that phase, whatever came before.
 */
static void measure_interrupt(void)
{
	struct nic_user nic;
	bool fired = true;

	REQUIRE_OK(nic_user_start(&nic, &side.user, NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX));
	sleep_ms(MIX_MS);
	REQUIRE_OK(nic_user_interrupt(&nic, 5000));
	for (int i = 0; i < ROUNDS; i++) {
		nic_user_read(&nic, 0x1580);
		nic_user_write(&nic, 0x1514, 0x10);
		nic_user_write(&nic, 0x1524, 1);
		BENCH(&b, 1, {
			nic_user_write(&nic, 0x1520, 1);
			for (int spin = 0; spin < 50; spin++)
				asm volatile("");
		});
		nic_user_write(&nic, 0x1528, ~0u);
		fired = fired && vfio_irq_wait(nic.irq, 0, NULL);
	}
	say("interrupt_to_eventfd");
	CHECK(fired, "an interrupt did not come right behind its cause");
	nic_user_stop(&nic);
	vfio_user_unmap(&side.user, BAR0);
}

static void measure_reset(void)
{
	for (int i = 0; i < RESETS; i++) {
		uint64_t start;

		/* all phases of the tick: a reset takes about as many of them each time */
		usleep(i * TICK_US / RESETS);
		start = bench_running();
		REQUIRE_OK(vfio_user_reset(&side.user));
		bench_add(&b, bench_running() - start);
	}
	say("reset");
}

static void measure_dma(void)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .iova = 0x10000000, .size = 16 * PAGE,
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = map.iova, .size = map.size,
	};
	int container = side.user.own.container, ret = 0;
	void *area;

	/* within a huge page: the cost of pinning depends on contiguous memory */
	area = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(area != MAP_FAILED, "no memory: %s", strerror(errno));
	madvise(area, 2 * HUGE, MADV_HUGEPAGE);
	map.vaddr = ((uintptr_t)area + HUGE - 1) & ~(HUGE - 1);
	memset((void *)(uintptr_t)map.vaddr, 0, map.size);
	COUNT("dma_map_unmap_64k", ROUNDS,
	      (ret |= ioctl(container, VFIO_IOMMU_MAP_DMA, &map),
	       ret |= ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap)));
	CHECK(!ret, "DMA: %s", strerror(errno));
	munmap(area, 2 * HUGE);
}

/*
 * Opens and closes the device's file; container and group stay open. The resets of the
 * first open and last close are off: they sleep, and are the same for both drivers.
 */
static void measure_open(void)
{
	int group = side.user.own.groups[0].fd, fd = -1;

	REQUIRE_OK(sysfs_write("\n", "/sys/bus/pci/devices/%s/reset_method",
			       side.shim.addr));
	close(side.user.device);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = bench_running();

		fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bench_device(&side));
		if (fd < 0)
			break;
		close(fd);
		bench_add(&b, bench_running() - start);
	}
	CHECK(fd >= 0, "cannot open: %s", strerror(errno));
	say("open_close");
	REQUIRE_OK(sysfs_write("default", "/sys/bus/pci/devices/%s/reset_method",
			       side.shim.addr));
	side.user.device = -1;
}

static void measure_nic(const char *name)
{
	bench_open(&side, name, PORT, 0);
	measure_mapped();
	measure_region("bar", BAR0, NIC_SCRATCH);
	measure_region("config", VFIO_CONFIG, CONFIG_BAR0);
	measure_command();
	measure_long("config", VFIO_CONFIG, false);
	measure_touch("fault_page", BAR0, PAGE, 32 * PAGE);
	measure_irqs();
	measure_interrupt();
	measure_dma();
	measure_reset();
	measure_open();
	vfio_user_close(&side.user);
}

static void measure_shm(const char *name)
{
	bench_open(&side, name, SHM_PORT, 0);
	measure_long("bar", SHM_REGION, true);
	measure_touch("fault_huge", SHM_REGION, HUGE, 32 * HUGE);
	vfio_user_close(&side.user);
}

/* A scenario of its own for each side. */
#define SIDE_SCENARIO(name_, what_, measure_, side_)				\
	static void measure_(const char *name);					\
	SCENARIO(name_, "what " what_ " costs with " side_, .limit_s = 120)	\
	{									\
		measure_(side_);						\
	}

SIDE_SCENARIO(access_vfio_pci, "an access", measure_nic, "vfio_pci")
SIDE_SCENARIO(access_resume, "an access", measure_nic, "resume")
SIDE_SCENARIO(access_hold, "an access", measure_nic, "hold")
SIDE_SCENARIO(access_evict, "an access", measure_nic, "evict")

SIDE_SCENARIO(huge_vfio_pci, "a fault of 2 MiB", measure_shm, "vfio_pci")
SIDE_SCENARIO(huge_resume, "a fault of 2 MiB", measure_shm, "resume")
SIDE_SCENARIO(huge_hold, "a fault of 2 MiB", measure_shm, "hold")
SIDE_SCENARIO(huge_evict, "a fault of 2 MiB", measure_shm, "evict")
