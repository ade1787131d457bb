// SPDX-License-Identifier: GPL-2.0-only
/*
 * The phases of a recovery from a fatal error, from a trace. Time is that of the
 * emulator: an instruction is a nanosecond, and a sleep has its nominal length.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "access_log.h"
#include "bench.h"
#include "clock.h"
#include "nic_user.h"
#include "phases.h"
#include "scenario.h"
#include "shm.h"

#define PAGE 4096ul
#define HUGE (2ul << 20)
#define MAX_THREADS 64
#define ROUNDS 3
#define STATE_MS 10000
#define PAUSE_US 1000

/*
 * Many pages need the large BAR of ivshmem. How long the kernel takes is to be
 * seen at a PCI Express function: its reset has the waits that the standard asks for.
 */
struct place {
	const char *port;
	unsigned int region;
	uint64_t off;
	bool pages;
};

static const struct place nic = {
	"rp_igb2", VFIO_PCI_BAR0_REGION_INDEX, NIC_STATUS, false,
};

static const struct place shm = { SHM_PORT, SHM_REGION, 0, true };

static const struct place *place;
static struct bench_side side;
static struct access_log logs[MAX_THREADS];

/* The BAR where no huge page fits, and the first pages of it touched. */
static void map_small(unsigned int pages)
{
	size_t size = side.user.regions[place->region].size;
	volatile uint8_t *map;
	uintptr_t area;

	area = (uintptr_t)mmap(NULL, size + 2 * HUGE, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	area = ((area + HUGE - 1) & ~(HUGE - 1)) + PAGE;
	map = mmap((void *)area, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		   side.user.device, side.user.regions[place->region].offset);
	REQUIRE(map != MAP_FAILED, "cannot map: %s", strerror(errno));
	side.user.regions[place->region].map = (void *)map;
	for (unsigned int i = 0; i < pages; i++)
		(void)map[i * PAGE];
}

/* The duration of one recovery, in nanoseconds. */
struct cost {
	struct bench kernel, closed, detected, drain, reset, slot_reset;
	struct bench callbacks, share, until_open, until_access, excess;
};

static void add(struct bench *b, double us)
{
	bench_add(b, us > 0 ? us * 1000 + 0.5 : 0);
}

static void recover_once(struct cost *c, unsigned int pages, unsigned int threads)
{
	uint64_t stall = 0, back = 0;
	struct phases ph;
	uint32_t value;
	double ours;

	map_small(pages);
	value = vfio_user_read(&side.user, place->region, place->off, 4);
	memset(logs, 0, sizeof(logs));
	for (unsigned int i = 0; i < threads; i++) {
		logs[i] = (struct access_log) {
			.u = &side.user, .kind = ACCESS_MAP_READ,
			.region = place->region, .off = place->off,
			.value = value, .pause_us = PAUSE_US,
		};
		REQUIRE_OK(access_start(&logs[i]));
	}
	phases_strike(place->port, STATE_MS);
	if (bench_is_shim(&side))
		CHECK(shim_wait(side.shim.group, "open", STATE_MS), "not open");
	sleep_ms(20);
	for (unsigned int i = 0; i < threads; i++)
		access_stop(&logs[i]);
	ph = phases_read();
	vfio_user_unmap(&side.user, place->region);

	CHECK(ph.kernel > 0, "no recovery in the trace");
	add(&c->kernel, ph.kernel);
	if (!bench_is_shim(&side))
		return;
	for (unsigned int i = 0; i < threads; i++) {
		if (logs[i].longest_ns > stall)
			stall = logs[i].longest_ns;
		for (unsigned int s = 0; s < logs[i].nr_stalls; s++)
			if (logs[i].stalls[s].end_ns > back)
				back = logs[i].stalls[s].end_ns;
		CHECK(!logs[i].wrong && !logs[i].ones && !logs[i].faults,
		      "an access went wrong");
	}
	ours = phases_callbacks(&ph);
	add(&c->closed, ph.last[ERROR_DETECTED] - ph.interrupt);
	add(&c->detected, ph.took[ERROR_DETECTED]);
	add(&c->drain, ph.drain);
	add(&c->reset, ph.first[SLOT_RESET] - ph.last[ERROR_DETECTED]);
	add(&c->slot_reset, ph.took[SLOT_RESET]);
	add(&c->callbacks, ours);
	bench_add(&c->share, ours * 10000 / ph.kernel);
	add(&c->until_open, ph.open - ph.first[RESUME]);
	if (back)
		add(&c->until_access, back / 1000.0 - ph.open);
	if (stall)
		add(&c->excess, stall / 1000.0 - ph.kernel);
}

static void say(struct bench *b, const char *unit, const char *what, const char *when)
{
	char metric[64];

	snprintf(metric, sizeof(metric), "recovery_%s%s", what, when);
	if (b->rounds)
		bench_say(b, &side, unit, metric);
}

static void measure_case(unsigned int pages, unsigned int threads)
{
	/* after the first error the user of vfio-pci has lost the device */
	unsigned int rounds = bench_is_shim(&side) ? ROUNDS : 1;
	static struct cost c;
	char when[32];

	memset(&c, 0, sizeof(c));
	for (unsigned int i = 0; i < rounds; i++)
		recover_once(&c, pages, threads);
	if (place->pages) {
		snprintf(when, sizeof(when), "_%u_pages", pages);
		say(&c.detected, "ns", "error_detected", when);
		return;
	}
	snprintf(when, sizeof(when), "_%u_threads", threads);
	say(&c.kernel, "ns", "kernel", when);
	say(&c.closed, "ns", "interrupt_to_closed", when);
	say(&c.detected, "ns", "error_detected", when);
	say(&c.drain, "ns", "drain", when);
	say(&c.reset, "ns", "kernel_reset", when);
	say(&c.slot_reset, "ns", "slot_reset", when);
	say(&c.callbacks, "ns", "callbacks", when);
	say(&c.share, "1/10000", "share", when);
	say(&c.until_open, "ns", "resume_to_open", when);
	say(&c.until_access, "ns", "open_to_access", when);
	say(&c.excess, "ns", "stall_excess", when);
}

static void assign(const char *name, const struct place *at)
{
	place = at;
	bench_open(&side, name, place->port, 0);
}

SCENARIO(recovery_vfio_pci, "how long the kernel's recovery takes", .limit_s = 120)
{
	assign("vfio_pci", &nic);
	measure_case(1, 0);
}

SCENARIO(recovery_resume, "how long the phases of a recovery take", .limit_s = 120)
{
	assign("resume", &nic);
	measure_case(1, 0);
	measure_case(1, 1);
	measure_case(1, 64);
}

SCENARIO(recovery_pages, "what mapped pages add to the closing", .limit_s = 120)
{
	assign("resume", &shm);
	measure_case(1, 0);
	measure_case(64, 0);
	measure_case(4096, 0);
}
