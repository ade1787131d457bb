// SPDX-License-Identifier: GPL-2.0-only
/*
 * A walk that hangs before its reset for longer than the shim waits for the host, and a
 * second one that reaches the same function meanwhile.
 */
#include <errno.h>
#include <stdio.h>

#include "client.h"
#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "nic_user.h"
#include "pci.h"
#include "resets.h"
#include "scenario.h"
#include "sysfs.h"
#include "vfio_status.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define SETTLE_MS 5000
#define WATCHDOG "500"
/* after the second walk */
#define LATER "3000"
#define SOON "2000"
/* watchdog, and all of the second walk */
#define HUNG_MS 6000
#define QUIET_MS 500
#define SUCCESSFUL "device recovery successful"
#define NONFATAL "POISON_TLP"
#define ABANDONED "device recovery failed"

static struct client a;

static void walk(const char *port, unsigned int ms)
{
	uint64_t event = shim_number(a.s.group, "event");
	int ret = shim_test_recover(port, "frozen", "ok", ms);

	if (ret == -EOPNOTSUPP)
		SKIP("nothing finds pcie_do_recovery()");
	REQUIRE_OK(ret);
	REQUIRE(WAIT_FOR(shim_number(a.s.group, "event") != event, SETTLE_MS),
		"the walk from %s tells nothing", port);
}

static void start(const char *port)
{
	a.port = port;
	REQUIRE_OK(shim_test_load());
	client_start(&a);
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", WATCHDOG));
}

/*
 * Two walks, of which the first hangs before its reset. Nobody is let in until it has made that,
 * whatever the second one does, be it before the watchdog or when the group has failed.
 */
static void hang_beside(const char *hung, const char *second, const char *ends, bool failed)
{
	unsigned int ended = klog_count(ends);
	uint64_t begin = now_ms();

	walk(hung, HUNG_MS);
	REQUIRE(!failed || shim_wait(a.s.group, "failed", SETTLE_MS), "%s: not failed", hung);
	walk(second, 0);
	REQUIRE(WAIT_FOR(klog_count(ends) > ended, SETTLE_MS), "%s does not end", second);
	REQUIRE(now_ms() - begin < HUNG_MS - 3 * QUIET_MS, "that was slow: nothing is shown");
	for (; now_ms() - begin < HUNG_MS - QUIET_MS; sleep_ms(20))
		REQUIRE(!shim_is(a.s.group, "open"), "open before the reset at %s", hung);
	REQUIRE(WAIT_FOR(klog_count(ends) > ended + 1, SETTLE_MS), "%s does not end", hung);
}

static void check_whole(void)
{
	CHECK(shim_wait(a.s.group, "open", SETTLE_MS), "not open after the later reset");
	CHECK(vfio_user_read(&a.u, BAR0, NIC_STATUS, 4) == a.log.value, "STATUS changed");
	CHECK(pci_command(a.s.addr) == a.command, "COMMAND is %#x", pci_command(a.s.addr));
}

SCENARIO(walks_hung,
	 "a walk hangs until the group is failed, and another one ends: no user before its reset",
	 .limit_s = 60)
{
	struct shim parked;

	start("sw_a");
	client_park("sw_b", &parked);
	client_park("sw_c", &parked);
	hang_beside("sw_a", "rp_switch", SUCCESSFUL, true);
	check_whole();
	hang_beside("rp_switch", "sw_a", SUCCESSFUL, true);
	check_whole();
	/* and so before it has failed */
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", SOON));
	hang_beside("sw_a", "rp_switch", SUCCESSFUL, false);
	check_whole();
	client_stop_lost(&a);
}

SCENARIO(walks_hung_beside_abandoned,
	 "a walk hangs, and another one is abandoned: its reset is not taken for that of the first",
	 .limit_s = 60)
{
	/* nobody drives the second function */
	start("rp_igb");
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", LATER));
	hang_beside("rp_igb", "rp_igb", ABANDONED, false);
	/* 6.12 does not say that it has abandoned both */
	if (!shim_wait(a.s.group, "open", SETTLE_MS / 2))
		CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", a.s.group));
	check_whole();
	client_stop_lost(&a);
}

/* Bus and devfn, as in struct mdr_status. */
static unsigned int port_id(const char *port)
{
	unsigned int bus, device, function;

	REQUIRE(sscanf(pci_port_addr(port), "%*x:%x:%x.%u", &bus, &device, &function) == 3,
		"%s has no address", port);
	return bus << 8 | device << 3 | function;
}

SCENARIO(walks_nonfatal,
	 "a non-fatal error above a switch: one event for two groups, and the root port is named")
{
	static struct client b = { .port = "sw_b" };
	struct mdr_status status;
	struct shim parked;

	start("sw_a");
	client_start(&b);
	client_park("sw_c", &parked);
	client_strike(&a, "rp_switch", NONFATAL);
	client_check_whole(&a, SETTLE_MS);
	client_check_whole(&b, SETTLE_MS);
	CHECK(shim_number(a.s.group, "event") == shim_number(b.s.group, "event"),
	      "events %ju and %ju", shim_number(a.s.group, "event"),
	      shim_number(b.s.group, "event"));
	/* the root port then */
	REQUIRE_OK(vfio_status(&a.u, &status));
	CHECK(status.port == port_id("rp_switch"), "the port is %#x, not %#x", status.port,
	      port_id("rp_switch"));
	client_stop(&a);
	client_stop(&b);
}

SCENARIO(walks_of_one_thread,
	 "the thread of an abandoned walk recovers one of two ports below it: the group goes on",
	 .limit_s = 60)
{
	static struct client first = { .port = "deep_a" };
	static struct client second = { .port = "deep_b", .with = &first };
	struct shim parked;
	long resets;

	client_start(&first);
	client_start(&second);
	REQUIRE(first.s.group == second.s.group, "groups %d and %d", first.s.group,
		second.s.group);
	REQUIRE_OK(shim_set(&first.s, "recovery_timeout_ms", WATCHDOG));
	/* it wants a reset, and gets one */
	REQUIRE_OK(shim_set(&first.s, "nonfatal_action", "reset"));
	REQUIRE_OK(sysfs_write("bus", "/sys/bus/pci/devices/%s/reset_method", first.s.addr));
	REQUIRE_OK(resets_load());
	resets = resets_seen("resets");
	/* nobody drives what is below the second switch */
	REQUIRE_OK(aer_inject("rp_deep", NONFATAL));
	REQUIRE(WAIT_FOR(klog_count(ABANDONED), SETTLE_MS), "not abandoned");
	/* 6.12 does not say that, and nothing shows a reset */
	REQUIRE(WAIT_FOR(shim_is(first.s.group, "failed") ||
			 shim_number(first.s.group, "stats/own_resets"), SETTLE_MS),
		"not decided");
	client_park("deeper_a", &parked);
	REQUIRE_OK(shim_set(&first.s, "recovery_timeout_ms", "20000"));
	client_strike(&first, "deep_b", "DLP");
	CHECK(shim_wait(first.s.group, "open", SETTLE_MS), "not open");
	/* besides that of the host, for the second one */
	CHECK(resets_seen("resets") > resets + 1, "the first one was not reset");
	CHECK(pci_command(first.s.addr) == first.command, "COMMAND is %#x, was %#x",
	      pci_command(first.s.addr), first.command);
	client_stop_lost(&first);
	client_stop_lost(&second);
}

SCENARIO(walks_interleaved,
	 "two walks tell a group by turns: ids only grow, and the breaker counts each walk once",
	 .limit_s = 60)
{
	static struct client first = { .port = "deep_a", .test = true };
	static struct client second = { .port = "deep_b", .with = &first };
	struct shim parked;
	uint64_t before, one, two;
	long prepares;
	int ret;

	client_start(&first);
	client_start(&second);
	client_park("deeper_a", &parked);
	REQUIRE(first.s.group == second.s.group, "groups %d and %d", first.s.group,
		second.s.group);
	REQUIRE_OK(shim_set(&first.s, "breaker_max", "2"));
	REQUIRE_OK(shim_set(&second.s, "breaker_max", "2"));
	REQUIRE_OK(shim_test_set("prepare_ms", "1500"));
	before = shim_number(first.s.group, "event");
	prepares = shim_test_count("prepares");
	ret = shim_test_recover("rp_deep", "frozen", "ok", 0);
	if (ret == -EOPNOTSUPP)
		SKIP("nothing finds pcie_do_recovery()");
	REQUIRE_OK(ret);
	/* it stays with the first function, and another one takes the second */
	REQUIRE(WAIT_FOR(shim_test_count("prepares") > prepares, SETTLE_MS), "no prepare");
	one = shim_number(first.s.group, "event");
	CHECK(one > before, "event %ju after %ju", one, before);
	REQUIRE_OK(shim_test_recover("deep_b", "frozen", "ok", HUNG_MS));
	REQUIRE(WAIT_FOR(shim_number(first.s.group, "event") != one, SETTLE_MS), "no second event");
	two = shim_number(first.s.group, "event");
	CHECK(two > one, "event %ju after %ju", two, one);
	/* then the first walk comes to the second function, and ends */
	REQUIRE(WAIT_FOR(klog_count(SUCCESSFUL), 2 * SETTLE_MS), "the first does not end");
	CHECK(!shim_is(first.s.group, "open"), "open before the reset at deep_b");
	CHECK_NUMBER(first.s.group, "event", two);
	REQUIRE(WAIT_FOR(klog_count(SUCCESSFUL) == 2, 2 * SETTLE_MS), "the second does not end");
	client_check_whole(&first, SETTLE_MS);
	client_check_whole(&second, SETTLE_MS);
	CHECK_NUMBER(first.s.group, "event", two);
	CHECK_NUMBER(first.s.group, "stats/own_resets", 0);
	client_stop(&first);
	client_stop(&second);
}
