// SPDX-License-Identifier: GPL-2.0-only
/* Opens, closes and removals in the middle of a recovery. */
#include <errno.h>

#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "hot_reset.h"
#include "mdev.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "task.h"
#include "vfio_irq.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define SETTLE_MS 3000
/* how long the host stays in a recovery, what of that is left, what a close adds */
#define SLOW "600"
#define SLOW_MS 600
#define LEFT_MS 300
#define LATE_MS 1500

static struct vfio_user user, other;
static uint32_t status;

static void open_works(struct shim *s)
{
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS is %#x, was %#x",
	      vfio_user_read(&user, BAR0, NIC_STATUS, 4), status);
}

static void start(struct shim *s, const char *policy)
{
	REQUIRE_OK(shim_bind_test(s, PORT, 0));
	REQUIRE_OK(shim_create(s, policy));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	status = nic_status(&user);
}

SCENARIO(lifetime_close_during_recovery,
	 "the last close waits for the recovery's end, and the next user gets a whole device")
{
	struct shim s;
	uint64_t ms;

	start(&s, "resume");
	REQUIRE_OK(strike_slow(&s, PORT, SLOW));
	ms = now_ms();
	vfio_user_close(&user);
	ms = now_ms() - ms;
	CHECK(ms >= LEFT_MS, "closed after %ju ms", ms);
	MEASURE_BOUND("close_ms", ms, SLOW_MS + LATE_MS);
	CHECK(shim_is(s.group, "open"), "not open after the close");
	CHECK(shim_number(s.group, "stats/recoveries") == 1, "it did not end");
	open_works(&s);
}

SCENARIO(lifetime_open_during_recovery,
	 "an open during a recovery waits for its end, and then works")
{
	struct shim s;
	uint64_t ms;

	start(&s, "resume");
	vfio_user_close(&user);
	REQUIRE_OK(strike_slow(&s, PORT, SLOW));
	ms = now_ms();
	open_works(&s);
	ms = now_ms() - ms;
	CHECK(ms >= LEFT_MS, "open after %ju ms", ms);
	MEASURE_BOUND("open_ms", ms, SLOW_MS + LATE_MS);
	CHECK(shim_number(s.group, "stats/recoveries") == 1, "it did not end");
}

SCENARIO(lifetime_open_while_holding,
	 "while another function of the group is held an open gives EBUSY")
{
	struct shim held, s;

	REQUIRE_OK(shim_make(&held, "rp_e1000e", 0, "hold"));
	REQUIRE_OK(shim_make(&s, "rp_e1000e", 1, "resume"));
	REQUIRE_OK(vfio_user_open(&user, held.uuid));
	REQUIRE_OK(strike(&held, "rp_e1000e", "DLP", "holding"));
	CHECK_ERRNO(vfio_user_open_in(&other, s.uuid, user.space), EBUSY);
	CHECK(shim_is(held.group, "holding"), "not holding any more");
	REQUIRE_OK(vfio_user_reset(&user));
	REQUIRE_OK(vfio_user_open_in(&other, s.uuid, user.space));
	nic_status(&other);
}

SCENARIO(lifetime_open_while_evicting,
	 "while another function of the group is to be released an open gives EBUSY, at once")
{
	struct shim evicted, s;
	uint64_t begin;

	REQUIRE_OK(shim_make(&evicted, "rp_e1000e", 0, "evict"));
	REQUIRE_OK(shim_make(&s, "rp_e1000e", 1, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, evicted.uuid));
	REQUIRE_OK(strike(&evicted, "rp_e1000e", "DLP", "evicting"));
	begin = now_ms();
	CHECK_ERRNO(vfio_user_open_in(&other, s.uuid, user.space), EBUSY);
	MEASURE_BOUND("open_ms", now_ms() - begin, LATE_MS);
	CHECK(shim_is(evicted.group, "evicting"), "not evicting any more");
	vfio_user_close(&user);
	CHECK(shim_is(evicted.group, "open"), "not open after the close");
	REQUIRE_OK(vfio_user_open(&other, s.uuid));
	nic_status(&other);
}

SCENARIO(lifetime_remove_unused_during_recovery,
	 "an mdev that is not open can be removed during a recovery, which then ends")
{
	struct shim s;
	uint64_t ms;

	start(&s, "resume");
	vfio_user_close(&user);
	REQUIRE_OK(strike_slow(&s, PORT, SLOW));
	ms = now_ms();
	CHECK_OK(mdev_remove(s.uuid));
	MEASURE_BOUND("remove_ms", now_ms() - ms, SLOW_MS + LATE_MS);
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "the recovery does not end");
	REQUIRE_OK(shim_create(&s, "hold"));
	open_works(&s);
}

SCENARIO(lifetime_remove_used_during_recovery,
	 "an mdev removed during a recovery is recovered for its user, which is asked to leave")
{
	struct waiter w = { .u = &user, .kind = WAITER_LOAD, .region = BAR0, .off = NIC_STATUS };
	struct background r = { .call = mdev_remove };
	struct shim s;
	int req;

	start(&s, "resume");
	r.name = s.uuid;
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_REQ_IRQ_INDEX, 1, &req));
	REQUIRE_OK(waiter_prepare(&w));
	REQUIRE_OK(strike_slow(&s, PORT, SLOW));
	REQUIRE_OK(waiter_start(&w));
	CHECK(waiter_waits(&w, SETTLE_MS), "the load does not wait");
	background_start(&r);
	CHECK(vfio_irq_wait(req, SETTLE_MS, NULL), "REQ did not fire");
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "the recovery does not end");
	REQUIRE(waiter_ended(&w, SETTLE_MS), "the load does not end");
	CHECK(w.value == status, "STATUS is %#x, was %#x", w.value, status);
	CHECK(!atomic_load(&r.done), "the removal did not wait for the user: %d", r.ret);

	vfio_user_close(&user);
	background_ms(&r, SETTLE_MS);
	CHECK(mdev_remove(s.uuid) < 0, "the mdev is still there");
	REQUIRE_OK(shim_create(&s, "resume"));
	open_works(&s);
	MEASURE_BOUND("stall_ms", w.ns / NS_PER_MS, SLOW_MS + LATE_MS);
}

SCENARIO(lifetime_unbind_during_recovery,
	 "a function is unbound during a recovery; the one next to it recovers")
{
	struct shim s[2];
	uint64_t ms;

	REQUIRE_OK(shim_make(&s[0], "rp_igb", 0, "resume"));
	/* after its neighbour's slot_reset nobody holds the function */
	REQUIRE_OK(shim_bind_test(&s[1], "rp_igb", 1));
	REQUIRE_OK(shim_create(&s[1], "resume"));
	REQUIRE_OK(vfio_user_open(&user, s[1].uuid));
	status = nic_status(&user);
	REQUIRE_OK(strike_slow(&s[1], "rp_igb", SLOW));
	REQUIRE(shim_is(s[0].group, "recovering"), "not recovering");
	ms = now_ms();
	CHECK_OK(pci_unbind(s[0].addr));
	MEASURE_BOUND("unbind_ms", now_ms() - ms, SLOW_MS + LATE_MS);
	CHECK(shim_wait(s[1].group, "open", SETTLE_MS), "the recovery does not end");
	MEASURE_BOUND("recovery_ms", shim_recovery_ms(s[1].group), SLOW_MS + LATE_MS);
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

static int hot_reset_user(const char *name)
{
	(void)name;
	return hot_reset(&user);
}

SCENARIO(lifetime_unbind_before_hot_reset,
	 "a parked neighbour that is unbound while a hot reset waits is left out of it")
{
	struct background r = { .call = pci_reset }, hot = { .call = hot_reset_user };
	struct shim s, parked;

	REQUIRE_OK(shim_bind_test(&s, "rp_igb", 0));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(shim_make(&parked, "rp_igb", 1, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	/* its group stays the user's, else the hot reset would be refused at once */
	REQUIRE_OK(vfio_user_open_in(&other, parked.uuid, user.space));
	close(other.device);
	other.device = -1;
	status = vfio_user_read(&user, BAR0, NIC_STATUS, 4);

	/* a reset from outside, which the hot reset has to wait for */
	REQUIRE_OK(shim_test_set("reset_done_ms", "1500"));
	r.name = s.addr;
	background_start(&r);
	REQUIRE(shim_wait(s.group, "resetting", SETTLE_MS), "no reset");
	background_start(&hot);
	REQUIRE(background_in(&hot, "mdr_reset_enter", SETTLE_MS), "it does not wait");
	REQUIRE_OK(pci_unbind(parked.addr));
	CHECK(!sysfs_exists(SHIM_CLASS "/group%d", parked.group), "the group is there");
	CHECK(!atomic_load(&hot.done), "the hot reset did not wait: %d", hot.ret);

	background_ms(&r, SETTLE_MS);
	CHECK(WAIT_FOR(atomic_load(&hot.done), SETTLE_MS), "the hot reset does not end");
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "not open afterwards");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	/* vfio-pci-core resets no bus with a function that it does not know */
	MEASURE("hot_reset", "%d", hot.ret);
}
