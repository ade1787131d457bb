// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions that the platform gives up without a recovery, and what an abandoned
 * recovery leaves behind in the kernel.
 */
#include <errno.h>

#include "client.h"
#include "clock.h"
#include "klog.h"
#include "module.h"
#include "monitor.h"
#include "nic_user.h"
#include "resets.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_user.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
/* two functions, a group each */
#define PAIR_PORT "rp_igb"
#define SETTLE_MS 5000
#define QUIET_MS 100
/* pci_channel_state_t */
#define NORMAL 1
#define FROZEN 2

static struct vfio_user user;

SCENARIO(given_up_next_event,
	 "given up out of the blue, then an error: an id each, old acknowledgements do not count")
{
	uint64_t event;
	uint32_t status;
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "hold"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	REQUIRE_OK(vfio_user_reset(&user));
	REQUIRE(shim_is(s.group, "open"), "not open after the reset");
	event = shim_number(s.group, "event");

	/* a function that is whole is not given up */
	REQUIRE_OK(pci_config_lose(s.addr));
	REQUIRE_OK(resets_give_up(s.addr));
	CHECK(shim_is(s.group, "failed"), "not failed");
	CHECK_NUMBER(s.group, "event", event + 1);
	/* the host recovers it all the same */
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	CHECK_NUMBER(s.group, "event", event + 2);
	sleep_ms(QUIET_MS);
	CHECK(shim_is(s.group, "holding"), "an old reset has acknowledged the new event");
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(shim_is(s.group, "open"), "not open after the new reset");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

static void check_channel(const char *what, const char *addr, long expected)
{
	long channel;

	REQUIRE_OK(resets_watch(addr));
	channel = resets_seen("channel");
	REQUIRE_OK(resets_watch("none"));
	CHECK(channel == expected, "%s is in state %ld for the kernel, not %ld", what, channel,
	      expected);
}

SCENARIO(given_up_function_channel,
	 "after an own recovery: the function is reachable to the kernel, and a blocker once bound")
{
	char blocker[PCI_ADDR_LEN];
	struct shim s;

	REQUIRE_OK(shim_make(&s, "rp_igb", 0, "resume"));
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "1000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(pci_below("rp_igb", 1, blocker));
	REQUIRE_OK(aer_inject("rp_igb", "DLP"));
	REQUIRE(klog_wait("device recovery failed", SETTLE_MS, NULL, 0), "not abandoned");
	REQUIRE(WAIT_FOR(shim_number(s.group, "stats/own_resets"), SETTLE_MS), "no own attempt");
	CHECK(shim_is(s.group, "open"), "not open");
	check_channel("the blocker", blocker, FROZEN);
	check_channel("the function", s.addr, NORMAL);
	/* bound, it is as good as new */
	REQUIRE_OK(pci_bind(blocker, "mdr-pci"));
	check_channel("the blocker, bound", blocker, NORMAL);
}

SCENARIO(given_up_bridge_channel,
	 "after a reset of the host that failed: the bridges above a function that is back, too",
	 .limit_s = 60)
{
	static struct client a = { .port = "sw_a", .test = true };
	struct shim parked;
	int ret;

	client_start(&a);
	client_park("sw_b", &parked);
	client_park("sw_c", &parked);
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", "2000"));
	ret = shim_test_recover("rp_switch", "frozen", "fail", 0);
	if (ret == -EOPNOTSUPP)
		SKIP("nothing finds pcie_do_recovery()");
	REQUIRE_OK(ret);
	REQUIRE(klog_wait("device recovery failed", SETTLE_MS, NULL, 0), "the host succeeds");
	/* 6.12 does not say that it gives up */
	REQUIRE(WAIT_FOR(shim_is(a.s.group, "failed") ||
			 shim_number(a.s.group, "stats/own_resets"), SETTLE_MS), "not decided");
	if (shim_is(a.s.group, "failed"))
		REQUIRE_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", a.s.group));
	CHECK(shim_wait(a.s.group, "open", SETTLE_MS), "not open");
	check_channel("the function", a.s.addr, NORMAL);
	check_channel("its port", pci_port_addr("sw_a"), NORMAL);
	check_channel("the switch", pci_port_addr("sw_up"), NORMAL);
	client_stop_lost(&a);
}

SCENARIO(given_up_after_reset,
	 "the host gives up after its reset, for another function: ours is not reset again")
{
	struct client whole = { .port = PAIR_PORT };
	char lost[PCI_ADDR_LEN];
	long resets;

	REQUIRE_OK(module_load("mdev_recovery_stub"));
	REQUIRE_OK(resets_load());
	REQUIRE_OK(pci_below(PAIR_PORT, 1, lost));
	REQUIRE_OK(pci_bind(lost, "mdr-stub-lost"));
	client_start(&whole);
	/* 6.12 does not say that it gives up */
	REQUIRE_OK(shim_set(&whole.s, "recovery_timeout_ms", "2000"));
	resets = resets_seen("flrs") + resets_seen("resets");
	REQUIRE_OK(aer_inject(PAIR_PORT, "DLP"));
	REQUIRE(klog_wait("device recovery failed", SETTLE_MS, NULL, 0), "host not done");
	client_check_whole(&whole, SETTLE_MS);
	CHECK(resets_seen("flrs") + resets_seen("resets") == resets + 1, "%ld resets, not one",
	      resets_seen("flrs") + resets_seen("resets") - resets);
	CHECK_NUMBER(whole.s.group, "stats/failures", 0);
	client_stop(&whole);
}

SCENARIO(given_up_no_resume,
	 "the host never comes back after slot_reset: no reset can follow, so open, without ERR")
{
	struct client whole = { .port = PORT, .test = true };
	long resets;

	REQUIRE_OK(resets_load());
	client_start(&whole);
	REQUIRE_OK(shim_set(&whole.s, "recovery_timeout_ms", "1000"));
	REQUIRE_OK(shim_test_set("drop_resume", "1"));
	resets = resets_seen("flrs") + resets_seen("resets");
	client_strike(&whole, PORT, "DLP");
	client_check_whole(&whole, SETTLE_MS);
	CHECK(resets_seen("flrs") + resets_seen("resets") == resets + 1, "%ld resets, not one",
	      resets_seen("flrs") + resets_seen("resets") - resets);
	/* and the next error finds a walk that is over */
	REQUIRE_OK(shim_test_set("drop_resume", "0"));
	client_strike(&whole, PORT, "DLP");
	client_check_whole(&whole, SETTLE_MS);
	client_stop(&whole);
}
