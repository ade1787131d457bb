// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings that a parent driver (module/mdev_recovery_vendor.c) makes itself: which are
 * refused, how many there may be, and that their faults wait at the gate.
 */
#include <errno.h>
#include <sys/mman.h>

#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "vendor_user.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define SETTLE_MS 3000
/* so many a device may have at a time (MDR_MAX_VMAS), and more than that */
#define MOST_MAPPINGS 4096
#define MANY_MAPPINGS 9000

static struct vfio_user user;

/* How the driver makes this page of its region; see the module. */
enum { GOOD, FILLED, FIXED, STRUCT, MIXED };

static volatile uint32_t *map_page(unsigned int page, int flags)
{
	void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, user.device,
			 user.regions[VENDOR_REGION].offset + 4096 * page);

	return map == MAP_FAILED ? NULL : map;
}

SCENARIO(vendor_mmap,
	 "a mapping that the shim could not take away is refused; one that is filled waits, too")
{
	struct waiter w = { .u = &user, .kind = WAITER_LOAD, .region = VENDOR_REGION };
	struct shim s;
	void *page;

	vendor_start(&s, &user, "resume");
	CHECK(!map_page(FIXED, MAP_SHARED) && errno == EOPNOTSUPP, "without faults: %m");
	CHECK(!map_page(MIXED, MAP_SHARED) && errno == EOPNOTSUPP, "of pages: %m");
	CHECK(!map_page(GOOD, MAP_PRIVATE) && errno == EOPNOTSUPP, "private: %m");
	CHECK(shim_vendor_count("mappings") == 0, "%ld are not closed",
	      shim_vendor_count("mappings"));
	CHECK(klog_count("mmap refused") >= 1, "nothing in the log");

	/* its faults give a page, which nobody could take back: SIGBUS */
	page = (void *)map_page(STRUCT, MAP_SHARED);
	REQUIRE(page, "%m");
	w.u->regions[VENDOR_REGION].map = page;
	REQUIRE_OK(waiter_prepare(&w));
	waiter_run(&w);
	CHECK(w.error == EFAULT, "a page is mapped");
	CHECK(klog_count("fault refused") == 1, "nothing in the log");
	vfio_user_unmap(&user, VENDOR_REGION);

	page = (void *)map_page(FILLED, MAP_SHARED);
	REQUIRE(page, "%m");
	w.u->regions[VENDOR_REGION].map = page;
	REQUIRE_OK(shim_vendor_set("restore_ms", "800"));
	REQUIRE_OK(aer_inject(VENDOR_PORT, "DLP"));
	REQUIRE(shim_wait(s.group, "recovering", SETTLE_MS), "not recovering");
	waiter_run(&w);
	CHECK(!w.error && w.value == VENDOR_MAGIC, "it reads %#x, error %d", w.value, w.error);
	CHECK(w.ns > 100 * NS_PER_MS, "it did not wait");
	CHECK(shim_vendor_count("mappings") == 1, "%ld mappings", shim_vendor_count("mappings"));
	vfio_user_unmap(&user, VENDOR_REGION);
	CHECK(shim_vendor_count("mappings") == 0, "%ld are not closed",
	      shim_vendor_count("mappings"));
	vendor_check_gated(&s);
}

SCENARIO(vendor_mmap_often, "a parent driver's region can be mapped and unmapped without an end")
{
	struct shim s;
	int n;

	vendor_start(&s, &user, "resume");
	for (n = 0; n < MANY_MAPPINGS; n++) {
		user.regions[VENDOR_REGION].map = (void *)map_page(GOOD, MAP_SHARED);
		if (!user.regions[VENDOR_REGION].map)
			break;
		vfio_user_unmap(&user, VENDOR_REGION);
	}
	CHECK(n == MANY_MAPPINGS, "mapping %d: %m", n);
	CHECK(shim_vendor_count("mappings") == 0, "%ld are not closed",
	      shim_vendor_count("mappings"));
}

SCENARIO(vendor_mmap_bounded,
	 "a user cannot have more mappings of a BAR than others, where its driver maps it")
{
	static const size_t two_pages = 8192;
	struct shim s;
	void *pair;
	int n = 1;

	vendor_start(&s, &user, "resume");
	pair = mmap(NULL, two_pages, PROT_READ, MAP_SHARED, user.device,
		    user.regions[BAR0].offset);
	REQUIRE(pair != MAP_FAILED, "%m");
	while (n < 2 * MOST_MAPPINGS && map_page(GOOD, MAP_SHARED))
		n++;
	CHECK(errno == ENOMEM, "%m");
	CHECK(n == MOST_MAPPINGS, "%d mappings", n);
	/* nor by making two of one */
	CHECK(mprotect(pair, two_pages / 2, PROT_NONE) && errno == ENOMEM, "it is split");
	CHECK(munmap(pair, two_pages / 2) && errno == ENOMEM, "it is split by munmap");
	CHECK(!munmap(pair, two_pages), "%m");
	CHECK(map_page(GOOD, MAP_SHARED), "%m");
	CHECK(!map_page(GOOD, MAP_SHARED) && errno == ENOMEM, "one too many");
	REQUIRE_OK(strike(&s, VENDOR_PORT, "DLP", "open"));
	CHECK_NUMBER(s.group, "stats/drain_timeouts", 0);
}

SCENARIO(vendor_mmap_held,
	 "a mapping that its driver fills waits from the start if it is made at a closed gate")
{
	struct waiter w = { .u = &user, .kind = WAITER_LOAD, .region = VENDOR_REGION };
	struct shim s;
	void *page;

	vendor_start(&s, &user, "hold");
	REQUIRE_OK(strike(&s, VENDOR_PORT, "DLP", "holding"));
	page = (void *)map_page(FILLED, MAP_SHARED);
	REQUIRE(page, "%m");
	w.u->regions[VENDOR_REGION].map = page;
	REQUIRE_OK(waiter_start(&w));
	CHECK(waiter_waits(&w, SETTLE_MS), "it does not wait at the gate");
	CHECK(!atomic_load(&w.done), "it reads %#x from a held device", w.value);
	REQUIRE_OK(vfio_user_reset(&user));
	REQUIRE(waiter_ended(&w, SETTLE_MS), "it does not end");
	CHECK(!w.error && w.value == VENDOR_MAGIC, "it reads %#x, error %d", w.value, w.error);
	vfio_user_unmap(&user, VENDOR_REGION);
	vendor_check_gated(&s);
}
