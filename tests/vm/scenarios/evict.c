// SPDX-License-Identifier: GPL-2.0-only
/*
 * Type evict: the host recovers the function and asks its user to release it; the next
 * user gets a working device.
 */
#include <errno.h>

#include "clock.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "took.h"
#include "vfio_irq.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define MASTER 0x4
#define SETTLE_MS 3000
#define QUIET_MS 50
#define PERIOD_MS 10000

static struct vfio_user user;

SCENARIO(evict_asks_and_heals,
	 "REQ fires and ERR does not; after the close the group is open and a new user works")
{
	struct waiter w = { .u = &user, .kind = WAITER_PREAD, .region = BAR0, .off = NIC_STATUS };
	struct nic_user nic;
	uint32_t status;
	struct shim s;
	int req, err;

	REQUIRE_OK(shim_make(&s, PORT, 0, "evict"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "100"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_REQ_IRQ_INDEX, 1, &req));
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_ERR_IRQ_INDEX, 1, &err));

	REQUIRE_OK(vfio_user_bus_master(&user, true));
	REQUIRE_OK(strike(&s, PORT, "DLP", "evicting"));
	CHECK(vfio_irq_wait(req, SETTLE_MS, NULL), "REQ did not fire");
	CHECK(!vfio_irq_wait(err, QUIET_MS, NULL), "ERR fired");
	CHECK(!(pci_command(s.addr) & MASTER), "it may do DMA: COMMAND is %#x",
	      pci_command(s.addr));
	waiter_run(&w);
	CHECK(!w.error && w.value == ~0u, "error %d, value %#x", w.error, w.value);
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	CHECK(shim_is(s.group, "evicting"), "not evicting any more");
	CHECK(shim_number(s.group, "stats/user_resets") == 0, "a reset was run");

	vfio_user_close(&user);
	CHECK(shim_is(s.group, "open"), "not open after the close");
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS is %#x, was %#x",
	      vfio_user_read(&user, BAR0, NIC_STATUS, 4), status);
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX));
	CHECK_OK(nic_user_interrupt(&nic, SETTLE_MS));
	MEASURE_BOUND("dead_read_ms", w.ns / NS_PER_MS, 100 + 1500);
}

SCENARIO(evict_second_error, "an error while evicting is a new event, and REQ fires again")
{
	uint64_t first, second;
	struct shim s;
	int req;

	REQUIRE_OK(shim_make(&s, PORT, 0, "evict"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_REQ_IRQ_INDEX, 1, &req));
	for (int i = 0; i < 2; i++) {
		second = shim_number(s.group, "event");
		first = i ? second : 0;
		REQUIRE_OK(strike(&s, PORT, "DLP", "evicting"));
		CHECK(vfio_irq_wait(req, SETTLE_MS, NULL), "REQ did not fire");
	}
	second = shim_number(s.group, "event");
	CHECK(second > first, "events %ju and %ju", first, second);
	vfio_user_close(&user);
	CHECK(shim_is(s.group, "open"), "not open after the close");
	MEASURE("ids", "%ju,%ju", first, second);
	MEASURE_RECOVERY("recovery_ms", &s);
}

SCENARIO(evict_asks_again, "a user that stays is asked again, every ten seconds", .limit_s = 60)
{
	struct shim s;
	int req;

	REQUIRE_OK(shim_make(&s, PORT, 0, "evict"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_REQ_IRQ_INDEX, 1, &req));
	REQUIRE_OK(strike(&s, PORT, "DLP", "evicting"));
	CHECK(vfio_irq_wait(req, SETTLE_MS, NULL), "REQ did not fire");
	for (int i = 0; i < 2; i++)
		CHECK(vfio_irq_wait(req, PERIOD_MS + SETTLE_MS, NULL), "REQ did not fire again");
	CHECK(shim_is(s.group, "evicting"), "not evicting any more");
	vfio_user_close(&user);
	CHECK(shim_is(s.group, "open"), "not open after the close");
}
