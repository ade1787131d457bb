// SPDX-License-Identifier: GPL-2.0-only
/* The breaker: errors that come too often lead to failed instead of a recovery. */
#include <errno.h>

#include "access_log.h"
#include "aer_thread.h"
#include "background.h"
#include "clock.h"
#include "hot_reset.h"
#include "klog.h"
#include "mdev.h"
#include "monitor.h"
#include "nic_user.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "took.h"
#include "vfio_irq.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define SETTLE_MS 3000
#define QUIET_MS 50
/* far below the stall timeout */
#define AT_ONCE_MS 500
/* how long the host stays in slot_reset */
#define HANG "1500"
#define HANG_MS 1500
/* what a busy machine adds */
#define SLOW_MS 1500
#define SUCCESSFUL "device recovery successful"

static struct vfio_user user;

static void use(struct shim *s, const char *max, const char *window_ms)
{
	REQUIRE_OK(shim_create(s, "resume"));
	REQUIRE_OK(shim_set(s, "breaker_max", max));
	REQUIRE_OK(shim_set(s, "breaker_window_ms", window_ms));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
}

static void start(struct shim *s, const char *max, const char *window_ms)
{
	REQUIRE_OK(shim_bind(s, PORT, 0));
	use(s, max, window_ms);
}

static void check_cause(const struct shim *s, const char *expected)
{
	char cause[32];

	shim_status(s->group, "cause", cause, sizeof(cause));
	CHECK(!strcmp(cause, expected), "cause is %s", cause);
}

static int recover(const struct shim *s)
{
	return sysfs_write("1", SHIM_CLASS "/group%d/recover", s->group);
}

SCENARIO(breaker_trips,
	 "one error too many: failed, ERR once, users go on at once; only recover brings it back")
{
	struct access_log log = {
		.u = &user, .kind = ACCESS_MAP_READ, .region = BAR0,
		.off = NIC_STATUS, .pause_us = 200,
	};
	uint64_t fired = 0;
	struct shim s;
	int err;

	start(&s, "2", "60000");
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_ERR_IRQ_INDEX, 1, &err));
	log.value = nic_status(&user);
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK(!vfio_irq_wait(err, 0, NULL), "ERR fired too early");

	REQUIRE_OK(access_start(&log));
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	CHECK(vfio_irq_wait(err, SETTLE_MS, &fired), "ERR did not fire");
	check_cause(&s, "breaker");
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	/* the host continues all the same, which must not count as a recovery */
	CHECK(WAIT_FOR(klog_count(SUCCESSFUL) == 3, SETTLE_MS), "the host did not go on");
	sleep_ms(QUIET_MS);
	CHECK(shim_is(s.group, "failed"), "not failed any more");
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	check_cause(&s, "breaker");
	CHECK(fired == 1 && !vfio_irq_wait(err, 0, NULL), "ERR fired more than once");
	access_stop(&log);
	CHECK(log.ones && !log.wrong && !log.faults, "%ju all-ones, %ju wrong, %ju faults",
	      log.ones, log.wrong, log.faults);
	MEASURE_BOUND("released_after_ms", log.longest_ns / NS_PER_MS, AT_ONCE_MS);

	CHECK_OK(recover(&s));
	CHECK(shim_is(s.group, "open"), "not open after recover");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == log.value, "STATUS changed");
	/* recover also clears the record of errors */
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == log.value, "STATUS changed");
	CHECK_NUMBER(s.group, "stats/failures", 1);
	CHECK(!vfio_irq_wait(err, 0, NULL), "ERR fired again");
}

SCENARIO(breaker_recover_before_host,
	 "recover before the host comes to the function: whole at once, and when the host is done")
{
	struct shim s, slow;
	uint64_t begin;
	uint32_t status;
	long before;

	/* the host is held up by the function next to it */
	REQUIRE_OK(shim_bind_test(&slow, "rp_igb", 0));
	REQUIRE_OK(shim_bind(&s, "rp_igb", 1));
	use(&s, "1", "60000");
	status = nic_status(&user);
	REQUIRE_OK(strike(&s, "rp_igb", "DLP", "open"));
	REQUIRE(WAIT_FOR(klog_count(SUCCESSFUL) == 1, SETTLE_MS), "the host is not done");
	REQUIRE_OK(shim_test_set("slot_reset_ms", HANG));
	before = shim_test_count("slot_resets");
	REQUIRE_OK(strike(&s, "rp_igb", "DLP", "failed"));
	REQUIRE(WAIT_FOR(shim_test_count("slot_resets") > before, SETTLE_MS), "no slot_reset");
	begin = now_ns();
	CHECK_OK(recover(&s));
	MEASURE_BOUND("recover_ms", (now_ns() - begin) / NS_PER_MS, HANG_MS);
	CHECK(shim_is(s.group, "open"), "not open after recover");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	CHECK(klog_count(SUCCESSFUL) == 1, "the host was faster: nothing is shown");
	CHECK(WAIT_FOR(klog_count(SUCCESSFUL) == 2, SETTLE_MS), "the host did not go on");
	CHECK(WAIT_FOR(shim_number(s.group, "stats/recoveries") == 3, SETTLE_MS),
	      "recoveries is %ju, not one each of the first error, recover and the host",
	      shim_number(s.group, "stats/recoveries"));
	CHECK(shim_is(s.group, "open"), "not open in the end");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

SCENARIO(breaker_recover_in_slot_reset,
	 "recover while the host has the function: it waits, EAGAIN, and the host's end counts")
{
	uint64_t begin;
	uint32_t status;
	struct shim s;
	long before;

	REQUIRE_OK(shim_bind_test(&s, PORT, 0));
	use(&s, "1", "60000");
	status = nic_status(&user);
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	REQUIRE_OK(shim_test_set("slot_reset_ms", HANG));
	before = shim_test_count("slot_resets");
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	REQUIRE(WAIT_FOR(shim_test_count("slot_resets") > before, SETTLE_MS), "no slot_reset");
	begin = now_ns();
	CHECK_ERRNO(recover(&s), EAGAIN);
	MEASURE_BOUND("refused_ms", (now_ns() - begin) / NS_PER_MS, HANG_MS + SLOW_MS);
	CHECK(WAIT_FOR(klog_count(SUCCESSFUL) == 2, SETTLE_MS), "the host did not go on");
	CHECK(WAIT_FOR(shim_number(s.group, "stats/recoveries") == 2, SETTLE_MS),
	      "recoveries is %ju, not one of each error", shim_number(s.group, "stats/recoveries"));
	CHECK(shim_is(s.group, "open"), "not open in the end");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	check_cause(&s, "fatal");
	/* the administrator has decided: the errors before count no more */
	REQUIRE_OK(shim_test_set("slot_reset_ms", "0"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	check_cause(&s, "breaker");
}

SCENARIO(breaker_window, "errors further apart than the window never trip it")
{
	struct shim s;

	start(&s, "1", "20");
	for (int i = 0; i < 3; i++) {
		REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
		sleep_ms(30);
	}
	CHECK(shim_number(s.group, "stats/recoveries") == 3, "not three recoveries");
	MEASURE_RECOVERY("recovery_ms", &s);
	REQUIRE_OK(shim_set(&s, "breaker_window_ms", "60000"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
}

SCENARIO(breaker_strictest,
	 "two functions allow as many errors, in a short and in a long time: the longer one counts")
{
	static const char * const windows[][2] = { { "1", "600000" }, { "600000", "1" } };
	struct shim s[2];

	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_make(&s[i], "rp_e1000e", i, "resume"));
		REQUIRE_OK(shim_set(&s[i], "breaker_max", "1"));
	}
	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 2; j++)
			REQUIRE_OK(shim_set(&s[j], "breaker_window_ms", windows[i][j]));
		REQUIRE_OK(strike(&s[0], "rp_e1000e", "DLP", "open"));
		REQUIRE_OK(strike(&s[0], "rp_e1000e", "DLP", "failed"));
		check_cause(&s[0], "breaker");
		REQUIRE(aer_wait_idle(SETTLE_MS), "the host is not done");
		REQUIRE_OK(recover(&s[0]));
		REQUIRE(shim_wait(s[0].group, "open", SETTLE_MS), "not open");
	}
}

SCENARIO(breaker_off_beside_one,
	 "one function allows one error, the other any number: the first counts, in either order")
{
	static const char * const numbers[][2] = { { "0", "1" }, { "1", "0" } };
	struct shim s[2];

	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_make(&s[i], "rp_e1000e", i, "resume"));
		REQUIRE_OK(shim_set(&s[i], "breaker_window_ms", "600000"));
	}
	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 2; j++)
			REQUIRE_OK(shim_set(&s[j], "breaker_max", numbers[i][j]));
		REQUIRE_OK(strike(&s[0], "rp_e1000e", "DLP", "open"));
		REQUIRE_OK(strike(&s[0], "rp_e1000e", "DLP", "failed"));
		check_cause(&s[0], "breaker");
		REQUIRE(aer_wait_idle(SETTLE_MS), "the host is not done");
		REQUIRE_OK(recover(&s[0]));
		REQUIRE(shim_wait(s[0].group, "open", SETTLE_MS), "not open");
	}
}

SCENARIO(breaker_off, "with breaker_max=0 no number of errors trips it")
{
	struct shim s;

	start(&s, "0", "3600000");
	for (int i = 0; i < 7; i++)
		REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK_NUMBER(s.group, "stats/recoveries", 7);
	MEASURE_RECOVERY("recovery_ms", &s);
}

static void check_refused(const struct shim *s, const char *attr, const char *value,
			  const char *kept)
{
	char now[32];

	CHECK_ERRNO(shim_set(s, attr, value), EINVAL);
	sysfs_read(now, sizeof(now), MDEV_DIR "/%s/recovery/%s", s->uuid, attr);
	CHECK(!strcmp(now, kept), "%s: %s is %s after '%s'", attr, attr, now, value);
}

SCENARIO(breaker_bad_values, "numbers out of range are refused and change nothing")
{
	static const char * const max[] = { "-1", "64", "x", "1 2", "4294967296" };
	static const char * const window[] = { "0", "-5", "3600001", "soon" };
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&s, "breaker_max", "63"));
	REQUIRE_OK(shim_set(&s, "breaker_window_ms", "1"));
	for (size_t i = 0; i < sizeof(max) / sizeof(max[0]); i++)
		check_refused(&s, "breaker_max", max[i], "63");
	for (size_t i = 0; i < sizeof(window) / sizeof(window[0]); i++)
		check_refused(&s, "breaker_window_ms", window[i], "1");
}

/* Still given up, and its user is told so. A 0 recovers nothing. */
static void check_given_up(const struct shim *s)
{
	CHECK_ERRNO(sysfs_write("0", SHIM_CLASS "/group%d/recover", s->group), EINVAL);
	CHECK(shim_is(s->group, "failed"), "not failed any more");
	check_cause(s, "breaker");
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	CHECK_NUMBER(s->group, "stats/failures", 1);
}

static void trip(const struct shim *s, const char *port)
{
	REQUIRE_OK(strike(s, port, "DLP", "open"));
	REQUIRE_OK(strike(s, port, "DLP", "failed"));
	REQUIRE(WAIT_FOR(klog_count(SUCCESSFUL) == 2, SETTLE_MS), "the host is not done");
}

SCENARIO(breaker_hot_reset,
	 "a hot reset through another group hits a function that was given up: it stays failed")
{
	static struct vfio_user other;
	struct shim s, next;
	uint32_t status;

	REQUIRE_OK(shim_bind(&s, "rp_igb", 0));
	use(&s, "1", "60000");
	status = nic_status(&user);
	REQUIRE_OK(shim_make(&next, "rp_igb", 1, "resume"));
	REQUIRE_OK(vfio_user_open_in(&other, next.uuid, user.space));
	trip(&s, "rp_igb");
	REQUIRE(shim_wait(next.group, "open", SETTLE_MS), "the other one is not open");
	REQUIRE_OK(vfio_user_write(&other, BAR0, NIC_SCRATCH, 4, 0x55));
	CHECK_OK(hot_reset(&other));
	CHECK(vfio_user_read(&other, BAR0, NIC_SCRATCH, 4) == 0, "no hot reset was made");
	CHECK(shim_is(next.group, "open"), "the other one is not open after its reset");
	check_given_up(&s);
	CHECK_OK(recover(&s));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

SCENARIO(breaker_host_reset,
	 "a reset through sysfs of a function that was given up: it stays failed")
{
	uint32_t status;
	struct shim s;

	start(&s, "1", "60000");
	status = nic_status(&user);
	trip(&s, PORT);
	REQUIRE_OK(pci_reset(s.addr));
	CHECK_NUMBER(s.group, "stats/host_resets", 1);
	check_given_up(&s);
	CHECK_OK(recover(&s));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

static int reset_host(const char *addr)
{
	return pci_reset(addr);
}

SCENARIO(breaker_host_reset_error,
	 "an error of another function in such a reset: it stays failed, with the same cause")
{
	struct background reset = { .call = reset_host };
	struct shim s, other;

	REQUIRE_OK(shim_bind_test(&s, "deep_a", 0));
	REQUIRE_OK(shim_bind(&other, "deep_b", 0));
	REQUIRE(s.group == other.group, "groups %d and %d", s.group, other.group);
	use(&s, "1", "60000");
	trip(&s, "deep_a");
	REQUIRE_OK(shim_test_set("reset_done_ms", "1500"));
	reset.name = s.addr;
	background_start(&reset);
	REQUIRE(background_in(&reset, "test_reset_done", SETTLE_MS), "no reset is run");
	REQUIRE_OK(aer_inject("deep_b", "DLP"));
	REQUIRE(WAIT_FOR(klog_count(SUCCESSFUL) == 3, SETTLE_MS), "the host is not done");
	REQUIRE(!atomic_load(&reset.done), "the reset is over: nothing is shown");
	background_ms(&reset, SETTLE_MS);
	CHECK_OK(reset.ret);
	sleep_ms(QUIET_MS);
	check_given_up(&s);
	CHECK_OK(recover(&s));
	CHECK(shim_is(s.group, "open"), "not open after recover");
}

SCENARIO(breaker_removal,
	 "another function leaves a group that was given up: it stays failed")
{
	struct shim s, parked;
	uint32_t status;

	REQUIRE_OK(shim_bind(&s, "rp_e1000e", 0));
	REQUIRE_OK(shim_bind(&parked, "rp_e1000e", 1));
	REQUIRE(s.group == parked.group, "groups %d and %d", s.group, parked.group);
	use(&s, "1", "60000");
	status = nic_status(&user);
	trip(&s, "rp_e1000e");
	REQUIRE_OK(pci_unbind(parked.addr));
	check_given_up(&s);
	/* nor is it any better for one that joins */
	REQUIRE_OK(shim_bind(&parked, "rp_e1000e", 1));
	check_given_up(&s);
	CHECK_OK(recover(&s));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}
