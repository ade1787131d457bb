// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user's reset that another task cuts short after the device was reset, but before
 * the parent driver's hooks have run: the host resets the function, too, or an error of
 * another function of the group takes over.
 */
#include <stdatomic.h>
#include <string.h>

#include "background.h"
#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "nic_user.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "sriov.h"
#include "trace.h"
#include "vfio_irq.h"
#include "vfio_user.h"

#define SINGLE "rp_igb2"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
/* COMMAND */
#define MASTER 0x4
#define SETTLE_MS 5000
/* in which a gate that opens too early is seen open */
#define QUIET_MS 300
/* less than a user waits for a task that has the lock of its device, MDR_LET_GO_MS */
#define LEAVE_MS 100

static struct vfio_user user;
static struct shim s, other;
static int err;
/* of the hook, when the user has opened the device */
static long restores;

/* The user masters the bus, and the parent driver has hooks. */
static void use(const char *policy)
{
	REQUIRE_OK(shim_create(&s, policy));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	restores = shim_test_count("restores");
	REQUIRE(restores >= 0, "no count: %ld", restores);
}

static int reset_user(const char *unused)
{
	(void)unused;
	return vfio_user_reset(&user);
}

static void check_whole(long hooks)
{
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "not open in the end");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) != UINT32_MAX, "STATUS is all-ones");
	CHECK(pci_command(s.addr) & MASTER, "no bus mastering: COMMAND is %#x",
	      pci_command(s.addr));
	CHECK(shim_test_count("restores") >= restores + hooks, "%ld restore hooks, not %ld",
	      shim_test_count("restores") - restores, hooks);
}

static int reset_host(const char *unused)
{
	(void)unused;
	return pci_reset(s.addr);
}

SCENARIO(reset_race_host,
	 "the host's reset gets the device before the hooks of the user's: it calls them, no event")
{
	struct background reset = { .call = reset_user }, by_host = { .call = reset_host };
	char cause[32];

	REQUIRE_OK(shim_bind_test(&s, SINGLE, 0));
	use("resume");
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_ERR_IRQ_INDEX, 1, &err));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	background_start(&reset);
	REQUIRE(background_in(&reset, "mdr_hooks_call", SETTLE_MS), "it does not wait");
	background_start(&by_host);
	/* it has the device lock, and waits for the user to leave the gate */
	REQUIRE(background_in(&by_host, "mdr_gate_drain", SETTLE_MS), "no reset from outside");
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	background_ms(&reset, SETTLE_MS);
	background_ms(&by_host, SETTLE_MS);
	CHECK_OK(reset.ret);
	CHECK_OK(by_host.ret);
	CHECK(!vfio_irq_wait(err, 0, NULL), "ERR fired");
	check_whole(2);
	CHECK_NUMBER(s.group, "event", 0);
	CHECK_NUMBER(s.group, "stats/host_resets", 1);
	CHECK_NUMBER(s.group, "stats/drain_timeouts", 0);
	/* it does not hide in the user's */
	shim_status(s.group, "cause", cause, sizeof(cause));
	CHECK(!strcmp(cause, "host_reset"), "the cause is %s", cause);
}

/* Bus mastering shows that the hooks have succeeded: it is off until then. */
static void check_recovered(void)
{
	check_whole(1);
	CHECK_NUMBER(s.group, "stats/recoveries", 1);
	CHECK_NUMBER(s.group, "stats/failures", 0);
}

SCENARIO(reset_race_error_here,
	 "an error of the function itself before the hooks: the user leaves the gate at once")
{
	struct background reset = { .call = reset_user };
	int64_t drain_ns;

	REQUIRE_OK(shim_bind_test(&s, SINGLE, 0));
	use("resume");
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	background_start(&reset);
	REQUIRE(background_in(&reset, "mdr_hooks_call", SETTLE_MS), "it does not wait");
	REQUIRE_OK(trace_start(NULL));
	REQUIRE_OK(aer_inject(SINGLE, "DLP"));
	background_ms(&reset, SETTLE_MS);
	CHECK_OK(reset.ret);
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	check_recovered();
	trace_stop();
	drain_ns = trace_longest_drain();
	trace_end();
	REQUIRE(drain_ns > 0, "no drain is traced: %jd", (intmax_t)drain_ns);
	MEASURE_BOUND("drain_ms", drain_ns / NS_PER_MS, LEAVE_MS);
}

/* Two functions of one group, below two ports: an error of one is not told to the other. */
static void use_below_two_ports(void)
{
	REQUIRE_OK(shim_bind_test(&s, "deep_a", 0));
	REQUIRE_OK(shim_bind(&other, "deep_b", 0));
	REQUIRE(s.group == other.group, "groups %d and %d", s.group, other.group);
	use("resume");
}

/* The host is done with the other function. It says so when the gate of this one is due. */
static void wait_for_host(void)
{
	REQUIRE(WAIT_FOR(klog_count("device recovery successful"), SETTLE_MS), "no recovery");
	sleep_ms(QUIET_MS);
}

SCENARIO(reset_race_error_elsewhere,
	 "an error of another function, below another port, before the hooks: they are called")
{
	struct background reset = { .call = reset_user };

	use_below_two_ports();
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	background_start(&reset);
	REQUIRE(background_in(&reset, "mdr_hooks_call", SETTLE_MS), "it does not wait");
	REQUIRE_OK(aer_inject("deep_b", "DLP"));
	background_ms(&reset, SETTLE_MS);
	CHECK_OK(reset.ret);
	wait_for_host();
	CHECK(shim_is(s.group, "recovering"), "it does not wait for the hooks");
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	check_recovered();
}

static void error_in_reset(struct background *reset, const char *reset_ms)
{
	use_below_two_ports();
	REQUIRE_OK(shim_test_set("reset_done_ms", reset_ms));
	background_start(reset);
	REQUIRE(background_in(reset, "test_reset_done", SETTLE_MS), "no reset is run");
	REQUIRE_OK(aer_inject("deep_b", "DLP"));
}

SCENARIO(reset_race_error_in_reset,
	 "such an error while the PCI core still resets the device: the hooks are called, too")
{
	struct background reset = { .call = reset_user };

	error_in_reset(&reset, "1000");
	REQUIRE(WAIT_FOR(shim_number(s.group, "event"), SETTLE_MS), "no error seen");
	REQUIRE(!atomic_load(&reset.done), "the reset is over: nothing is shown");
	background_ms(&reset, SETTLE_MS);
	CHECK_OK(reset.ret);
	check_recovered();
}

SCENARIO(reset_race_error_in_long_reset,
	 "the same if the host is done before that reset: the gate opens after it, at once")
{
	struct background reset = { .call = reset_user };
	bool waits;

	error_in_reset(&reset, "5000");
	wait_for_host();
	waits = shim_is(s.group, "recovering");
	REQUIRE(!atomic_load(&reset.done), "the reset is over: nothing is shown");
	CHECK(waits, "it does not wait for the reset");
	background_ms(&reset, 2 * SETTLE_MS);
	CHECK_OK(reset.ret);
	check_recovered();
}

/* The watchdog passes in the middle of the reset, and all is well at its end. */
static void outlast(struct background *reset)
{
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "800"));
	REQUIRE(shim_wait(s.group, "failed", SETTLE_MS), "not failed");
	REQUIRE(!atomic_load(&reset->done), "the reset is over: nothing is shown");
	background_ms(reset, 2 * SETTLE_MS);
	CHECK_OK(reset->ret);
	check_whole(1);
}

SCENARIO(reset_race_user_outlasts,
	 "the same if the reset outlasts the watchdog: failed, and the reset's end opens the gate")
{
	struct background reset = { .call = reset_user };

	error_in_reset(&reset, "4000");
	outlast(&reset);
}

SCENARIO(reset_race_host_outlasts, "the same with a reset from outside")
{
	struct background reset = { .call = reset_host };

	error_in_reset(&reset, "4000");
	outlast(&reset);
}

SCENARIO(reset_race_vf,
	 "the host resets a VF whose bus mastering is off for its hooks: not taken for lost",
	 .vfs = true)
{
	REQUIRE_OK(sriov_start(SINGLE, 1));
	REQUIRE_OK(shim_bind_test(&s, SINGLE, 1));
	use("hold");
	REQUIRE_OK(pci_reset(s.addr));
	check_whole(1);
	CHECK_NUMBER(s.group, "event", 0);

	CHECK_OK(vfio_user_reset(&user));
	check_whole(2);
}
