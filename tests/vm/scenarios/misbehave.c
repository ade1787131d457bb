// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recoveries that go wrong: the device stays dead, or the host takes too long or never
 * finishes. On kernels that export it, also the kernel's own recovery with resets that
 * fail or are slow.
 */
#include <errno.h>
#include <stdio.h>

#include "access_log.h"
#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "nic_user.h"
#include "resets.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "took.h"
#include "sysfs.h"
#include "vfio_irq.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define RESTORES "/sys/module/mdev_recovery_test/parameters/restores"
#define SETTLE_MS 3000
#define WATCHDOG "150"
#define WATCHDOG_MS 150
/* one that does not strike on a busy machine */
#define LONG_WATCHDOG "10000"
#define LATE "600"
/* how long a device may take that stays dead; it is tried three times */
#define DEAD "1000"
#define DEAD_MS 1000
/* looks that take long enough for the watchdog to strike in the shim's own attempt */
#define TRIED "1500"
#define LOOK "600"
/* what the PCI core takes for the reset of a bus, on a busy machine */
#define RESET_MS 1000
#define HANG "1500"
#define HANG_MS 1500
/* what a busy machine adds */
#define SLOW_MS 1500
#define JUNK 0x55

static struct vfio_user user;
static int err;

static struct access_log log_ = {
	.u = &user, .kind = ACCESS_MAP_READ, .region = BAR0, .off = NIC_STATUS,
	.pause_us = 200,
};

static void start(struct shim *s, const char *port, unsigned int n, const char *policy)
{
	REQUIRE_OK(shim_bind_test(s, port, n));
	REQUIRE_OK(shim_create(s, policy));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_ERR_IRQ_INDEX, 1, &err));
	log_.value = nic_status(&user);
	REQUIRE_OK(access_start(&log_));
}

static int recover(const struct shim *s)
{
	return sysfs_write("1", SHIM_CLASS "/group%d/recover", s->group);
}

static void check_cause(const struct shim *s, const char *expected)
{
	char cause[32];

	shim_status(s->group, "cause", cause, sizeof(cause));
	CHECK(!strcmp(cause, expected), "cause is %s, not %s", cause, expected);
}

static void check_err_once(void)
{
	uint64_t fired = 0;

	CHECK(vfio_irq_wait(err, SETTLE_MS, &fired), "ERR did not fire");
	sleep_ms(30);
	CHECK(fired == 1 && !vfio_irq_wait(err, 0, NULL), "ERR fired more than once");
}

static void check_alive(const struct shim *s)
{
	CHECK(shim_wait(s->group, "open", SETTLE_MS), "not open");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == log_.value, "STATUS is %#x, was %#x",
	      vfio_user_read(&user, BAR0, NIC_STATUS, 4), log_.value);
	CHECK(pci_command(s->addr) & 0x2, "COMMAND is %#x", pci_command(s->addr));
	CHECK_NUMBER(s->group, "stats/drain_timeouts", 0);
}

/* The user saw the value or all-ones, never anything else. */
static void stop_log(bool was_lost)
{
	access_stop(&log_);
	CHECK(!log_.wrong && !log_.faults, "%ju wrong (last %#x), %ju faults", log_.wrong,
	      log_.last_wrong, log_.faults);
	CHECK(!!log_.ones == was_lost, "%ju all-ones", log_.ones);
	MEASURE_BOUND("held_ms", log_.longest_ns / NS_PER_MS,
		      (was_lost ? 4000 : 0) + 1000 + SLOW_MS);
}

/* A device that stays dead after the reset is lost; once repaired, it comes back. */
static void lose_and_heal(const char *parameter, const char *value, int error)
{
	struct shim s;

	start(&s, PORT, 0, "resume");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", DEAD));
	REQUIRE_OK(shim_test_set(parameter, value));
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	check_err_once();
	CHECK_ERRNO(recover(&s), error);
	CHECK(klog_count("recover: not recovered") == 1, "%u lines",
	      klog_count("recover: not recovered"));
	CHECK(shim_is(s.group, "failed"), "not failed any more");
	CHECK_ERRNO(vfio_user_reset(&user), error);
	CHECK(shim_is(s.group, "failed"), "not failed any more");
	CHECK(!vfio_irq_wait(err, 0, NULL), "ERR fired again");
	stop_log(true);

	REQUIRE_OK(shim_test_set(parameter, "0"));
	CHECK_OK(recover(&s));
	check_alive(&s);

	REQUIRE_OK(shim_test_set(parameter, value));
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	check_err_once();
	REQUIRE_OK(shim_test_set(parameter, "0"));
	CHECK(WAIT_FOR(!vfio_user_reset(&user), SETTLE_MS), "no reset heals it");
	check_alive(&s);

	/* a later error is handled as usual */
	REQUIRE(shim_is(s.group, "open"), "not open");
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	check_alive(&s);
	CHECK_NUMBER(s.group, "stats/failures", 2);
}

SCENARIO(misbehave_unhealthy,
	 "not well after the reset: failed, ERR once; repaired, recover or a reset heal")
{
	lose_and_heal("unhealthy", "1", ENODEV);
}

SCENARIO(misbehave_restore_error,
	 "a restore that fails: failed, ERR once; repaired, recover or a reset heal")
{
	lose_and_heal("restore_error", "-5", EIO);
}

SCENARIO(misbehave_failed_then_error,
	 "an error in failed is recovered by the host, which proves the device: open again")
{
	struct shim s;

	start(&s, PORT, 0, "resume");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", DEAD));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	check_alive(&s);
	stop_log(true);
}

SCENARIO(misbehave_watchdog_in_attempt,
	 "the watchdog strikes while the shim tries by itself: failed means that it has ended")
{
	long restores;
	struct shim s;

	start(&s, PORT, 0, "resume");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", TRIED));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(shim_test_set("restore_ms", LOOK));
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	restores = sysfs_read_number(RESTORES);
	REQUIRE(restores >= 0, "no count: %ld", restores);
	REQUIRE(klog_count("did not end within " TRIED " ms") == 1, "the watchdog did not strike");
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	REQUIRE_OK(shim_test_set("restore_ms", "0"));
	sleep_ms(SETTLE_MS);
	CHECK(sysfs_read_number(RESTORES) == restores, "something was tried after ERR");
	CHECK(shim_is(s.group, "failed"), "not failed any more");
	CHECK_OK(recover(&s));
	check_alive(&s);
	access_stop(&log_);
	CHECK(!log_.wrong && !log_.faults, "%ju wrong, %ju faults", log_.wrong, log_.faults);
	CHECK_NUMBER(s.group, "stats/failures", 1);
}

/* Held, its user waits again, until it has reset the device. */
static void check_held_again(void)
{
	struct waiter w = {
		.u = &user, .kind = WAITER_PREAD, .region = BAR0, .off = NIC_STATUS,
	};

	REQUIRE_OK(waiter_start(&w));
	CHECK(waiter_waits(&w, SETTLE_MS), "it does not wait");
	CHECK_OK(vfio_user_reset(&user));
	REQUIRE(waiter_ended(&w, SETTLE_MS), "it waits for ever");
	CHECK(!w.error && w.value == log_.value, "error %d, STATUS is %#x", w.error, w.value);
}

/* The host is slower than the watchdog, but finishes. */
static void late_host(const char *parameter, const char *policy, const char *state)
{
	uint64_t begin, failed_ms;
	struct shim s;

	start(&s, PORT, 0, policy);
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", WATCHDOG));
	REQUIRE_OK(shim_test_set(parameter, LATE));
	begin = now_ns();
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	failed_ms = (now_ns() - begin) / 1000000;
	check_cause(&s, "watchdog");
	/* the host may reset the function any moment */
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	check_err_once();
	REQUIRE(shim_wait(s.group, state, SETTLE_MS), "not %s after the late end", state);
	MEASURE_BOUND("failed_after_ms", failed_ms, WATCHDOG_MS + SLOW_MS);
	MEASURE_BOUND("back_after_ms", (now_ns() - begin) / NS_PER_MS, 600 + SLOW_MS);
	/* jiffies lag behind this clock while the emulator gets no time, so less can be right */
	CHECK(failed_ms > WATCHDOG_MS / 2, "failed after %ju ms", failed_ms);
	REQUIRE_OK(shim_test_set(parameter, "0"));
	if (!strcmp(state, "holding"))
		check_held_again();
	check_alive(&s);
	stop_log(true);
	CHECK(log_.longest_ns < 500 * NS_PER_MS, "released after %ju ns only", log_.longest_ns);
	CHECK_NUMBER(s.group, "stats/failures", 1);
	/* it was late, but it abandoned nothing */
	CHECK_NUMBER(s.group, "stats/own_resets", 0);
}

SCENARIO(misbehave_late_slot_reset,
	 "slot_reset after the watchdog: failed meanwhile, user's reset refused, then open")
{
	late_host("slot_reset_ms", "resume", "open");
}

SCENARIO(misbehave_close_in_late_restore,
	 "a close that meets a restore after the group has failed waits for it; all is well then")
{
	uint64_t begin, ms;
	struct shim s;
	long before;

	start(&s, PORT, 0, "resume");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", WATCHDOG));
	REQUIRE_OK(shim_test_set("slot_reset_ms", LATE));
	REQUIRE_OK(shim_test_set("restore_ms", HANG));
	before = shim_test_count("restores");
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	REQUIRE(WAIT_FOR(shim_test_count("restores") > before, SETTLE_MS), "no restore");
	begin = now_ns();
	access_stop(&log_);
	vfio_user_close(&user);
	ms = (now_ns() - begin) / NS_PER_MS;
	CHECK(ms > HANG_MS / 2, "closed after %ju ms, in the middle of the restore", ms);
	MEASURE_BOUND("close_ms", ms, HANG_MS + SLOW_MS);
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "not open");
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	check_alive(&s);
}

/*
 * A device that answers and is never well: all that is tried takes its time. That is a
 * wait after the host's reset, and one after each of two of our own.
 */
SCENARIO(misbehave_close_bound,
	 "a close in the recovery of a device that stays dead: three times recovery_timeout_ms",
	 .limit_s = 60)
{
	uint64_t begin;
	struct shim s;

	start(&s, PORT, 0, "resume");
	access_stop(&log_);
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", DEAD));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "recovering"));
	begin = now_ns();
	vfio_user_close(&user);
	MEASURE_BOUND("close_ms", (now_ns() - begin) / NS_PER_MS,
		      3 * DEAD_MS + 2 * RESET_MS + SLOW_MS);
	CHECK(shim_is(s.group, "failed"), "not failed");
	begin = now_ns();
	CHECK_ERRNO(recover(&s), ENODEV);
	MEASURE_BOUND("recover_ms", (now_ns() - begin) / NS_PER_MS,
		      2 * DEAD_MS + 2 * RESET_MS + SLOW_MS);
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	CHECK_OK(recover(&s));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	check_alive(&s);
}

SCENARIO(misbehave_late_resume_hold,
	 "resume after the watchdog: failed meanwhile, user's reset refused, then holding")
{
	late_host("resume_ms", "hold", "holding");
}

SCENARIO(misbehave_no_resume,
	 "a host that never says that it is done: failed by the watchdog; recover ends it")
{
	uint64_t begin;
	struct shim s;

	start(&s, PORT, 0, "resume");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", WATCHDOG));
	REQUIRE_OK(shim_test_set("drop_resume", "2"));
	begin = now_ns();
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	MEASURE_BOUND("failed_after_ms", (now_ns() - begin) / NS_PER_MS, WATCHDOG_MS + SLOW_MS);
	check_cause(&s, "watchdog");
	check_err_once();
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	CHECK(WAIT_FOR(klog_count("device recovery successful"), SETTLE_MS), "not done");
	begin = now_ns();
	CHECK_OK(recover(&s));
	MEASURE_BOUND("recover_ms", (now_ns() - begin) / NS_PER_MS, SLOW_MS);
	check_alive(&s);
	check_cause(&s, "none");
	CHECK_OK(vfio_user_reset(&user));
	stop_log(true);
	REQUIRE_OK(shim_test_set("drop_resume", "0"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	check_alive(&s);
}

/* A fatal error, recovered by a task that is not the one of errors injected at PORT. */
static void error_elsewhere(const struct shim *s)
{
	uint64_t event = shim_number(s->group, "event");
	int ret = shim_test_recover(PORT, "frozen", "ok", 0);

	if (ret == -EOPNOTSUPP)
		SKIP("nothing finds pcie_do_recovery()");
	REQUIRE_OK(ret);
	REQUIRE(WAIT_FOR(shim_number(s->group, "event") != event, SETTLE_MS), "no error seen");
}

SCENARIO(misbehave_no_resume_breaker,
	 "the same with one error too many: recover ends that walk, and the next one counts alone")
{
	struct shim s;

	start(&s, PORT, 0, "resume");
	REQUIRE_OK(shim_set(&s, "breaker_max", "1"));
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", LONG_WATCHDOG));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	REQUIRE_OK(shim_test_set("drop_resume", "1"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	check_cause(&s, "breaker");
	CHECK(WAIT_FOR(klog_count("device recovery successful") == 2, SETTLE_MS), "not done");
	CHECK_OK(recover(&s));
	check_alive(&s);
	REQUIRE_OK(shim_test_set("drop_resume", "0"));
	stop_log(true);

	/* by another task than that of the port, which has not come back */
	error_elsewhere(&s);
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "a walk that has ended is waited for");
	check_alive(&s);
	CHECK_NUMBER(s.group, "stats/failures", 1);
}

SCENARIO(misbehave_recover_in_hung_recovery,
	 "recover while the host hangs in slot_reset: it waits, EAGAIN, and the host's end counts")
{
	uint64_t begin;
	struct shim s;
	long before;

	start(&s, PORT, 0, "resume");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", WATCHDOG));
	REQUIRE_OK(shim_test_set("slot_reset_ms", HANG));
	before = shim_test_count("slot_resets");
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "20000"));
	/* from here on the host has the function's lock */
	REQUIRE(WAIT_FOR(shim_test_count("slot_resets") > before, SETTLE_MS), "no slot_reset");
	begin = now_ns();
	CHECK_ERRNO(recover(&s), EAGAIN);
	MEASURE_BOUND("recover_ms", (now_ns() - begin) / NS_PER_MS, HANG_MS + SLOW_MS);
	CHECK(WAIT_FOR(klog_count("device recovery successful"), SETTLE_MS), "not done");
	check_alive(&s);
	stop_log(true);
	CHECK_NUMBER(s.group, "stats/recoveries", 1);
}

SCENARIO(misbehave_sibling,
	 "a function that stays dead does not keep the one next to it from recovering")
{
	struct vfio_user other;
	uint32_t status;
	struct shim s, well;

	REQUIRE_OK(shim_make(&well, "rp_igb", 1, "resume"));
	REQUIRE_OK(vfio_user_open(&other, well.uuid));
	status = nic_status(&other);
	start(&s, "rp_igb", 0, "resume");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", DEAD));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&well, "rp_igb", "DLP", "open"));
	CHECK(vfio_user_read(&other, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	CHECK(shim_wait(s.group, "failed", 3 * SETTLE_MS), "the dead one is not failed");
	check_err_once();
	CHECK(shim_number(well.group, "event") == shim_number(s.group, "event"), "two ids");
	MEASURE_RECOVERY("recovery_ms", &well);

	/* recovering one group must not harm the other */
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	CHECK_OK(recover(&s));
	check_alive(&s);
	stop_log(true);
	CHECK(shim_is(well.group, "open"), "not open any more");
	CHECK(vfio_user_read(&other, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

/* The kernel's own recovery, with a reset of ours. */
static void recover_by_kernel(const char *state, const char *reset, unsigned int ms)
{
	int ret = shim_test_recover(PORT, state, reset, ms);

	if (ret == -EOPNOTSUPP)
		SKIP("nothing finds pcie_do_recovery()");
	REQUIRE_OK(ret);
}

/* The user is held for as long as it takes, and then works as before. */
static void check_held(struct shim *s, const char *state, const char *reset, unsigned int ms,
		       bool own)
{
	uint64_t event = shim_number(s->group, "event"), held_ms, begin = now_ns();
	char name[24];

	log_.longest_ns = 0;
	recover_by_kernel(state, reset, ms);
	CHECK(WAIT_FOR(shim_number(s->group, "event") != event, SETTLE_MS), "no new event");
	CHECK(!event || shim_number(s->group, "event") == event + 1, "events %ju and %ju",
	      event, shim_number(s->group, "event"));
	check_alive(s);
	held_ms = (now_ns() - begin) / 1000000;
	CHECK(held_ms >= ms, "open after %ju ms of %u", held_ms, ms);
	CHECK(shim_number(s->group, "stats/own_resets") == own, "%s %s: own_resets is %ju", state,
	      reset, shim_number(s->group, "stats/own_resets"));
	snprintf(name, sizeof(name), "%s_%s_ms", state, reset);
	MEASURE_BOUND(name, held_ms, ms + SLOW_MS);
}

SCENARIO(misbehave_kernel_resets,
	 "resets that take their time, or have been made before: the user is held and goes on")
{
	struct shim s;

	start(&s, PORT, 0, "resume");
	check_held(&s, "frozen", "ok", 500, false);
	check_held(&s, "normal", "ok", 0, false);
	REQUIRE_OK(shim_set(&s, "nonfatal_action", "reset"));
	check_held(&s, "normal", "ok", 200, false);
	stop_log(false);
	/* the port cut the link before the host knew; the user must not see that */
	check_held(&s, "frozen", "dpc", 200, false);
	CHECK(!vfio_irq_wait(err, 0, NULL), "ERR fired");
}

SCENARIO(misbehave_kernel_reset_fails,
	 "a reset that fails, after a second: the shim's own attempt saves the user")
{
	struct shim s;

	if (!shim_test_gives_up())
		SKIP("this kernel does not say that it gives up");
	start(&s, PORT, 0, "resume");
	check_held(&s, "frozen", "fail", 1000, true);
	stop_log(false);
	CHECK(!vfio_irq_wait(err, 0, NULL), "ERR fired");
	CHECK_NUMBER(s.group, "stats/failures", 0);
}

SCENARIO(misbehave_kernel_gives_up,
	 "a reset that fails, and a device that stays dead: failed, cause permanent, ERR once")
{
	uint64_t begin;
	struct shim s;

	if (!shim_test_gives_up())
		SKIP("this kernel does not say that it gives up");
	start(&s, PORT, 0, "resume");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", DEAD));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	begin = now_ns();
	recover_by_kernel("frozen", "fail", 100);
	REQUIRE(shim_wait(s.group, "failed", 3 * SETTLE_MS), "not failed");
	MEASURE_BOUND("failed_after_ms", (now_ns() - begin) / NS_PER_MS, 4000 + SLOW_MS);
	check_cause(&s, "permanent");
	check_err_once();
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	CHECK_OK(vfio_user_reset(&user));
	check_alive(&s);
	stop_log(true);
}

SCENARIO(misbehave_kernel_recover_then_late,
	 "recover while the kernel hangs: the gate closes again, and nothing is elided")
{
	uint64_t begin;
	struct shim s;

	start(&s, PORT, 0, "resume");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", WATCHDOG));
	REQUIRE_OK(shim_set(&s, "reset_elision", "pristine"));
	recover_by_kernel("frozen", "dpc", 1500);
	REQUIRE(shim_wait(s.group, "failed", SETTLE_MS), "not failed");
	access_stop(&log_);
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "20000"));
	begin = now_ns();
	CHECK_OK(recover(&s));
	MEASURE_BOUND("recover_ms", (now_ns() - begin) / NS_PER_MS, SLOW_MS);
	CHECK(shim_is(s.group, "open"), "not open after recover");
	/* after the host's reset */
	REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, JUNK));
	CHECK(WAIT_FOR(klog_count("device recovery successful"), SETTLE_MS), "not done");
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "not open");
	CHECK_NUMBER(s.group, "stats/recoveries", 2);
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(vfio_user_read(&user, BAR0, NIC_SCRATCH, 4) == 0, "SCRATCH is %#x",
	      vfio_user_read(&user, BAR0, NIC_SCRATCH, 4));
	check_alive(&s);
}

SCENARIO(misbehave_kernel_recover_then_gives_up,
	 "recover while the kernel hangs, which then gives up a device that is whole: goes on")
{
	struct shim s;

	start(&s, PORT, 0, "resume");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", WATCHDOG));
	recover_by_kernel("frozen", "fail", 1500);
	REQUIRE(shim_wait(s.group, "failed", SETTLE_MS), "not failed");
	check_err_once();
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "20000"));
	CHECK_OK(recover(&s));
	CHECK(shim_is(s.group, "open"), "not open after recover");
	CHECK(WAIT_FOR(klog_count("device recovery failed"), SETTLE_MS), "not done");
	sleep_ms(30);
	CHECK(!vfio_irq_wait(err, 0, NULL), "ERR fired again");
	check_alive(&s);
	stop_log(true);
	CHECK_NUMBER(s.group, "stats/failures", 1);
}

SCENARIO(misbehave_recover_by_bus,
	 "recover of a function that only a reset of its bus resets: with the lock of the bridge")
{
	long resets, unlocked;
	struct shim s;

	REQUIRE_OK(resets_load());
	start(&s, PORT, 0, "resume");
	REQUIRE_OK(sysfs_write("bus", "/sys/bus/pci/devices/%s/reset_method", s.addr));
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", DEAD));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	stop_log(true);
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	resets = resets_seen("resets");
	unlocked = resets_seen("unlocked");
	CHECK_OK(recover(&s));
	CHECK(resets_seen("resets") > resets, "no bus was reset");
	CHECK(resets_seen("unlocked") == unlocked, "%ld resets without the lock",
	      resets_seen("unlocked") - unlocked);
	check_alive(&s);
}
