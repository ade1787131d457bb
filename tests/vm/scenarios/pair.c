// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two functions in one IOMMU group: trouble with one of them, or an error in the middle
 * of an operation that handles them one after the other.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "access_log.h"
#include "background.h"
#include "clock.h"
#include "hot_reset.h"
#include "klog.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "slow.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_irq.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_e1000e"
#define SETTLE_MS 5000
#define MARK 0x5ca1ab1e
/* COMMAND */
#define MEMORY 0x2
#define MASTER 0x4
/* a restore so slow that an error comes before the other function's turn */
#define RESTORE "600"
#define RESTORE_MS 600
/* the host's recovery, or a reset, beside a delay that is known */
#define BACK_MS 1500
/* for so long a function does not answer after its reset */
#define SLOW_MS 1000

static struct vfio_user user[2];
static struct access_log log_[2];
static struct shim s[2];
static int err[2];

/* Binds both; they have the same user, which reads all the time. */
static void use(void)
{
	REQUIRE(s[0].group == s[1].group, "groups %d and %d", s[0].group, s[1].group);
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_create(&s[i], "resume"));
		REQUIRE_OK(shim_set(&s[i], "stall_timeout_ms", "20000"));
		REQUIRE_OK(vfio_user_open_in(&user[i], s[i].uuid, i ? user[0].space : NULL));
		REQUIRE_OK(vfio_irq_enable(&user[i], VFIO_PCI_ERR_IRQ_INDEX, 1, &err[i]));
		log_[i] = (struct access_log) {
			.u = &user[i], .kind = ACCESS_MAP_READ, .region = BAR0,
			.off = NIC_STATUS, .pause_us = 300,
			.value = nic_status(&user[i]),
		};
		REQUIRE_OK(access_start(&log_[i]));
	}
}

/* The first function can misbehave. */
static void start(void)
{
	REQUIRE_OK(shim_bind_test(&s[0], PORT, 0));
	REQUIRE_OK(shim_bind(&s[1], PORT, 1));
	use();
}

/*
 * Both can. The shim handles them in the order in which they were bound, the host in
 * the order of the bus. So each still has one function to do when they meet.
 */
static void start_against_bus(void)
{
	REQUIRE_OK(shim_bind_test(&s[1], PORT, 1));
	REQUIRE_OK(shim_bind_test(&s[0], PORT, 0));
	use();
}

static int recover(const char *group)
{
	return sysfs_write("1", SHIM_CLASS "/%s/recover", group);
}

static const char *group_name(void)
{
	static char name[16];

	snprintf(name, sizeof(name), "group%d", s[0].group);
	return name;
}

static void check_masters(void)
{
	for (int i = 0; i < 2; i++)
		CHECK(pci_command(s[i].addr) & MASTER, "function %d: no bus mastering", i);
}

/* Both functions work, and all reads gave the right value or all-ones. */
static void check_back(bool were_lost)
{
	CHECK(shim_wait(s[0].group, "open", SETTLE_MS), "not open in the end");
	for (int i = 0; i < 2; i++) {
		access_stop(&log_[i]);
		CHECK(!log_[i].wrong && !log_[i].faults, "function %d: %ju wrong (last %#x)", i,
		      log_[i].wrong, log_[i].last_wrong);
		CHECK(were_lost || !log_[i].ones, "function %d: %ju all-ones", i, log_[i].ones);
		CHECK(vfio_user_read(&user[i], BAR0, NIC_STATUS, 4) == log_[i].value,
		      "function %d: STATUS changed", i);
		CHECK(pci_command(s[i].addr) & 0x2, "function %d: COMMAND is %#x", i,
		      pci_command(s[i].addr));
	}
	CHECK_NUMBER(s[0].group, "stats/drain_timeouts", 0);
}

SCENARIO(pair_one_dead,
	 "one function stays dead: the group of both is failed, ERR once each; recover heals both")
{
	uint64_t begin, fired;

	start();
	REQUIRE_OK(shim_set(&s[0], "recovery_timeout_ms", "1000"));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "failed"));
	for (int i = 0; i < 2; i++) {
		CHECK(vfio_irq_wait(err[i], SETTLE_MS, &fired), "ERR %d did not fire", i);
		CHECK(fired == 1, "ERR %d fired %ju times", i, fired);
	}
	CHECK_ERRNO(recover(group_name()), ENODEV);
	CHECK(shim_is(s[0].group, "failed"), "not failed any more");
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	begin = now_ns();
	CHECK_OK(recover(group_name()));
	MEASURE_BOUND("recover_ms", (now_ns() - begin) / NS_PER_MS, BACK_MS);
	check_back(true);
	for (int i = 0; i < 2; i++)
		CHECK(!vfio_irq_wait(err[i], 0, NULL), "ERR %d fired again", i);
}

static long restores(void)
{
	return shim_test_count("restores");
}

/*
 * A new error strikes while the shim handles the first of two functions; before is the
 * number of restores until then. The shim finishes that function and must leave the
 * other one to the host, which then restores both.
 */
static void strike_in_attempt(long before)
{
	uint64_t event = shim_number(s[0].group, "event"), begin;

	REQUIRE(WAIT_FOR(restores() > before, SETTLE_MS), "nothing is restored");
	REQUIRE(restores() == before + 1, "%ld restores at once", restores() - before);
	begin = now_ns();
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	REQUIRE(WAIT_FOR(shim_number(s[0].group, "event") != event, SETTLE_MS), "no error seen");
	REQUIRE(restores() == before + 1, "the error came too late, after %ld restores",
		restores() - before);
	REQUIRE_OK(shim_test_set("restore_ms", "0"));
	CHECK(klog_wait("device recovery successful", SETTLE_MS, NULL, 0), "no success");
	CHECK(shim_wait(s[0].group, "open", SETTLE_MS), "not open");
	MEASURE_BOUND("back_ms", (now_ns() - begin) / NS_PER_MS, RESTORE_MS + BACK_MS);
	CHECK(restores() == before + 3, "%ld restores, not 1 of the shim's and 2 of the host's",
	      restores() - before);
}

SCENARIO(pair_failed_hold,
	 "in failed, the reset of one user does not open the gate for the other of type hold")
{
	REQUIRE_OK(shim_bind_test(&s[0], PORT, 0));
	REQUIRE_OK(shim_bind(&s[1], PORT, 1));
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_create(&s[i], "hold"));
		REQUIRE_OK(shim_set(&s[i], "recovery_timeout_ms", "1500"));
		REQUIRE_OK(vfio_user_open_in(&user[i], s[i].uuid, i ? user[0].space : NULL));
	}
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "failed"));
	REQUIRE_OK(shim_test_set("unhealthy", "0"));

	REQUIRE_OK(vfio_user_reset(&user[0]));
	CHECK(shim_is(s[0].group, "holding"), "not holding after one of two resets");
	REQUIRE_OK(vfio_user_reset(&user[1]));
	CHECK(shim_is(s[0].group, "open"), "not open after both resets");
}

SCENARIO(pair_error_in_recover,
	 "an error between two functions that recover brings back: recover stops, the host's wins")
{
	struct background r = { .call = recover };
	long before;

	start_against_bus();
	r.name = group_name();
	REQUIRE_OK(shim_set(&s[0], "recovery_timeout_ms", "1000"));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "failed"));
	REQUIRE_OK(shim_set(&s[0], "recovery_timeout_ms", "20000"));
	/* the earlier event has ended, in the log too */
	REQUIRE(WAIT_FOR(klog_count("device recovery "), SETTLE_MS), "the host is not done");
	klog_mark();
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	REQUIRE_OK(shim_test_set("restore_ms", RESTORE));
	before = restores();
	background_start(&r);
	strike_in_attempt(before);
	REQUIRE(WAIT_FOR(atomic_load(&r.done), SETTLE_MS), "recover does not end");
	CHECK(r.ret == -EAGAIN, "recover: %s", strerror(-r.ret));
	MEASURE_BOUND("recover_ms", r.ns / NS_PER_MS, RESTORE_MS + BACK_MS);
	check_back(true);
}

SCENARIO(pair_error_in_own_attempt,
	 "an error in the middle of the shim's own attempt: it stops, the host's recovery wins")
{
	long before;
	int ret;

	if (!shim_test_gives_up())
		SKIP("this kernel does not say that it gives up");
	start_against_bus();
	REQUIRE_OK(shim_test_set("restore_ms", RESTORE));
	before = restores();
	ret = shim_test_recover(PORT, "frozen", "fail", 0);
	if (ret == -EOPNOTSUPP)
		SKIP("nothing finds pcie_do_recovery()");
	REQUIRE_OK(ret);
	strike_in_attempt(before);
	check_back(false);
	CHECK_NUMBER(s[0].group, "stats/own_resets", 0);
	CHECK_NUMBER(s[0].group, "stats/failures", 0);
}

static int hot_reset_first(const char *name)
{
	(void)name;
	return hot_reset(&user[0]);
}

/*
 * A hot reset of both functions. In the middle of it, while it has the locks of both,
 * the host acts, and waits for it. So many ends of resets are slow.
 */
static void hot_reset_against(unsigned int slow, int (*disturb)(void))
{
	struct background r = { .call = hot_reset_first, .name = PORT };

	for (int i = 0; i < 2; i++)
		REQUIRE_OK(vfio_user_bus_master(&user[i], true));
	REQUIRE_OK(shim_test_set("reset_done_ms", RESTORE));
	background_start(&r);
	REQUIRE(background_in(&r, "test_reset_done", SETTLE_MS), "no hot reset is run");
	REQUIRE_OK(disturb());
	REQUIRE(WAIT_FOR(atomic_load(&r.done), SETTLE_MS), "the hot reset does not end");
	CHECK_OK(r.ret);
	CHECK_NUMBER(s[0].group, "stats/user_resets", 1);
	MEASURE_BOUND("hot_reset_ms", r.ns / NS_PER_MS, slow * RESTORE_MS + BACK_MS);
}

static int error_below_port(void)
{
	int ret = aer_inject(PORT, "DLP");

	if (ret)
		return ret;
	return WAIT_FOR(klog_count("device recovery successful"), SETTLE_MS) ? 0 : -ETIMEDOUT;
}

static int reset_second(void)
{
	return pci_reset(s[1].addr);
}

SCENARIO(pair_error_in_hot_reset,
	 "an error in the middle of a user's hot reset of two functions: both whole in the end")
{
	start();
	hot_reset_against(1, error_below_port);
	check_back(false);
	CHECK_NUMBER(s[0].group, "stats/recoveries", 1);
}

static void reset_in_hot_reset(unsigned int slow)
{
	char cause[32];

	hot_reset_against(slow, reset_second);
	check_back(false);
	check_masters();
	CHECK_NUMBER(s[0].group, "stats/host_resets", 1);
	CHECK_NUMBER(s[0].group, "event", 0);
	/* it does not hide in the user's */
	shim_status(s[0].group, "cause", cause, sizeof(cause));
	CHECK(!strcmp(cause, "host_reset"), "the cause is %s", cause);
}

SCENARIO(pair_reset_in_hot_reset,
	 "the host resets one function in a user's hot reset of both: one after the other, whole")
{
	start();
	reset_in_hot_reset(1);
}

SCENARIO(pair_reset_in_hot_reset_hooks,
	 "likewise if the hooks are due for both: each reset is followed by its own")
{
	start_against_bus();
	/* of both, and then of the host's */
	reset_in_hot_reset(3);
}

/* Each has a user of this type. From the given one on, they are below the tests' driver. */
static void open_both(const char *policy, int test)
{
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(i >= test ? shim_bind_test(&s[i], PORT, i) : shim_bind(&s[i], PORT, i));
		REQUIRE_OK(shim_create(&s[i], policy));
		REQUIRE_OK(vfio_user_open_in(&user[i], s[i].uuid, i ? user[0].space : NULL));
		log_[i].value = nic_status(&user[i]);
	}
	REQUIRE(s[0].group == s[1].group, "groups %d and %d", s[0].group, s[1].group);
}

static void check_both(void)
{
	CHECK(shim_is(s[0].group, "open"), "not open");
	for (int i = 0; i < 2; i++) {
		CHECK(vfio_user_read(&user[i], BAR0, NIC_STATUS, 4) == log_[i].value,
		      "function %d: STATUS changed", i);
		CHECK(pci_command(s[i].addr) & MEMORY, "function %d: COMMAND is %#x", i,
		      pci_command(s[i].addr));
	}
}

SCENARIO(pair_hot_reset_blank,
	 "both have lost their config space: one hot reset brings both back, and INTx too")
{
	struct nic_user nic;

	open_both("resume", 2);
	REQUIRE_OK(nic_user_start(&nic, &user[1], NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX));
	REQUIRE_OK(nic_user_interrupt(&nic, SETTLE_MS));
	REQUIRE_OK(vfio_irq_unmask_intx(&user[1]));
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(pci_config_lose(s[i].addr));
	REQUIRE_OK(hot_reset(&user[0]));
	check_both();
	REQUIRE_OK(vfio_user_bus_master(&user[1], true));
	CHECK_OK(nic_user_raise(&nic, SETTLE_MS));
}

SCENARIO(pair_hot_reset_in_failed,
	 "both are failed and blank: one hot reset brings both back")
{
	open_both("resume", 0);
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_set(&s[i], "recovery_timeout_ms", "500"));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "failed"));
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(pci_config_lose(s[i].addr));
	REQUIRE_OK(hot_reset(&user[0]));
	check_both();
}

SCENARIO(pair_hot_reset_acknowledges,
	 "a hot reset through one function acknowledges for the other of type hold as well")
{
	open_both("hold", 2);
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "holding"));
	REQUIRE_OK(hot_reset(&user[0]));
	check_both();
}

/* The second function is slow after the hot reset; the PCI core waits for the first only. */
static void hot_reset_slow(const char *policy, int test)
{
	uint64_t begin;

	open_both(policy, test);
	REQUIRE_OK(vfio_user_bus_master(&user[1], true));
	if (!strcmp(policy, "hold"))
		REQUIRE_OK(strike(&s[0], PORT, "DLP", "holding"));
	REQUIRE_OK(slow_function(s[1].addr, "ones", SLOW_MS));
	begin = now_ns();
	CHECK_OK(hot_reset(&user[0]));
	CHECK(now_ns() - begin >= SLOW_MS * NS_PER_MS, "it waits for nobody");
	MEASURE_BOUND("hot_reset_ms", (now_ns() - begin) / NS_PER_MS, SLOW_MS + BACK_MS);
	check_both();
	CHECK_NUMBER(s[0].group, "stats/failures", 0);
}

SCENARIO(pair_hot_reset_slow,
	 "a function is slow after a hot reset: it is waited for, and whole when the gate opens")
{
	hot_reset_slow("resume", 2);
	CHECK(pci_command(s[1].addr) & MASTER, "COMMAND is %#x", pci_command(s[1].addr));
}

static int well_again(const char *name)
{
	(void)name;
	sleep_ms(2 * SLOW_MS);
	return shim_test_set("unhealthy", "0");
}

SCENARIO(pair_hot_reset_slow_hook, "the same where its parent driver has hooks, which wait, too")
{
	struct background well = { .call = well_again };
	long before;

	REQUIRE_OK(shim_load());
	open_both("resume", 1);
	REQUIRE_OK(vfio_user_bus_master(&user[1], true));
	before = restores();
	REQUIRE_OK(slow_function(s[1].addr, "ones", SLOW_MS));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	background_start(&well);
	CHECK_OK(hot_reset(&user[0]));
	background_ms(&well, SETTLE_MS);
	CHECK_OK(well.ret);
	check_both();
	CHECK(pci_command(s[1].addr) & MASTER, "COMMAND is %#x", pci_command(s[1].addr));
	CHECK(restores() == before + 1, "%ld hooks", restores() - before);
	CHECK_NUMBER(s[0].group, "stats/failures", 0);
}

SCENARIO(pair_hot_reset_slow_hold, "the same with type hold: it answers for both")
{
	hot_reset_slow("hold", 2);
}

SCENARIO(pair_hot_reset_dead,
	 "a function is dead after a hot reset: EIO, failed, nobody is let in; recover heals")
{
	uint64_t begin;

	open_both("resume", 2);
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_set(&s[i], "recovery_timeout_ms", "1000"));
	REQUIRE_OK(slow_function(s[1].addr, "ones", 60000));
	begin = now_ns();
	CHECK_ERRNO(hot_reset(&user[0]), EIO);
	MEASURE_BOUND("hot_reset_ms", (now_ns() - begin) / NS_PER_MS, SLOW_MS + BACK_MS);
	CHECK(shim_is(s[0].group, "failed"), "not failed");
	for (int i = 0; i < 2; i++)
		CHECK(vfio_user_read(&user[i], BAR0, NIC_STATUS, 4) == ~0u, "%d was let in", i);
	REQUIRE_OK(slow_end());
	CHECK_OK(recover(group_name()));
	check_both();
}

static void hot_reset_beside_dead(int test)
{
	uint64_t begin;

	open_both("resume", test);
	REQUIRE_OK(slow_function(s[1].addr, "now", 60000));
	begin = now_ns();
	CHECK_OK(hot_reset(&user[0]));
	CHECK(shim_is(s[0].group, "open"), "not open");
	CHECK(vfio_user_read(&user[0], BAR0, NIC_STATUS, 4) == log_[0].value, "STATUS changed");
	/* nor does it cost the other anything at the next error */
	REQUIRE_OK(strike(&s[0], PORT, "POISON_TLP", "open"));
	MEASURE_BOUND("took_ms", (now_ns() - begin) / NS_PER_MS, BACK_MS);
	CHECK(vfio_user_read(&user[0], BAR0, NIC_STATUS, 4) == log_[0].value, "STATUS changed");
	CHECK_NUMBER(s[0].group, "stats/failures", 0);
}

SCENARIO(pair_hot_reset_beside_dead,
	 "a function is dead before a hot reset: nobody waits for it, and the other is whole")
{
	hot_reset_beside_dead(2);
}

SCENARIO(pair_hot_reset_beside_dead_hook, "the same where its parent driver has hooks")
{
	hot_reset_beside_dead(1);
}

SCENARIO(pair_hot_reset_unbound,
	 "a function that is slow after a hot reset is unbound: EAGAIN, and the other is whole")
{
	struct background r = { .call = hot_reset_first }, gone = { .call = pci_unbind };
	long before;

	REQUIRE_OK(shim_load());
	open_both("resume", 0);
	REQUIRE_OK(vfio_user_bus_master(&user[0], true));
	before = restores();
	REQUIRE_OK(slow_function(s[1].addr, "ones", 20000));
	gone.name = s[1].addr;
	background_start(&r);
	REQUIRE(shim_wait(s[0].group, "resetting", SETTLE_MS), "no hot reset");
	REQUIRE(!WAIT_FOR(atomic_load(&r.done), SLOW_MS), "it does not wait");
	background_start(&gone);
	REQUIRE(WAIT_FOR(atomic_load(&r.done), SETTLE_MS), "it still waits");
	CHECK(r.ret == -EAGAIN, "the hot reset gave %d", r.ret);
	CHECK(!shim_is(s[0].group, "open"), "open, and not whole");
	vfio_user_close(&user[1]);
	background_ms(&gone, SETTLE_MS);
	CHECK(shim_wait(s[0].group, "open", SETTLE_MS), "not open in the end");
	CHECK(vfio_user_read(&user[0], BAR0, NIC_STATUS, 4) == log_[0].value, "STATUS changed");
	CHECK(pci_command(s[0].addr) & MASTER, "COMMAND is %#x", pci_command(s[0].addr));
	CHECK(restores() > before, "the hook restore was not called");
}

SCENARIO(pair_hooks_unopened,
	 "hooks that a close left to the next open let no harmless error reset the neighbour")
{
	long before;

	open_both("resume", 1);
	/* the reset that comes with its close, if any, is not the point */
	vfio_user_close(&user[1]);
	REQUIRE_OK(vfio_user_write(&user[0], BAR0, NIC_SCRATCH, 4, MARK));
	REQUIRE_OK(strike(&s[0], PORT, "POISON_TLP", "open"));
	CHECK(vfio_user_read(&user[0], BAR0, NIC_SCRATCH, 4) == MARK, "the neighbour was reset");
	CHECK_NUMBER(s[0].group, "stats/harmless_errors", 1);
	before = restores();
	REQUIRE_OK(vfio_user_open_in(&user[1], s[1].uuid, user[0].space));
	CHECK(restores() == before + 1, "%ld hooks at the next open", restores() - before);
	/* nothing is due any more */
	REQUIRE_OK(vfio_user_write(&user[0], BAR0, NIC_SCRATCH, 4, MARK));
	REQUIRE_OK(strike(&s[0], PORT, "POISON_TLP", "open"));
	CHECK(vfio_user_read(&user[0], BAR0, NIC_SCRATCH, 4) == MARK, "the neighbour was reset");
	CHECK_NUMBER(s[0].group, "stats/harmless_errors", 2);
	check_both();
}

SCENARIO(pair_bus_reset_hooks,
	 "the bus reset that heals one function leaves the other, whole before it, whole after it")
{
	open_both("resume", 0);
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_set(&s[i], "recovery_timeout_ms", "1500"));
		REQUIRE_OK(vfio_user_bus_master(&user[i], true));
	}
	/* the shim's own attempt resets each by itself, then the bus */
	REQUIRE_OK(shim_test_set("ill", s[1].addr));
	REQUIRE_OK(shim_test_set("ill_resets", "2"));
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "open"));
	CHECK(shim_test_count("ill_resets") == 0, "no bus reset was made");
	check_both();
	for (int i = 0; i < 2; i++)
		CHECK(pci_command(s[i].addr) & MASTER, "function %d: COMMAND is %#x", i,
		      pci_command(s[i].addr));
}

SCENARIO(pair_not_harmless,
	 "a non-fatal error is not harmless if only the second function wants a reset for it")
{
	open_both("resume", 0);
	REQUIRE_OK(strike(&s[0], PORT, "POISON_TLP", "open"));
	CHECK_NUMBER(s[0].group, "stats/harmless_errors", 1);
	REQUIRE_OK(shim_set(&s[1], "nonfatal_action", "reset"));
	REQUIRE_OK(strike(&s[0], PORT, "POISON_TLP", "open"));
	CHECK_NUMBER(s[0].group, "stats/harmless_errors", 1);
	CHECK_NUMBER(s[0].group, "stats/recoveries", 2);
	check_both();
}
