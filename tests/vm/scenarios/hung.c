// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host hangs in the middle of a recovery with the function's lock held. Every wait
 * for its end has a bound, and the device works in the end.
 */
#include <errno.h>

#include "clock.h"
#include "klog.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
/* two functions, a group each */
#define PAIR_PORT "rp_igb"
#define SETTLE_MS 3000
/* how long the host hangs in slot_reset */
#define HANG "2500"
#define HANG_MS 2500
#define STALL "300"
#define STALL_MS 300
#define WATCHDOG "400"
#define WATCHDOG_MS 400
/* beyond the watchdog: what a close waits for, and recover for the function's lock */
#define CLOSE_MS 1000
#define LOCK_MS 5000
#define LONG_HANG "6500"
#define LONG_HANG_MS 6500
/* what a busy machine adds */
#define SLOW_MS 1500

static struct vfio_user user;
static uint32_t status;

static void start(struct shim *s, const char *recovery_timeout_ms, const char *hang)
{
	REQUIRE_OK(shim_bind_test(s, PORT, 0));
	REQUIRE_OK(shim_create(s, "resume"));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", STALL));
	REQUIRE_OK(shim_set(s, "recovery_timeout_ms", recovery_timeout_ms));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	status = nic_status(&user);
	REQUIRE_OK(shim_test_set("slot_reset_ms", hang));
}

/* The host finishes, and the user's device works. */
static void check_end(const struct shim *s, unsigned int hang_ms)
{
	CHECK(shim_wait(s->group, "open", hang_ms + SETTLE_MS), "not open in the end");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS is %#x, was %#x",
	      vfio_user_read(&user, BAR0, NIC_STATUS, 4), status);
	CHECK(pci_command(s->addr) & 0x2, "COMMAND is %#x", pci_command(s->addr));
}

SCENARIO(hung_open, "an open waits for the stall timeout, then gives EAGAIN; later it works")
{
	uint64_t begin;
	struct shim s;

	start(&s, "20000", HANG);
	vfio_user_close(&user);
	REQUIRE_OK(strike(&s, PORT, "DLP", "recovering"));
	begin = now_ns();
	CHECK_ERRNO(vfio_user_open(&user, s.uuid), EAGAIN);
	MEASURE_BOUND("refused_ms", (now_ns() - begin) / NS_PER_MS, STALL_MS + SLOW_MS);
	CHECK(now_ns() - begin > STALL_MS / 2 * NS_PER_MS, "it did not wait");
	CHECK(shim_is(s.group, "recovering"), "the host was faster: nothing is shown");
	CHECK(klog_count("group is recovering") == 1, "%u lines",
	      klog_count("group is recovering"));
	CHECK(shim_wait(s.group, "open", HANG_MS + SETTLE_MS), "not open in the end");
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	check_end(&s, HANG_MS);
}

SCENARIO(hung_reset,
	 "a user's reset waits for the stall timeout, then gives EAGAIN; later it works")
{
	uint64_t begin;
	struct shim s;

	start(&s, "20000", HANG);
	REQUIRE_OK(strike(&s, PORT, "DLP", "recovering"));
	begin = now_ns();
	CHECK_ERRNO(vfio_user_reset(&user), EAGAIN);
	MEASURE_BOUND("refused_ms", (now_ns() - begin) / NS_PER_MS, STALL_MS + SLOW_MS);
	CHECK(now_ns() - begin > STALL_MS / 2 * NS_PER_MS, "it did not wait");
	CHECK(shim_is(s.group, "recovering"), "the host was faster: nothing is shown");
	check_end(&s, HANG_MS);
	CHECK(shim_number(s.group, "stats/user_resets") == 0, "a reset was run");
	CHECK_OK(vfio_user_reset(&user));
	check_end(&s, HANG_MS);
}

SCENARIO(hung_close, "a close waits for the watchdog, and no longer; the next user is well off")
{
	uint64_t begin;
	struct shim s;

	start(&s, WATCHDOG, HANG);
	REQUIRE_OK(strike(&s, PORT, "DLP", "recovering"));
	begin = now_ns();
	vfio_user_close(&user);
	MEASURE_BOUND("closed_ms", (now_ns() - begin) / NS_PER_MS,
		      WATCHDOG_MS + CLOSE_MS + SLOW_MS);
	CHECK(!shim_is(s.group, "open"), "the host was faster: nothing is shown");
	CHECK(shim_wait(s.group, "open", HANG_MS + SETTLE_MS), "not open in the end");
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	check_end(&s, HANG_MS);
}

SCENARIO(hung_recover,
	 "recover waits for the function's lock for 5 s, then gives EBUSY; the host's end counts",
	 .limit_s = 60)
{
	uint64_t begin;
	struct shim s;

	start(&s, WATCHDOG, LONG_HANG);
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	begin = now_ns();
	CHECK_ERRNO(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group), EBUSY);
	MEASURE_BOUND("refused_ms", (now_ns() - begin) / NS_PER_MS, LOCK_MS + SLOW_MS);
	CHECK(shim_is(s.group, "failed"), "not failed any more");
	CHECK(klog_count("recover: not recovered") == 1, "%u lines",
	      klog_count("recover: not recovered"));
	check_end(&s, LONG_HANG_MS);
}

/*
 * The host has reset both functions, is slow with the first one and has not come to the
 * second one: that looks like an abandoned recovery, but nothing makes the host abandon it.
 */
SCENARIO(hung_with_another,
	 "the host hangs with the function before this one: failed, nobody gets in before it comes",
	 .limit_s = 60)
{
	struct shim slow, s;
	long before;

	REQUIRE_OK(shim_bind_test(&slow, PAIR_PORT, 0));
	REQUIRE_OK(shim_make(&s, PAIR_PORT, 1, "resume"));
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "6000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	before = shim_test_count("slot_resets");
	REQUIRE_OK(strike_slow(&s, PAIR_PORT, "10000"));
	REQUIRE(WAIT_FOR(shim_test_count("slot_resets") > before, SETTLE_MS), "no slot_reset");
	REQUIRE(shim_is(s.group, "recovering"), "the host was too slow: nothing is shown");
	CHECK(shim_wait(s.group, "failed", 6000 + SLOW_MS), "not failed");
	check_end(&s, 10000);
	CHECK_NUMBER(s.group, "stats/own_resets", 0);
}
