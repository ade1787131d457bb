// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slow devices: functions that do not answer for a while after the reset. The kernel
 * itself waits only for the first function below the port. Behind a switch, that
 * function is the switch.
 */
#include <errno.h>
#include <stdlib.h>

#include "background.h"
#include "client.h"
#include "clock.h"
#include "holder.h"
#include "klog.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "slow.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_irq.h"

/* functions that answer at once: 1 s for the drain, 1 s for the link to come up */
#define BRISK_MS 2000
/* slot_reset, and as long again as the link may take to come up, and a look */
#define LINK_MS 5000
#define RESTORES "/sys/module/mdev_recovery_test/parameters/restores"

static struct client first = { .port = "rp_igb" };
static struct client second = { .port = "rp_igb", .n = 1 };
static struct client a = { .port = "sw_a" }, b = { .port = "sw_b" };

static void two_below_one_port(void)
{
	client_start(&first);
	client_start(&second);
}

/* Behind a switch; what is behind its third port is ours too. */
static void two_behind_a_switch(void)
{
	struct shim parked;

	client_start(&a);
	client_start(&b);
	client_park("sw_c", &parked);
}

static void slow_and_brisk(struct client *slow, struct client *brisk, const char *port,
			   const char *kind, unsigned int ms)
{
	uint64_t begin, back_ms;
	long before;

	REQUIRE_OK(slow_function(slow->s.addr, kind, ms));
	before = slow_accesses();
	begin = now_ms();
	client_strike(brisk, port, "DLP");
	client_check_whole(brisk, BRISK_MS);
	MEASURE_BOUND("other_back_ms", now_ms() - begin, BRISK_MS);
	client_check_whole(slow, ms + BRISK_MS);
	back_ms = now_ms() - begin;
	MEASURE_BOUND("back_ms", back_ms, ms + BRISK_MS);
	CHECK(back_ms >= ms, "back after %ju ms, but silent for %u", back_ms, ms);
	/* the host may take longer for its reset than 0.2 s */
	CHECK(slow_accesses() > before || ms < 1000, "nobody met it while it was silent");
	CHECK(klog_wait("device recovery successful", BRISK_MS, NULL, 0),
	      "the host did not succeed");
	CHECK_NUMBER(slow->s.group, "stats/own_resets", 0);
	REQUIRE_OK(slow_end());
	client_stop(brisk);
	client_stop(slow);
	MEASURE_BOUND("stall_ms", client_stall_ms(slow), ms + BRISK_MS);
	MEASURE_BOUND("others_stall_ms", client_stall_ms(brisk), BRISK_MS);
}

SCENARIO(slow_second_200,
	 "the second function answers after 0.2 s: open, and its user noticed nothing")
{
	two_below_one_port();
	slow_and_brisk(&second, &first, "rp_igb", "ones", 200);
}

SCENARIO(slow_second_1000, "after 1 s: the same, and the first function does not wait for it")
{
	two_below_one_port();
	slow_and_brisk(&second, &first, "rp_igb", "ones", 1000);
}

SCENARIO(slow_second_5000, "after 5 s: the same", .limit_s = 60)
{
	two_below_one_port();
	slow_and_brisk(&second, &first, "rp_igb", "ones", 5000);
}

SCENARIO(slow_nonfatal,
	 "a function that wants a reset for a non-fatal error, and is slow then: open and whole")
{
	client_start(&first);
	client_start(&second);
	/* the kernel waits for the first one by itself */
	REQUIRE_OK(shim_set(&second.s, "nonfatal_action", "reset"));
	REQUIRE_OK(slow_function(second.s.addr, "ones", 1000));
	client_strike(&first, "rp_igb", "POISON_TLP");
	client_check_whole(&second, 1000 + LINK_MS);
	client_check_whole(&first, BRISK_MS);
	REQUIRE_OK(slow_end());
	client_stop(&second);
	client_stop(&first);
}

SCENARIO(slow_rrs, "a function that answers RRS for 1 s is no other")
{
	two_below_one_port();
	slow_and_brisk(&second, &first, "rp_igb", "rrs", 1000);
}

SCENARIO(slow_first, "for the first function the kernel waits by itself: all go on")
{
	long before;

	two_below_one_port();
	REQUIRE_OK(slow_function(first.s.addr, "ones", 1000));
	before = slow_accesses();
	client_strike(&first, "rp_igb", "DLP");
	client_check_whole(&first, 2 * BRISK_MS);
	client_check_whole(&second, BRISK_MS);
	CHECK(slow_accesses() > before, "nobody met it while it was silent");
	REQUIRE_OK(slow_end());
	client_stop(&first);
	client_stop(&second);
	MEASURE_BOUND("stall_ms", client_stall_ms(&first), 1000 + BRISK_MS);
}

SCENARIO(slow_behind_switch, "behind a switch one of two groups is slow: the other opens in time")
{
	two_behind_a_switch();
	slow_and_brisk(&a, &b, "rp_switch", "ones", 3000);
}

SCENARIO(slow_two, "two that are slow at the same time: the stall is the longer one, not the sum",
	 .limit_s = 60)
{
	two_behind_a_switch();
	REQUIRE_OK(slow_function(a.s.addr, "ones", 4000));
	REQUIRE_OK(slow_function(b.s.addr, "ones", 5000));
	client_strike(&a, "rp_switch", "DLP");
	client_check_whole(&a, 4000 + BRISK_MS);
	client_check_whole(&b, 5000 + BRISK_MS);
	REQUIRE_OK(slow_end());
	client_stop(&a);
	client_stop(&b);
	MEASURE_BOUND("stall_ms", client_stall_ms(&a), 4000 + BRISK_MS);
	MEASURE_BOUND("longer_stall_ms", client_stall_ms(&b), 5000 + BRISK_MS);
}

SCENARIO(slow_30_s, "30 s, with a recovery_timeout_ms that allows for it: open", .limit_s = 90)
{
	two_below_one_port();
	REQUIRE_OK(shim_set(&second.s, "recovery_timeout_ms", "50000"));
	slow_and_brisk(&second, &first, "rp_igb", "ones", 30000);
}

SCENARIO(slow_too_slow,
	 "slower than recovery_timeout_ms: failed in time, ERR once and last; recover heals")
{
	uint64_t begin;
	long restores;

	second.test = true;
	two_below_one_port();
	REQUIRE_OK(shim_set(&second.s, "recovery_timeout_ms", "3000"));
	REQUIRE_OK(slow_function(second.s.addr, "ones", 600000));
	begin = now_ms();
	client_strike(&first, "rp_igb", "DLP");
	client_check_whole(&first, BRISK_MS);
	client_check_lost(&second, 3000 + BRISK_MS);
	MEASURE_BOUND("failed_after_ms", now_ms() - begin, 3000 + BRISK_MS);
	CHECK(now_ms() - begin >= 2900, "failed after %ju ms of 3000", now_ms() - begin);
	/* answers again, but too late: ERR was the last word */
	restores = sysfs_read_number(RESTORES);
	REQUIRE(restores >= 0, "no count: %ld", restores);
	REQUIRE_OK(slow_end());
	sleep_ms(1000);
	CHECK(sysfs_read_number(RESTORES) == restores, "something was tried after ERR");
	CHECK(shim_is(second.s.group, "failed"), "not failed any more");
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", second.s.group));
	CHECK(shim_is(second.s.group, "open"), "not open after recover");
	client_stop(&first);
	client_stop_lost(&second);
}

SCENARIO(slow_new_error, "a new error while the shim waits for a slow function begins anew",
	 .limit_s = 60)
{
	uint64_t begin, event;

	two_behind_a_switch();
	REQUIRE_OK(slow_function(a.s.addr, "ones", 4000));
	begin = now_ms();
	client_strike(&a, "rp_switch", "DLP");
	client_check_whole(&b, BRISK_MS);
	event = shim_number(a.s.group, "event");
	CHECK(!shim_is(a.s.group, "open"), "open already");
	client_strike(&a, "rp_switch", "DLP");
	client_check_whole(&b, BRISK_MS);
	client_check_whole(&a, 4000 + BRISK_MS);
	/* it was blank already, so the second reset does not make it silent anew */
	CHECK(now_ms() - begin >= 4000, "open %ju ms after the first error", now_ms() - begin);
	CHECK(shim_number(a.s.group, "event") == event + 1, "event is %ju after %ju",
	      shim_number(a.s.group, "event"), event);
	REQUIRE_OK(slow_end());
	client_stop(&a);
	client_stop(&b);
}

SCENARIO(slow_unbind,
	 "a slow function can be unbound while the shim waits for it, within the bound")
{
	struct background unbind = { .call = pci_unbind };
	struct shim s, parked;

	REQUIRE_OK(shim_make(&s, "sw_a", 0, "resume"));
	REQUIRE_OK(shim_set(&s, "revoke", "kill"));
	REQUIRE_OK(shim_set(&s, "revoke_timeout_ms", "500"));
	REQUIRE(holder_fork(GRIP_FILE, s.uuid) > 0, "no holder");
	client_start(&b);
	client_park("sw_c", &parked);
	REQUIRE_OK(slow_function(s.addr, "ones", 20000));
	client_strike(&b, "rp_switch", "DLP");
	client_check_whole(&b, BRISK_MS);
	CHECK(!shim_is(s.group, "open") && !shim_is(s.group, "failed"),
	      "the shim does not wait for it");
	unbind.name = s.addr;
	background_start(&unbind);
	MEASURE_BOUND("unbind_ms", background_ms(&unbind, 500 + BRISK_MS), 500 + BRISK_MS);
	client_stop(&b);
}

SCENARIO(slow_outside_reset,
	 "a reset from outside while the shim waits for a slow function: closed until it is over")
{
	struct client quick = { .port = "rp_e1000e", .test = true };
	struct client slow = { .port = "rp_e1000e", .n = 1, .with = &quick };
	struct background reset = { .call = pci_reset };

	client_start(&quick);
	client_start(&slow);
	REQUIRE_OK(slow_function(slow.s.addr, "ones", 2000));
	client_strike(&quick, "rp_e1000e", "DLP");
	REQUIRE(klog_wait("device recovery successful", BRISK_MS, NULL, 0), "no success");
	CHECK(!shim_is(quick.s.group, "open"), "the slow one was faster: nothing is shown");
	REQUIRE_OK(shim_test_set("reset_done_ms", "4000"));
	reset.name = quick.s.addr;
	background_start(&reset);
	REQUIRE(background_in(&reset, "test_reset_done", BRISK_MS), "no reset");
	CHECK(!WAIT_FOR(shim_is(quick.s.group, "open"), 3000 / patience),
	      "open in the middle of the reset");
	CHECK(!atomic_load(&reset.done), "the reset was faster: nothing is shown");
	background_ms(&reset, 3 * BRISK_MS);
	CHECK_OK(reset.ret);
	REQUIRE_OK(shim_test_set("reset_done_ms", "0"));
	client_check_whole(&quick, BRISK_MS);
	client_check_whole(&slow, BRISK_MS);
	REQUIRE_OK(slow_end());
	client_stop(&quick);
	client_stop(&slow);
}

SCENARIO(slow_after_outside_reset,
	 "the PCI core gives up on a function in a reset from outside: closed until it is back")
{
	struct client alone = { .port = "rp_igb2" };

	client_start(&alone);
	REQUIRE_OK(sysfs_write("flr", "/sys/bus/pci/devices/%s/reset_method", alone.s.addr));
	REQUIRE_OK(slow_give_up(100));
	REQUIRE_OK(slow_function(alone.s.addr, "late", 1500));
	CHECK(pci_reset(alone.s.addr), "the PCI core waits for it: nothing is shown");
	CHECK(!shim_is(alone.s.group, "open"), "open, and silent");
	client_check_whole(&alone, 1500 + LINK_MS);
	client_stop(&alone);
	REQUIRE_OK(slow_end());
	REQUIRE_OK(sysfs_write("default", "/sys/bus/pci/devices/%s/reset_method", alone.s.addr));
}

SCENARIO(slow_before_outside_reset,
	 "a function that was silent before a reset from outside has its registers afterwards")
{
	struct client alone = { .port = "rp_igb2" };

	client_start(&alone);
	REQUIRE_OK(vfio_user_bus_master(&alone.u, true));
	alone.command = pci_command(alone.s.addr);
	REQUIRE_OK(sysfs_write("bus", "/sys/bus/pci/devices/%s/reset_method", alone.s.addr));
	REQUIRE_OK(slow_function(alone.s.addr, "now", 500));
	CHECK_OK(pci_reset(alone.s.addr));
	client_check_whole(&alone, BRISK_MS);
	client_stop_lost(&alone);
	REQUIRE_OK(slow_end());
	REQUIRE_OK(sysfs_write("default", "/sys/bus/pci/devices/%s/reset_method", alone.s.addr));
}

SCENARIO(slow_silent_alone,
	 "silent for good, alone on its bus: failed, no reset waits for it, later errors do not",
	 .limit_s = 60)
{
	struct shim parked;

	client_start(&a);
	client_start(&b);
	client_park("sw_c", &parked);
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", "2000"));
	REQUIRE_OK(slow_function(a.s.addr, "ones", 600000));
	client_strike(&b, "rp_switch", "DLP");
	client_check_whole(&b, BRISK_MS);
	client_check_lost(&a, 2000 + BRISK_MS);
	client_strike(&b, "rp_switch", "DLP");
	client_check_whole(&b, BRISK_MS);
	CHECK(!klog_count("after bus reset"), "the PCI core waits for it");
	REQUIRE_OK(slow_end());
	client_stop(&b);
	client_stop_lost(&a);
}

/* the PCI core waits for the first function of a bus, so close the first one first */
static struct client pair[] = {
	{ .port = "rp_e1000e", .n = 1 }, { .port = "rp_e1000e", .with = &pair[0] },
};

static int close_last(const char *name)
{
	(void)name;
	vfio_user_close(&pair[0].u);
	return 0;
}

SCENARIO(slow_silent_close,
	 "both functions of a group are silent: closing them does not wait for them",
	 .limit_s = 200)
{
	struct background closing = { .call = close_last, .name = "both" };

	for (int i = 0; i < 2; i++)
		client_start(&pair[i]);
	for (int i = 0; i < 2; i++) {
		access_stop(&pair[i].log);
		REQUIRE_OK(slow_function(pair[i].s.addr, "ones", 600000));
		REQUIRE_OK(pci_config_write(pair[i].s.addr, 0x04, 2, 0));
		REQUIRE(WAIT_FOR(pci_command(pair[i].s.addr) == 0xffff, BRISK_MS), "it answers");
	}
	vfio_user_close(&pair[1].u);
	background_start(&closing);
	MEASURE_BOUND("closed_ms", background_ms(&closing, 150000), BRISK_MS);
	REQUIRE_OK(slow_end());
	REQUIRE_OK(vfio_user_open(&pair[0].u, pair[0].s.uuid));
	CHECK(vfio_user_read(&pair[0].u, VFIO_PCI_BAR0_REGION_INDEX, NIC_STATUS, 4) ==
	      pair[0].log.value, "STATUS changed");
}

#define OPEN_PORT "rp_igb2"
#define GIVES_UP_MS 500
#define BACK_MS 3000

/* What the BAR of a whole function contains. */
static uint32_t given_bar0(const char *addr)
{
	char text[24];
	int n = sysfs_read(text, sizeof(text), "/sys/bus/pci/devices/%s/resource", addr);

	REQUIRE(n > 0, "no resource");
	return strtoull(text, NULL, 16);
}

/* How often the kernel found it silent in a function reset; 7.3 looks before it waits. */
static unsigned int given_up(void)
{
	return klog_count("after FLR; giving up") + klog_count("unable to FLR");
}

SCENARIO(slow_dies_in_open,
	 "a device that dies in the reset of an open: EIO; what a later error restores is whole")
{
	struct vfio_user user;
	struct shim s;
	uint32_t bar;
	int ret;

	REQUIRE_OK(shim_make(&s, OPEN_PORT, 0, "resume"));
	REQUIRE_OK(sysfs_write("flr", "/sys/bus/pci/devices/%s/reset_method", s.addr));
	REQUIRE_OK(slow_give_up(GIVES_UP_MS));
	REQUIRE_OK(slow_function(s.addr, "ones", 600000));
	ret = vfio_user_open(&user, s.uuid);
	CHECK(ret == -EIO, "open gives %d", ret);
	REQUIRE(given_up() == 1, "it did not die in the reset");
	if (ret)
		CHECK_ERRNO(vfio_user_open(&user, s.uuid), EIO);
	CHECK(given_up() == 1, "it was reset once more");
	REQUIRE_OK(slow_end());
	REQUIRE_OK(sysfs_write("default", "/sys/bus/pci/devices/%s/reset_method", s.addr));
	/* without the check the first user has it */
	if (ret)
		REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(strike(&s, OPEN_PORT, "DLP", "open"));
	bar = pci_config_read(s.addr, 0x10, 4) & ~0xfU;
	CHECK(bar == given_bar0(s.addr), "BAR 0 is %#x, not %#x", bar, given_bar0(s.addr));
	CHECK(nic_status(&user) != UINT32_MAX, "STATUS is all-ones");
}

SCENARIO(slow_back_in_open,
	 "it comes back before the open ends: EIO as well, and it keeps its BARs")
{
	struct vfio_user user;
	struct shim s;
	uint32_t bar;

	/* with a neighbour that is not ours vfio-pci-core does not reset the bus as well */
	REQUIRE_OK(shim_bind_test(&s, "rp_igb", 0));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(sysfs_write("flr", "/sys/bus/pci/devices/%s/reset_method", s.addr));
	REQUIRE_OK(slow_give_up(GIVES_UP_MS));
	/* the parent driver's hooks, which are due after a reset, wait for it */
	REQUIRE_OK(slow_function(s.addr, "ones", BACK_MS));
	CHECK_ERRNO(vfio_user_open(&user, s.uuid), EIO);
	REQUIRE(given_up() == 1, "it did not die in the reset");
	bar = pci_config_read(s.addr, 0x10, 4) & ~0xfU;
	CHECK(bar == given_bar0(s.addr), "BAR 0 is %#x, not %#x", bar, given_bar0(s.addr));
	REQUIRE_OK(slow_end());
	REQUIRE_OK(sysfs_write("default", "/sys/bus/pci/devices/%s/reset_method", s.addr));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	CHECK(nic_status(&user) != UINT32_MAX, "STATUS is all-ones");
}

SCENARIO(slow_link_down,
	 "the link stays down after the reset: failed at once, whatever recovery_timeout_ms says")
{
	struct client c = { .port = "rp_igb2", .test = true };
	uint64_t begin;
	long resets;

	client_start(&c);
	REQUIRE_OK(shim_set(&c.s, "recovery_timeout_ms", "20000"));
	resets = shim_test_count("slot_resets");
	REQUIRE_OK(shim_test_set("slot_reset_ms", "1000"));
	REQUIRE_OK(shim_test_set("restore_fails", "1"));
	client_strike(&c, "rp_igb2", "DLP");
	/* the kernel has waited for the link by then */
	REQUIRE(WAIT_FOR(shim_test_count("slot_resets") > resets, BRISK_MS), "no slot_reset");
	REQUIRE_OK(slow_function(pci_port_addr("rp_igb2"), "down", 60000));
	begin = now_ms();
	client_check_lost(&c, LINK_MS);
	MEASURE_BOUND("failed_ms", now_ms() - begin, LINK_MS);
	REQUIRE(klog_wait("device recovery successful", BRISK_MS, NULL, 0),
		"the host is not done");
	CHECK_ERRNO(sysfs_write("1", SHIM_CLASS "/group%d/recover", c.s.group), ENOLINK);
	REQUIRE_OK(slow_end());
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", c.s.group));
	CHECK(shim_is(c.s.group, "open"), "not open after recover");
	client_stop_lost(&c);
}

/* in slot_reset, and again in resume; together longer than TIGHT_MS */
#define LATE_HOST "1000"
#define TIGHT_MS "2000"

SCENARIO(slow_after_slow_host,
	 "the host is done later than recovery_timeout_ms, but goes on; then a slow function: open")
{
	first.test = true;
	two_below_one_port();
	REQUIRE_OK(shim_set(&second.s, "recovery_timeout_ms", TIGHT_MS));
	REQUIRE_OK(shim_test_set("slot_reset_ms", LATE_HOST));
	REQUIRE_OK(shim_test_set("resume_ms", LATE_HOST));
	REQUIRE_OK(slow_function(second.s.addr, "ones", 2700));
	client_strike(&second, "rp_igb", "DLP");
	client_check_whole(&second, 2700 + BRISK_MS);
	CHECK_NUMBER(second.s.group, "stats/own_resets", 0);
	CHECK_NUMBER(second.s.group, "stats/failures", 0);
	client_check_whole(&first, BRISK_MS);
	REQUIRE_OK(slow_end());
	client_stop(&second);
	client_stop(&first);
}
