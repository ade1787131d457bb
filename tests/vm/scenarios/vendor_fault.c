// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults in which a parent driver (module/mdev_recovery_vendor.c) does more than insert a
 * page: it looks at the device, or releases the lock of the fault.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "background.h"
#include "clock.h"
#include "mdev.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "task.h"
#include "vendor_user.h"
#include "waiter.h"

#define SETTLE_MS 3000
/* below the bound of a drain */
#define FAULT_MS "500"
#define UNLOCK_MS 3000

static struct vfio_user user;
static struct waiter w = { .u = &user, .kind = WAITER_LOAD, .region = VENDOR_REGION };

static void start(struct shim *s)
{
	vendor_start(s, &user, "resume");
	REQUIRE_OK(waiter_prepare(&w));
}

static void check_ended(const struct shim *s)
{
	REQUIRE(waiter_ended(&w, 2 * SETTLE_MS), "the load does not end");
	CHECK(!w.error && w.value == VENDOR_MAGIC, "it reads %#x, error %d", w.value, w.error);
	vendor_check_gated(s);
}

SCENARIO(vendor_fault_fails,
	 "a parent driver's fault that fails while the gate closes is made again when it is open")
{
	struct shim s;

	start(&s);
	REQUIRE_OK(shim_vendor_set("fault_ms", FAULT_MS));
	REQUIRE_OK(shim_vendor_set("fault_fails", "1"));
	REQUIRE_OK(waiter_start(&w));
	REQUIRE(waiter_in(&w, "vendor_fault", SETTLE_MS), "no fault");
	REQUIRE_OK(strike(&s, VENDOR_PORT, "DLP", "open"));
	check_ended(&s);
	CHECK(shim_vendor_count("fault_fails") == 0, "the fault has not failed");

	/* one that fails at an open gate has failed */
	vfio_user_unmap(&user, VENDOR_REGION);
	REQUIRE_OK(shim_vendor_set("fault_fails", "1"));
	REQUIRE_OK(waiter_prepare(&w));
	waiter_run(&w);
	CHECK(w.error == EFAULT, "it reads %#x, error %d", w.value, w.error);
}

static int removed_in_fault;

static int remove_mdev(const char *uuid)
{
	int ret = mdev_remove(uuid);

	removed_in_fault = task_in(atomic_load(&w.task), "vendor_fault", 0);
	return ret;
}

SCENARIO(vendor_fault_unlocks,
	 "a parent driver's fault releases its lock: the device stays until the fault has ended")
{
	struct background removal = { .call = remove_mdev };
	struct shim s;
	char ms[16];
	void *map;

	start(&s);
	removal.name = s.uuid;
	snprintf(ms, sizeof(ms), "%u", patient_ms(UNLOCK_MS));
	REQUIRE_OK(shim_vendor_set("fault_unlock_ms", ms));
	REQUIRE_OK(waiter_start(&w));
	REQUIRE(waiter_in(&w, "vendor_fault", SETTLE_MS), "no fault");

	/* the load ends in memory that takes the place of the mapping */
	map = mmap(user.regions[VENDOR_REGION].map, 4096, PROT_READ,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		   -1, 0);
	REQUIRE(map == user.regions[VENDOR_REGION].map, "%m");
	user.regions[VENDOR_REGION].map = NULL;
	vfio_user_close(&user);
	background_start(&removal);
	MEASURE("remove_ms", "%ju", background_ms(&removal, 4 * UNLOCK_MS));
	CHECK(!removed_in_fault, "the device is gone, the fault is not");
	REQUIRE_OK(pci_unbind(s.addr));
	REQUIRE(waiter_ended(&w, 2 * UNLOCK_MS), "the load does not end");
	CHECK(!w.error && !w.value, "it reads %#x, error %d", w.value, w.error);
}

SCENARIO(vendor_fault_completes,
	 "a parent driver's fault that releases its lock with the page inserted needs no other try")
{
	struct shim s;

	start(&s);
	REQUIRE_OK(shim_vendor_set("fault_completes", "1"));
	REQUIRE_OK(waiter_start(&w));
	check_ended(&s);
	CHECK(*(volatile uint32_t *)user.regions[VENDOR_REGION].map == VENDOR_MAGIC,
	      "the page is gone");
	/* it is taken away like any other */
	REQUIRE_OK(strike(&s, VENDOR_PORT, "DLP", "open"));
	REQUIRE_OK(waiter_start(&w));
	check_ended(&s);
}
