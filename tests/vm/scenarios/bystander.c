// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other threads of a process that has one thread waiting at a closed gate: the waiter
 * holds no lock of the address space.
 */
#include <sys/mman.h>

#include "clock.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define ROUNDS 200
#define PAGE 4096
/* the waiter waits for ten times as long */
#define NOT_DELAYED_MS 2000
/* the waiter waits for all of that, and for a reset */
#define WAITER_MS (3 * NOT_DELAYED_MS + 3000)

static struct vfio_user user, other;

static void note_time(uint64_t *longest, uint64_t start)
{
	uint64_t took = now_ns() - start;

	if (took > *longest)
		*longest = took;
}

/* The longest of many mmap(), first touch and munmap(), in nanoseconds. */
static uint64_t use_anonymous(void)
{
	uint64_t longest = 0, start;
	volatile char *p;

	for (int i = 0; i < ROUNDS; i++) {
		start = now_ns();
		p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		REQUIRE(p != MAP_FAILED, "mmap");
		p[PAGE] = 1;
		munmap((void *)p, 4 * PAGE);
		note_time(&longest, start);
	}
	return longest;
}

/* The same for a BAR; touched only if its group is open. */
static uint64_t use_bar(struct vfio_user *u, bool touch)
{
	uint64_t longest = 0, start;
	volatile uint32_t *p;

	for (int i = 0; i < ROUNDS; i++) {
		start = now_ns();
		p = vfio_user_map(u, BAR0);
		REQUIRE(p, "mmap of a BAR");
		if (touch)
			CHECK(p[NIC_STATUS / 4] != ~0u, "the open group reads all-ones");
		vfio_user_unmap(u, BAR0);
		note_time(&longest, start);
	}
	return longest;
}

SCENARIO(bystander_maps_and_faults,
	 "while one thread waits in a fault, others map, unmap and fault undisturbed")
{
	struct waiter w = { .u = &user, .kind = WAITER_LOAD, .region = BAR0, .off = NIC_STATUS };
	uint64_t memory, open_bar, closed_bar;
	struct vfio_user mapper;
	struct shim closed, open;
	uint32_t status;

	REQUIRE_OK(shim_make(&closed, "rp_igb2", 0, "hold"));
	REQUIRE_OK(shim_make(&open, "rp_igb", 0, "resume"));
	REQUIRE_OK(shim_set(&closed, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, closed.uuid));
	REQUIRE_OK(vfio_user_open(&other, open.uuid));
	status = nic_status(&user);

	REQUIRE_OK(strike(&closed, "rp_igb2", "DLP", "holding"));
	REQUIRE_OK(waiter_start(&w));
	REQUIRE(waiter_waits(&w, 3000), "the load does not wait");
	memory = use_anonymous();
	open_bar = use_bar(&other, true);
	/* not the waiter's mapping, but another one */
	mapper = user;
	mapper.regions[BAR0].map = NULL;
	closed_bar = use_bar(&mapper, false);
	CHECK(waiter_waits(&w, 0), "the load ended meanwhile");

	MEASURE_BOUND("memory_ms", memory / NS_PER_MS, NOT_DELAYED_MS);
	MEASURE_BOUND("open_bar_ms", open_bar / NS_PER_MS, NOT_DELAYED_MS);
	MEASURE_BOUND("closed_bar_ms", closed_bar / NS_PER_MS, NOT_DELAYED_MS);
	REQUIRE_OK(vfio_user_reset(&user));
	REQUIRE(waiter_ended(&w, 3000), "the load does not end");
	CHECK(w.value == status, "STATUS is %#x, was %#x", w.value, status);
	MEASURE_BOUND("waiter_ms", w.ns / NS_PER_MS, WAITER_MS);
}
