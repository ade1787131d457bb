// SPDX-License-Identifier: GPL-2.0-only
/* Non-fatal errors that need no reset, one after the other, on a healthy device. */
#include <errno.h>

#include "client.h"
#include "clock.h"
#include "klog.h"
#include "nic_user.h"
#include "scenario.h"
#include "vfio_irq.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define SETTLE_MS 3000
#define DRAIN_MS 1000
#define ERRORS 30
#define DEFAULT_BREAKER "5"

static struct client nic = { .port = "rp_igb2" };
static struct client a = { .port = "sw_a" }, b = { .port = "sw_b" };

static void strike_often(struct client *c, const char *port)
{
	uint64_t begin = now_ms();

	for (unsigned int i = 0; i < ERRORS; i++) {
		client_strike(c, port, "POISON_TLP");
		REQUIRE(shim_wait(c->s.group, "open", SETTLE_MS), "not open after error %u",
			i + 1);
		/* it clears the port's error last; the same one before that would be lost */
		REQUIRE(WAIT_FOR(klog_count("device recovery successful") > i, SETTLE_MS),
			"the host does not end its recovery of error %u", i + 1);
	}
	/* else the breaker would have no reason */
	MEASURE_BOUND("flood_ms", now_ms() - begin, 60000);
}

static void check_counted(const struct client *c, unsigned int recoveries)
{
	CHECK_NUMBER(c->s.group, "stats/recoveries", recoveries);
	CHECK(shim_number(c->s.group, "event") >= recoveries, "event is %ju",
	      shim_number(c->s.group, "event"));
}

SCENARIO(flood_nonfatal,
	 "thirty non-fatal errors within a minute: open, whole, each one counted, one warning",
	 .limit_s = 90)
{
	client_start(&nic);
	REQUIRE_OK(shim_set(&nic.s, "breaker_max", DEFAULT_BREAKER));
	REQUIRE_OK(shim_set(&nic.s, "breaker_window_ms", "60000"));
	REQUIRE_OK(vfio_user_write(&nic.u, BAR0, NIC_SCRATCH, 4, 0x1234));
	strike_often(&nic, "rp_igb2");
	client_check_whole(&nic, SETTLE_MS);
	check_counted(&nic, ERRORS);
	CHECK(shim_number(nic.s.group, "stats/harmless_errors") == ERRORS, "counted %ju",
	      shim_number(nic.s.group, "stats/harmless_errors"));
	CHECK(klog_count("non-fatal errors") == 1, "%u warnings", klog_count("non-fatal errors"));
	client_stop(&nic);
	/* no reset: a user waits for the drain at most */
	MEASURE_BOUND("longest_stall_ms", client_stall_ms(&nic), DRAIN_MS);
}

SCENARIO(flood_then_fatal,
	 "fatal errors after a flood of others are counted from one: the breaker trips as ever",
	 .limit_s = 90)
{
	client_start(&nic);
	REQUIRE_OK(shim_set(&nic.s, "breaker_max", "2"));
	REQUIRE_OK(shim_set(&nic.s, "breaker_window_ms", "60000"));
	strike_often(&nic, "rp_igb2");
	for (int i = 0; i < 2; i++) {
		client_strike(&nic, "rp_igb2", "DLP");
		client_check_whole(&nic, SETTLE_MS);
	}
	check_counted(&nic, ERRORS + 2);
	client_strike(&nic, "rp_igb2", "DLP");
	CHECK(shim_wait(nic.s.group, "failed", SETTLE_MS), "the third fatal error trips nothing");
	client_stop_lost(&nic);
}

SCENARIO(flood_that_resets,
	 "non-fatal errors that the device wants a reset for do count: the breaker trips")
{
	client_start(&nic);
	REQUIRE_OK(shim_set(&nic.s, "nonfatal_action", "reset"));
	REQUIRE_OK(shim_set(&nic.s, "breaker_max", "2"));
	REQUIRE_OK(shim_set(&nic.s, "breaker_window_ms", "60000"));
	for (int i = 0; i < 2; i++) {
		client_strike(&nic, "rp_igb2", "POISON_TLP");
		client_check_whole(&nic, SETTLE_MS);
	}
	client_strike(&nic, "rp_igb2", "POISON_TLP");
	CHECK(shim_wait(nic.s.group, "failed", SETTLE_MS), "the third one trips nothing");
	client_stop_lost(&nic);
}

SCENARIO(flood_behind_switch,
	 "the same flood at a root port with a switch: two groups stay open, with the same events",
	 .limit_s = 90)
{
	struct shim parked;

	client_start(&a);
	client_start(&b);
	client_park("sw_c", &parked);
	REQUIRE_OK(shim_set(&a.s, "breaker_max", DEFAULT_BREAKER));
	REQUIRE_OK(shim_set(&b.s, "breaker_max", DEFAULT_BREAKER));
	strike_often(&a, "rp_switch");
	client_check_whole(&a, SETTLE_MS);
	client_check_whole(&b, SETTLE_MS);
	CHECK(shim_number(a.s.group, "event") == shim_number(b.s.group, "event"),
	      "events %ju and %ju", shim_number(a.s.group, "event"),
	      shim_number(b.s.group, "event"));
	CHECK(shim_number(a.s.group, "stats/harmless_errors") == ERRORS, "counted %ju",
	      shim_number(a.s.group, "stats/harmless_errors"));
	CHECK(shim_number(b.s.group, "stats/harmless_errors") == ERRORS, "counted %ju",
	      shim_number(b.s.group, "stats/harmless_errors"));
	client_stop(&a);
	client_stop(&b);
}
