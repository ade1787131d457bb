// SPDX-License-Identifier: GPL-2.0-only
/*
 * An error has a walk: the kernel takes all functions below the port at which it
 * recovers, through switches, and one event with them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "background.h"
#include "client.h"
#include "clock.h"
#include "klog.h"
#include "moment.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "sysfs.h"
#include "vfio_irq.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define SETTLE_MS 5000
/* 1 s for the drain, and 1 s for the links of each level of switches to come up */
#define RECOVERY_MS 2000
#define DEEP_RECOVERY_MS 3000
/* Linux 6.12 does not tell that it gives up: the shim's own attempt begins after this time */
#define HOST_MS 1500
#define QUIET_MS 500
#define SUCCESSFUL "device recovery successful"
#define ABANDONED "device recovery failed"

static struct client a = { .port = "sw_a" }, b = { .port = "sw_b" }, c = { .port = "sw_c" };
static struct client deep_a = { .port = "deep_a" };
static struct client deep_b = { .port = "deep_b", .with = &deep_a };
static struct client deeper = { .port = "deeper_a" };

/* A word that only a reset of its function clears. */
#define MARK 0x12345678

static void mark(struct client *who)
{
	REQUIRE_OK(vfio_user_write(&who->u, BAR0, NIC_SCRATCH, 4, MARK));
}

static bool is_marked(struct client *who)
{
	return vfio_user_read(&who->u, BAR0, NIC_SCRATCH, 4) == MARK;
}

static uint64_t event_of(const struct client *who)
{
	return shim_number(who->s.group, "event");
}

static void check_one_event(const struct client *one, const struct client *other)
{
	CHECK(event_of(one) == event_of(other), "events %ju of %s and %ju of %s", event_of(one),
	      one->port, event_of(other), other->port);
}

/* The kernel's last word on this recovery. */
static void wait_for_host(const char *word)
{
	REQUIRE(klog_wait(word, 2 * SETTLE_MS, NULL, 0), "the kernel does not say '%s'", word);
}

/* Bus numbers and windows of the bridges between. */
static void note_bridge(const char *port, uint32_t now[3])
{
	const char *addr = pci_port_addr(port);

	now[0] = addr ? pci_config_read(addr, 0x18, 4) & 0xffffff : 0;
	now[1] = addr ? pci_config_read(addr, 0x20, 4) : 0;
	now[2] = addr ? pci_command(addr) : 0;
}

static const char * const bridges[] = { "sw_up", "sw_a", "sw_b" };
static uint32_t bridges_before[3][3];

static void note_bridges(void)
{
	for (int i = 0; i < 3; i++)
		note_bridge(bridges[i], bridges_before[i]);
}

static void check_bridges(void)
{
	uint32_t now[3];

	for (int i = 0; i < 3; i++) {
		note_bridge(bridges[i], now);
		CHECK(!memcmp(now, bridges_before[i], sizeof(now)),
		      "%s has buses %#x, memory %#x, COMMAND %#x", bridges[i], now[0], now[1],
		      now[2]);
	}
}

SCENARIO(switch_one_event,
	 "a fatal error above a switch: one event for two groups below it, all go on, none failed")
{
	struct nic_user nic[2];

	client_start(&a);
	client_start(&b);
	client_start(&c);
	REQUIRE_OK(nic_user_start(&nic[0], &a.u, NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX));
	REQUIRE_OK(nic_user_start(&nic[1], &c.u, NIC_E1000E, VFIO_PCI_MSI_IRQ_INDEX));
	note_bridges();
	for (int i = 0; i < 2; i++) {
		client_strike(&a, "rp_switch", "DLP");
		client_check_whole(&a, SETTLE_MS);
		client_check_whole(&b, SETTLE_MS);
		client_check_whole(&c, SETTLE_MS);
		check_one_event(&a, &b);
		check_one_event(&a, &c);
	}
	check_bridges();
	CHECK_NUMBER(a.s.group, "stats/own_resets", 0);
	CHECK(WAIT_FOR(klog_count(SUCCESSFUL) == 2, SETTLE_MS), "the host recovered %u times",
	      klog_count(SUCCESSFUL));
	client_stop(&a);
	client_stop(&b);
	client_stop(&c);
	CHECK_OK(nic_user_interrupt(&nic[0], SETTLE_MS));
	CHECK_OK(nic_user_interrupt(&nic[1], SETTLE_MS));
	MEASURE_BOUND("stall_ms", client_stall_ms(&a), RECOVERY_MS);
}

SCENARIO(switch_deep_one_event,
	 "functions behind one switch and behind two: one event, all go on")
{
	client_start(&deep_a);
	client_start(&deep_b);
	client_start(&deeper);
	REQUIRE(deep_a.s.group == deep_b.s.group, "groups %d and %d", deep_a.s.group,
		deep_b.s.group);
	client_strike(&deep_a, "rp_deep", "DLP");
	client_check_whole(&deep_a, SETTLE_MS);
	client_check_whole(&deep_b, SETTLE_MS);
	client_check_whole(&deeper, SETTLE_MS);
	check_one_event(&deep_a, &deeper);
	client_stop(&deep_a);
	client_stop(&deep_b);
	client_stop(&deeper);
	MEASURE_BOUND("stall_ms", client_stall_ms(&deeper), DEEP_RECOVERY_MS);
}

SCENARIO(switch_error_at_port,
	 "an error at one port of a switch does not reach or delay the functions behind others")
{
	struct shim driverless;

	client_start(&a);
	client_start(&b);
	REQUIRE_OK(pci_below("sw_c", 0, driverless.addr));
	mark(&b);
	client_strike(&a, "sw_a", "DLP");
	client_check_whole(&a, SETTLE_MS);
	wait_for_host(SUCCESSFUL);
	CHECK(event_of(&b) == 0, "the neighbour has event %ju", event_of(&b));
	CHECK(is_marked(&b), "the neighbour was reset");
	client_check_whole(&b, SETTLE_MS);
	client_stop(&a);
	client_stop(&b);
	MEASURE_BOUND("neighbours_longest_ms", client_stall_ms(&b), 500);
}

SCENARIO(switch_error_at_inner_port,
	 "an error at the port above a second switch takes what is behind it, nothing beside it")
{
	client_start(&deep_a);
	client_start(&deeper);
	mark(&deep_a);
	client_strike(&deeper, "deep_c", "DLP");
	client_check_whole(&deeper, SETTLE_MS);
	wait_for_host(SUCCESSFUL);
	CHECK(event_of(&deep_a) == 0, "the neighbour has event %ju", event_of(&deep_a));
	CHECK(is_marked(&deep_a), "the neighbour was reset");
	client_stop(&deeper);
	client_stop(&deep_a);
}

SCENARIO(switch_two_ports_two_events,
	 "two ports of one switch that recover at the same time: two events, both groups go on")
{
	int ret;

	client_start(&a);
	client_start(&b);
	ret = shim_test_load();
	REQUIRE_OK(ret);
	ret = shim_test_recover("sw_a", "frozen", "ok", 1500);
	if (ret == -EOPNOTSUPP)
		SKIP("nothing finds pcie_do_recovery()");
	REQUIRE_OK(ret);
	REQUIRE_OK(shim_test_recover("sw_b", "frozen", "ok", 1500));
	CHECK(WAIT_FOR(!shim_is(a.s.group, "open") && !shim_is(b.s.group, "open"), SETTLE_MS),
	      "not closed at the same time");
	client_check_whole(&a, SETTLE_MS);
	client_check_whole(&b, SETTLE_MS);
	CHECK(event_of(&a) != event_of(&b), "both have event %ju", event_of(&a));
	client_stop(&a);
	client_stop(&b);
}

/* Two walks at once; the first of them resets when the second one has ended. */
static void two_walks(const char *slow, const char *quick)
{
	unsigned int ended = klog_count(SUCCESSFUL);
	uint64_t event = event_of(&a);
	int ret;

	ret = shim_test_recover(slow, "frozen", "ok", 5000);
	if (ret == -EOPNOTSUPP)
		SKIP("nothing finds pcie_do_recovery()");
	REQUIRE_OK(ret);
	REQUIRE(WAIT_FOR(event_of(&a) != event, SETTLE_MS), "the first walk tells nothing");
	REQUIRE_OK(shim_test_recover(quick, "frozen", "ok", 0));
	REQUIRE(WAIT_FOR(klog_count(SUCCESSFUL) > ended, SETTLE_MS), "the second does not end");
	CHECK(!WAIT_FOR(shim_is(a.s.group, "open"), QUIET_MS), "open before the reset at %s", slow);
	CHECK(klog_count(SUCCESSFUL) == ended + 1, "the first was faster: nothing is shown");
	REQUIRE(WAIT_FOR(klog_count(SUCCESSFUL) > ended + 1, 2 * SETTLE_MS),
		"the first does not end");
	client_check_whole(&a, SETTLE_MS);
}

SCENARIO(switch_two_walks,
	 "errors at the root port and at a port below it: the gate opens after the later reset")
{
	struct shim parked;

	REQUIRE_OK(shim_test_load());
	client_start(&a);
	client_park("sw_b", &parked);
	client_park("sw_c", &parked);
	two_walks("rp_switch", "sw_a");
	two_walks("sw_a", "rp_switch");
	client_stop(&a);
	CHECK_NUMBER(a.s.group, "stats/own_resets", 0);
	CHECK_NUMBER(a.s.group, "stats/failures", 0);
}

SCENARIO(switch_walk_counts_once,
	 "the breaker counts one error once for a group behind two ports of a switch")
{
	struct shim parked;
	uint64_t event;

	client_start(&deep_a);
	client_start(&deep_b);
	client_park("deeper_a", &parked);
	REQUIRE_OK(shim_set(&deep_a.s, "breaker_max", "2"));
	REQUIRE_OK(shim_set(&deep_b.s, "breaker_max", "2"));
	client_strike(&deep_a, "rp_deep", "DLP");
	client_check_whole(&deep_a, SETTLE_MS);
	event = event_of(&deep_a);
	client_strike(&deep_a, "rp_deep", "DLP");
	client_check_whole(&deep_a, SETTLE_MS);
	client_check_whole(&deep_b, SETTLE_MS);
	CHECK(event_of(&deep_a) == event + 1, "the second error was %ju events",
	      event_of(&deep_a) - event);
	CHECK_NUMBER(deep_a.s.group, "stats/recoveries", 2);
	client_strike(&deep_a, "rp_deep", "DLP");
	CHECK(shim_wait(deep_a.s.group, "failed", SETTLE_MS), "the third one trips nothing");
	client_stop_lost(&deep_a);
	client_stop_lost(&deep_b);
}

static int reset(const char *addr)
{
	return pci_reset(addr);
}

/* Below one port the PCI core resets one function after the other. */
SCENARIO(switch_two_resets,
	 "functions of a group behind two ports are reset: the end of the first opens nothing")
{
	struct background slow = { .call = reset };

	deep_a.test = true;
	client_start(&deep_a);
	client_start(&deep_b);
	REQUIRE(deep_a.s.group == deep_b.s.group, "they are in groups %d and %d",
		deep_a.s.group, deep_b.s.group);
	REQUIRE_OK(shim_test_set("reset_done_ms", "1500"));
	slow.name = deep_a.s.addr;
	background_start(&slow);
	REQUIRE(background_in(&slow, "test_reset_done", SETTLE_MS), "no reset is run");
	CHECK_OK(pci_reset(deep_b.s.addr));
	CHECK(shim_is(deep_a.s.group, "resetting"), "open in the middle of a reset");
	REQUIRE(!atomic_load(&slow.done), "that was faster: nothing is shown");
	background_ms(&slow, SETTLE_MS);
	CHECK_OK(slow.ret);
	CHECK(shim_is(deep_a.s.group, "open"), "not open after both");
	CHECK_NUMBER(deep_a.s.group, "stats/host_resets", 2);
	client_stop_lost(&deep_a);
	client_stop_lost(&deep_b);
}

/* blockers has these lines: a function, and the port from which on it blocks. */
static void check_blockers(const struct client *who, const char *function, const char *port)
{
	char expected[64] = "", now[256];

	if (function)
		snprintf(expected, sizeof(expected), "%s %s", function, pci_port_addr(port));
	shim_status(who->s.group, "blockers", now, sizeof(now));
	CHECK(!strcmp(now, expected), "%s: blockers are '%s', not '%s'", who->port, now,
	      expected);
}

SCENARIO(switch_blockers,
	 "a function without a driver behind another port blocks, and from which port on")
{
	char driverless[PCI_ADDR_LEN];
	struct shim parked;

	REQUIRE_OK(pci_below("sw_c", 0, driverless));
	client_start(&a);
	CHECK(klog_count("have no error handler") == 1, "%u warnings",
	      klog_count("have no error handler"));
	client_park("sw_b", &parked);
	check_blockers(&a, driverless, "rp_switch");
	client_park("sw_c", &parked);
	check_blockers(&a, NULL, NULL);
	client_stop(&a);
}

SCENARIO(switch_blockers_deep,
	 "a blocker behind a second switch is listed once for a group behind two ports")
{
	char driverless[PCI_ADDR_LEN];
	struct shim parked;

	REQUIRE_OK(pci_below("deeper_a", 0, driverless));
	client_start(&deep_a);
	client_park("deep_b", &parked);
	check_blockers(&deep_a, driverless, "rp_deep");
	client_park("deeper_a", &parked);
	check_blockers(&deep_a, NULL, NULL);
	client_stop(&deep_a);
}

/* What the shim's own attempt has to bring back: bridges first, then functions. */
static void check_own_attempt(struct client *one, struct client *other)
{
	client_check_whole(one, SETTLE_MS);
	client_check_whole(other, SETTLE_MS);
	check_one_event(one, other);
	CHECK(shim_number(one->s.group, "stats/own_resets") == 1, "%s: own_resets is %ju",
	      one->port, shim_number(one->s.group, "stats/own_resets"));
	CHECK(shim_number(other->s.group, "stats/own_resets") == 1, "%s: own_resets is %ju",
	      other->port, shim_number(other->s.group, "stats/own_resets"));
	CHECK(!klog_count("after bus reset"), "a bus was reset through a blank bridge");
	client_stop(one);
	client_stop(other);
	MEASURE_BOUND("stall_ms", client_stall_ms(one), HOST_MS + DEEP_RECOVERY_MS);
	MEASURE_BOUND("others_stall_ms", client_stall_ms(other), HOST_MS + DEEP_RECOVERY_MS);
}

SCENARIO(switch_blocker_own_attempt,
	 "beside a function without a driver the shim's own attempt restores bridges, then functions",
	 .limit_s = 120)
{
	client_start(&a);
	client_start(&b);
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", "1500"));
	REQUIRE_OK(shim_set(&b.s, "recovery_timeout_ms", "1500"));
	REQUIRE_OK(moment_load());
	note_bridges();
	client_strike(&a, "rp_switch", "DLP");
	wait_for_host(ABANDONED);
	check_own_attempt(&a, &b);
	check_bridges();
	CHECK(moment_count("link_changes") >= 2, "pciehp would remove what is below");
	/* and the next error finds all of it in order */
	client_strike(&a, "sw_a", "DLP");
	CHECK(shim_wait(a.s.group, "open", SETTLE_MS), "not open after an error at its port");
}

SCENARIO(switch_blocker_deep_own_attempt,
	 "the shim's own attempt restores two levels of switches, and a group behind two ports",
	 .limit_s = 120)
{
	client_start(&deep_a);
	client_start(&deeper);
	REQUIRE_OK(shim_set(&deep_a.s, "recovery_timeout_ms", "1500"));
	REQUIRE_OK(shim_set(&deeper.s, "recovery_timeout_ms", "1500"));
	/* below deep_b is nobody's */
	client_strike(&deep_a, "rp_deep", "DLP");
	wait_for_host(ABANDONED);
	check_own_attempt(&deep_a, &deeper);
}

/* The kernel gives a bridge a memory window of so many KiB, as after a hotplug. */
static int resize_window(const char *port, const char *kib)
{
	char text[32];

	snprintf(text, sizeof(text), "%s %s", pci_port_addr(port), kib);
	return sysfs_write(text, "/sys/module/mdev_recovery_test/parameters/window");
}

/* One whose functions leave half of its window free. */
static const char *shrink_window(void)
{
	if (!resize_window("sw_a", "1024"))
		return "sw_a";
	REQUIRE_OK(resize_window("sw_b", "1024"));
	return "sw_b";
}

SCENARIO(switch_windows_moved,
	 "windows that the kernel has moved since a function was bound do not come back as of old",
	 .limit_s = 120)
{
	struct shim parked;
	const char *port;
	long astray;

	REQUIRE_OK(shim_test_load());
	REQUIRE_OK(moment_load());
	astray = moment_count("astray");
	client_start(&a);
	client_start(&b);
	client_park("sw_c", &parked);
	port = shrink_window();
	note_bridges();
	client_strike(&a, "rp_switch", "DLP");
	wait_for_host(SUCCESSFUL);
	client_check_whole(&a, SETTLE_MS);
	client_check_whole(&b, SETTLE_MS);
	check_bridges();
	CHECK(moment_count("astray") == astray, "restored behind old windows");

	/* the same where the host gives up, and the shim restores the bridges */
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", "4000"));
	REQUIRE_OK(shim_set(&b.s, "recovery_timeout_ms", "4000"));
	REQUIRE_OK(pci_unbind(parked.addr));
	REQUIRE_OK(resize_window(port, "2048"));
	note_bridges();
	client_strike(&a, "rp_switch", "DLP");
	wait_for_host(ABANDONED);
	client_check_whole(&a, 2 * SETTLE_MS);
	client_check_whole(&b, 2 * SETTLE_MS);
	check_bridges();
	client_stop(&a);
	client_stop(&b);
}

SCENARIO(switch_own_attempt_fails,
	 "ERR comes after the last attempt: a device that stays dead is touched no more",
	 .limit_s = 120)
{
	long restores;

	a.test = true;
	client_start(&a);
	client_start(&b);
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", "1500"));
	REQUIRE_OK(shim_set(&b.s, "recovery_timeout_ms", "1500"));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	client_strike(&a, "rp_switch", "DLP");
	REQUIRE(vfio_irq_wait(a.err, 4 * SETTLE_MS, NULL), "ERR did not fire");
	restores = sysfs_read_number("/sys/module/mdev_recovery_test/parameters/restores");
	CHECK(restores > 0, "ERR fired before anything was tried");
	CHECK(shim_is(a.s.group, "failed"), "ERR fired, but it is not failed");
	sleep_ms(3000);
	CHECK(restores == sysfs_read_number("/sys/module/mdev_recovery_test/parameters/restores"),
	      "after ERR it went on trying");
	CHECK(shim_is(a.s.group, "failed"), "not failed any more");
	CHECK(!vfio_irq_wait(a.err, 0, NULL), "ERR fired more than once");
	client_check_whole(&b, SETTLE_MS);
	client_stop(&b);
	client_stop_lost(&a);
}

SCENARIO(switch_first_restore_fails,
	 "a restore that fails once: no ERR, the shim tries by itself, and the user goes on",
	 .limit_s = 120)
{
	struct shim parked;

	a.test = true;
	client_start(&a);
	client_start(&b);
	client_park("sw_c", &parked);
	REQUIRE_OK(shim_test_set("restore_fails", "1"));
	client_strike(&a, "rp_switch", "DLP");
	client_check_whole(&a, 4 * SETTLE_MS);
	client_check_whole(&b, SETTLE_MS);
	client_stop(&a);
	client_stop(&b);
	/* the recovery by the host, and the shim's own attempt */
	MEASURE_BOUND("stall_ms", client_stall_ms(&a), 2 * RECOVERY_MS);
	MEASURE_BOUND("others_stall_ms", client_stall_ms(&b), RECOVERY_MS);
}

SCENARIO(switch_one_dead,
	 "a dead function alone behind its port does not make the kernel give up on the others",
	 .limit_s = 120)
{
	struct shim parked;

	a.test = true;
	client_start(&a);
	client_start(&b);
	client_park("sw_c", &parked);
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", "1500"));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	client_strike(&b, "rp_switch", "DLP");
	client_check_whole(&b, SETTLE_MS);
	CHECK_NUMBER(b.s.group, "stats/own_resets", 0);
	CHECK(klog_count(ABANDONED) == 0, "the kernel gave up on all of them");
	client_check_lost(&a, 4 * SETTLE_MS);
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", a.s.group));
	CHECK(shim_is(a.s.group, "open"), "not open after recover");
	client_stop(&b);
	client_stop_lost(&a);
}

/*
 * A host slower than the watchdog, beside a blocker. If nothing shows its reset, nobody
 * may be let in before it has made it.
 */
static void slow_host(void)
{
	uint64_t before = event_of(&a), begin = now_ms();
	int ret;

	ret = shim_test_recover("rp_switch", "frozen", "ok", 4000);
	if (ret == -EOPNOTSUPP)
		SKIP("nothing finds pcie_do_recovery()");
	REQUIRE_OK(ret);
	REQUIRE(WAIT_FOR(event_of(&a) != before, SETTLE_MS), "no event");
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	/* watchdog, attempt and host's end: all of it is over then */
	for (; now_ms() - begin < 3500; sleep_ms(20))
		REQUIRE(!shim_is(a.s.group, "open"), "open before the host's reset");
	wait_for_host(ABANDONED);
	CHECK(now_ms() - begin >= 4000, "the host was done after %ju ms", now_ms() - begin);
}

static void two_that_time_out_soon(void)
{
	REQUIRE_OK(shim_test_load());
	client_start(&a);
	client_start(&b);
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", "1000"));
	REQUIRE_OK(shim_set(&b.s, "recovery_timeout_ms", "1000"));
}

/* Whoever gave up, the administrator gets both back. */
static void recover_both(void)
{
	for (int i = 0; i < 2; i++) {
		struct client *who = i ? &b : &a;

		/* 6.12 does not say that it has given up */
		if (shim_is(who->s.group, "failed"))
			sysfs_write("1", SHIM_CLASS "/group%d/recover", who->s.group);
		CHECK(shim_wait(who->s.group, "open", 2 * SETTLE_MS), "%s: not open",
		      who->port);
		CHECK(pci_command(who->s.addr) & 0x2, "%s: COMMAND is %#x", who->port,
		      pci_command(who->s.addr));
	}
	sleep_ms(QUIET_MS);
	client_stop_lost(&a);
	client_stop_lost(&b);
}

SCENARIO(switch_slow_host,
	 "a host slower than the watchdog, beside a blocker: no user gets in before its reset",
	 .limit_s = 120)
{
	two_that_time_out_soon();
	slow_host();
	recover_both();
}

SCENARIO(switch_slow_host_blank,
	 "a function that was blank before the error does not show the reset of a slow host",
	 .limit_s = 120)
{
	a.test = true;
	two_that_time_out_soon();
	/* what the host has reset is not well yet, and loses what was restored */
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", "20000"));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	client_strike(&a, "sw_a", "DLP");
	wait_for_host(SUCCESSFUL);
	REQUIRE_OK(pci_config_lose(a.s.addr));
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", "1000"));
	slow_host();
	recover_both();
}
