// SPDX-License-Identifier: GPL-2.0-only
/* Resets by a user or the administrator: each is run, with the gate closed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "access_log.h"
#include "clock.h"
#include "hot_reset.h"
#include "klog.h"
#include "moment.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "slow.h"
#include "strike.h"
#include "sysfs.h"
#include "uevent.h"
#include "vfio_status.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
/* two functions, one group */
#define PAIR "rp_e1000e"
#define SETTLE_MS 3000
/* how long a reset waits for the host (MDR_LET_GO_MS), plus time for a busy machine */
#define LET_GO_MS 500
#define SLOW_MS 1500
/* how long a reset waits for accesses to end (MDR_DRAIN_TIMEOUT_MS) */
#define DRAIN_MS 1000
#define JUNK 0x55
/* how long the host draws a recovery or a reset out, and what of that is left */
#define DRAWN_OUT "600"
#define DRAWN_OUT_MS 600
#define LEFT_MS 300

static struct vfio_user user;
static struct access_log log_ = {
	.u = &user, .kind = ACCESS_PREAD, .region = BAR0, .off = NIC_STATUS, .pause_us = 100,
};

/* A user with a value in a register that a reset clears, and with a reading thread. */
static void use(struct shim *s)
{
	REQUIRE_OK(shim_create(s, "resume"));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, JUNK));
	REQUIRE(vfio_user_read(&user, BAR0, NIC_SCRATCH, 4) == JUNK, "no junk to clear");
	log_.value = nic_status(&user);
	REQUIRE_OK(access_start(&log_));
}

static void start(struct shim *s)
{
	REQUIRE_OK(shim_bind(s, PORT, 0));
	use(s);
}

/* The same, and its recoveries and resets can be drawn out. */
static void start_slow(struct shim *s)
{
	REQUIRE_OK(shim_bind_test(s, PORT, 0));
	use(s);
}

static void check_after(const struct shim *s, unsigned int stall_ms)
{
	sleep_ms(20);
	access_stop(&log_);
	CHECK(shim_is(s->group, "open"), "not open afterwards");
	CHECK(!log_.wrong && !log_.ones && !log_.errors,
	      "of %ju reads %ju wrong (last %#x), %ju all-ones, %ju errors (last %d)",
	      log_.count, log_.wrong, log_.last_wrong, log_.ones, log_.errors,
	      log_.last_errno);
	CHECK(vfio_user_read(&user, BAR0, NIC_SCRATCH, 4) == 0, "SCRATCH is %#x",
	      vfio_user_read(&user, BAR0, NIC_SCRATCH, 4));
	MEASURE_BOUND("stall_ms", log_.longest_ns / NS_PER_MS, stall_ms);
	MEASURE("user_resets", "%ju", shim_number(s->group, "stats/user_resets"));
}

/* A reset that no user asked for. */
static void check_announced(int uevents, const char *cause)
{
	struct uevent event;
	const char *got;

	if (!CHECK(uevent_wait(uevents, "MDR_STATE", "resetting", SETTLE_MS, &event),
		   "nobody announced the state resetting"))
		return;
	got = uevent_get(&event, "MDR_CAUSE");
	CHECK(got && !strcmp(got, cause), "its MDR_CAUSE is %s, not %s", got ?: "missing",
	      cause);
	CHECK(uevent_wait(uevents, "MDR_STATE", "open", SETTLE_MS, &event),
	      "nobody announced the state open");
}

SCENARIO(user_reset_in_open,
	 "a user's reset clears the device while other threads wait, and the gate opens again")
{
	struct uevent event;
	struct shim s;
	int uevents;

	start(&s);
	uevents = uevent_listen();
	REQUIRE_OK(uevents);
	REQUIRE_OK(vfio_user_reset(&user));
	check_after(&s, SLOW_MS);
	CHECK(log_.longest_ns > 20 * NS_PER_MS, "the other thread did not wait");
	CHECK(shim_number(s.group, "stats/user_resets") == 1, "not counted");
	CHECK(!uevent_wait(uevents, "MDR_CAUSE", "user_reset", LET_GO_MS, &event),
	      "a reset in an open group was announced");
}

/* Has the file changed within ms, for a program that reads it and then polls? */
static bool state_changes(int fd, unsigned int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLPRI };

	return poll(&p, 1, ms) == 1 && p.revents & POLLPRI;
}

static void state_read(int fd, const char *expected)
{
	char state[16] = "";
	ssize_t len = pread(fd, state, sizeof(state) - 1, 0);

	state[len > 0 ? len - 1 : 0] = 0;
	CHECK(!strcmp(state, expected), "state is %s, not %s", state, expected);
}

SCENARIO(user_reset_polled,
	 "the end of a user's reset wakes poll() of a process that has read resetting, no other")
{
	struct waiter w = { .u = &user, .kind = WAITER_RESET };
	char path[64];
	struct shim s;
	int fd;

	start_slow(&s);
	snprintf(path, sizeof(path), SHIM_CLASS "/group%d/state", s.group);
	fd = open(path, O_RDONLY);
	REQUIRE_OK(fd);
	state_read(fd, "open");
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(!state_changes(fd, 0), "told of a reset that nobody saw");

	REQUIRE_OK(shim_test_set("restore_ms", DRAWN_OUT));
	REQUIRE_OK(waiter_start(&w));
	REQUIRE(shim_wait(s.group, "resetting", LET_GO_MS), "not resetting");
	state_read(fd, "resetting");
	CHECK(state_changes(fd, SETTLE_MS), "not told of the end");
	state_read(fd, "open");
	REQUIRE(waiter_ended(&w, SETTLE_MS), "the reset does not end");
	REQUIRE_OK(shim_test_set("restore_ms", "0"));
	close(fd);
	check_after(&s, DRAWN_OUT_MS + SLOW_MS);
}

SCENARIO(user_reset_in_recovery,
	 "a user's reset during a recovery waits for its end and is then run for itself")
{
	struct waiter w = { .u = &user, .kind = WAITER_RESET };
	uint64_t seen;
	struct shim s;

	start_slow(&s);
	REQUIRE_OK(strike_slow(&s, PORT, DRAWN_OUT));
	seen = shim_number(s.group, "event");
	waiter_run(&w);
	CHECK(!w.error, "error %d", w.error);
	CHECK(w.ns >= LEFT_MS * NS_PER_MS, "it did not wait: %ju ns", w.ns);
	check_after(&s, DRAWN_OUT_MS + 2 * SLOW_MS);
	CHECK_NUMBER(s.group, "stats/recoveries", 1);
	CHECK(shim_number(s.group, "stats/user_resets") == 1, "not one reset");
	CHECK(shim_number(s.group, "event") == seen, "a new event");
	MEASURE_BOUND("reset_ms", w.ns / NS_PER_MS, DRAWN_OUT_MS + 2 * SLOW_MS);
}

SCENARIO(user_resets_not_merged,
	 "of three resets asked for at the same time three are run, and of three back to back")
{
	struct waiter w[3];
	struct shim s;

	start(&s);
	for (int i = 0; i < 3; i++) {
		w[i] = (struct waiter){ .u = &user, .kind = WAITER_RESET };
		REQUIRE_OK(waiter_start(&w[i]));
	}
	for (int i = 0; i < 3; i++) {
		REQUIRE(waiter_ended(&w[i], SETTLE_MS), "reset %d does not end", i);
		CHECK(!w[i].error, "reset %d: error %d", i, w[i].error);
	}
	for (int i = 0; i < 3; i++)
		CHECK_OK(vfio_user_reset(&user));
	check_after(&s, SLOW_MS);
	CHECK_NUMBER(s.group, "stats/user_resets", 6);
}

/* What the reset gave, and how often one was run; the error was recovered. */
static void check_reset(const struct shim *s, struct waiter *w, int error, unsigned int run)
{
	REQUIRE(waiter_ended(w, SETTLE_MS), "the reset does not end");
	CHECK(w->error == error, "the reset gives %d, not %d", w->error, error);
	REQUIRE(WAIT_FOR(shim_number(s->group, "stats/recoveries") == 1, SETTLE_MS),
		"recoveries is %ju", shim_number(s->group, "stats/recoveries"));
	check_after(s, DRAWN_OUT_MS + 2 * SLOW_MS);
	CHECK(shim_number(s->group, "stats/recoveries") == 1, "not one recovery");
	CHECK_NUMBER(s->group, "stats/user_resets", run);
}

SCENARIO(user_reset_error_before_it_runs,
	 "an error while a user's reset drains the gate: EAGAIN, no reset, all recovered")
{
	struct waiter w = { .u = &user, .kind = WAITER_RESET };
	struct waiter slow = {
		.u = &user, .kind = WAITER_PREAD, .region = VFIO_CONFIG, .off = 4,
	};
	struct shim s;
	uint64_t seen;

	start(&s);
	seen = shim_number(s.group, "event");
	REQUIRE_OK(slow_block(s.addr));
	REQUIRE_OK(waiter_start(&slow));
	REQUIRE(waiter_in(&slow, "pci_wait_cfg", SETTLE_MS), "nobody is inside");
	REQUIRE_OK(waiter_start(&w));
	REQUIRE(shim_wait(s.group, "resetting", SETTLE_MS), "not resetting");
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	REQUIRE(WAIT_FOR(shim_number(s.group, "event") != seen, SETTLE_MS), "no error seen");
	REQUIRE(!atomic_load(&w.done), "the reset was faster: nothing is shown");
	REQUIRE_OK(slow_unblock());
	check_reset(&s, &w, EAGAIN, 0);
}

SCENARIO(user_reset_busy,
	 "a user's reset beside an access that does not end: EBUSY, no reset, nothing is closed")
{
	struct waiter slow = {
		.u = &user, .kind = WAITER_PREAD, .region = VFIO_CONFIG, .off = 4,
	};
	struct shim s;

	start(&s);
	REQUIRE_OK(slow_block(s.addr));
	REQUIRE_OK(waiter_start(&slow));
	REQUIRE(waiter_in(&slow, "pci_wait_cfg", SETTLE_MS), "nobody is inside");
	CHECK_ERRNO(vfio_user_reset(&user), EBUSY);
	CHECK(!atomic_load(&slow.done), "the access has ended: nothing is shown");
	CHECK(shim_is(s.group, "open"), "not open after the refusal");
	CHECK_NUMBER(s.group, "stats/user_resets", 0);
	REQUIRE_OK(slow_unblock());
	REQUIRE(waiter_ended(&slow, SETTLE_MS), "the access does not end");
	CHECK(!slow.error, "the access gives %d", slow.error);
	CHECK_OK(vfio_user_reset(&user));
	CHECK_NUMBER(s.group, "stats/user_resets", 1);
	check_after(&s, DRAIN_MS + SLOW_MS);
}

SCENARIO(user_reset_error_while_it_runs,
	 "an error while a user's reset has the function: the host waits, then recovers; both run")
{
	struct waiter w = { .u = &user, .kind = WAITER_RESET };
	char long_ms[16];
	struct shim s;

	start_slow(&s);
	/* the error has to be seen before the reset is over */
	snprintf(long_ms, sizeof(long_ms), "%u", DRAWN_OUT_MS * patience);
	REQUIRE_OK(shim_test_set("reset_done_ms", long_ms));
	REQUIRE_OK(waiter_start(&w));
	REQUIRE(waiter_in(&w, "test_reset_done", SETTLE_MS), "no reset is run");
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	REQUIRE(klog_wait("rror message received", SETTLE_MS, NULL, 0), "no error seen");
	REQUIRE(!atomic_load(&w.done), "the reset was faster: nothing is shown");
	check_reset(&s, &w, 0, 1);
}

SCENARIO(user_held_in_host_reset,
	 "a reset through sysfs under a running user: held meanwhile, then the right value")
{
	struct shim s;
	int uevents;

	start(&s);
	uevents = uevent_listen();
	REQUIRE_OK(uevents);
	REQUIRE_OK(pci_reset(s.addr));
	check_after(&s, SLOW_MS);
	CHECK(log_.longest_ns > 20 * NS_PER_MS, "the user was not held");
	CHECK_NUMBER(s.group, "stats/host_resets", 1);
	CHECK(shim_number(s.group, "stats/user_resets") == 0, "counted as the user's");
	check_announced(uevents, "host_reset");
}

/* One error; the host holds the function for some time after the gate has opened. */
static int reset_while_lingering(const struct shim *s, const char *linger_ms, uint64_t *ms)
{
	uint64_t begin;
	int ret;

	REQUIRE_OK(shim_test_set("linger_ms", linger_ms));
	REQUIRE_OK(strike(s, PORT, "DLP", "open"));
	begin = now_ns();
	ret = vfio_user_reset(&user);
	*ms = (now_ns() - begin) / NS_PER_MS;
	return ret;
}

SCENARIO(user_reset_host_lingers,
	 "a user's reset at the end of a recovery waits until the host lets go, with a bound")
{
	uint32_t status;
	struct shim s;
	uint64_t ms;

	REQUIRE_OK(shim_bind_test(&s, PORT, 0));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	CHECK_OK(reset_while_lingering(&s, "200", &ms));
	MEASURE_BOUND("reset_ms", ms, 200 + SLOW_MS);
	CHECK(shim_number(s.group, "stats/user_resets") == 1, "not one reset");

	CHECK_ERRNO(reset_while_lingering(&s, "3000", &ms), EAGAIN);
	MEASURE_BOUND("refused_ms", ms, LET_GO_MS + SLOW_MS);
	CHECK(shim_number(s.group, "stats/user_resets") == 1, "not one reset");
	CHECK(shim_is(s.group, "open"), "not open any more");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

SCENARIO(user_reset_restore_busy,
	 "a reset of a device that lost its setup calls a restore hook again that says busy")
{
	struct waiter w = { .u = &user, .kind = WAITER_RESET };
	uint32_t status;
	long restores;
	struct shim s;

	REQUIRE_OK(shim_bind_test(&s, PORT, 0));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	REQUIRE_OK(pci_config_lose(s.addr));
	restores = shim_test_count("restores");
	REQUIRE_OK(shim_test_set("restore_error", "-16"));
	REQUIRE_OK(waiter_start(&w));
	REQUIRE(WAIT_FOR(shim_test_count("restores") > restores, SETTLE_MS), "no restore");
	REQUIRE_OK(shim_test_set("restore_error", "0"));
	REQUIRE(waiter_ended(&w, SETTLE_MS), "the reset does not end");
	CHECK(!w.error, "the reset gave %d", w.error);
	CHECK(shim_test_count("restores") > restores + 1, "not called again");
	CHECK(shim_is(s.group, "open"), "not open");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	CHECK_NUMBER(s.group, "stats/failures", 0);
}

SCENARIO(user_config_in_host_reset,
	 "a user in config space does not hold up a reset from outside")
{
	struct access_log log = {
		.u = &user, .kind = ACCESS_PREAD, .region = VFIO_CONFIG, .off = 0x04,
		.ignore = 0xffff0000,
	};
	struct shim s;

	REQUIRE_OK(shim_bind_test(&s, PORT, 0));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	log.value = vfio_user_command(&user);
	REQUIRE_OK(access_start(&log));
	/* config space is blocked, and the gate still open */
	REQUIRE_OK(shim_test_set("reset_prepare_ms", "200"));
	CHECK_OK(pci_reset(s.addr));
	access_stop(&log);
	CHECK(!log.wrong && !log.ones && !log.errors, "%ju wrong (%#x), %ju all-ones, %ju errors",
	      log.wrong, log.last_wrong, log.ones, log.errors);
	CHECK(log.longest_ns > 200 * NS_PER_MS, "nobody was in config space: nothing is shown");
	CHECK_NUMBER(s.group, "stats/drain_timeouts", 0);
	CHECK(shim_is(s.group, "open"), "not open");
}

/*
 * The device dies at the end of the reset. @hooks as of the test driver, which is the
 * parent here because it can draw that end out.
 */
static void reset_kills(const char *hooks)
{
	struct waiter w = { .u = &user, .kind = WAITER_RESET };
	uint32_t status;
	struct shim s;

	REQUIRE_OK(shim_bind_test(&s, PORT, 0));
	REQUIRE_OK(shim_test_set("hooks", hooks));
	REQUIRE_OK(pci_bind(s.addr, "mdr-test"));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	REQUIRE_OK(shim_test_set("reset_done_ms", DRAWN_OUT));
	REQUIRE_OK(waiter_start(&w));
	REQUIRE(waiter_in(&w, "test_reset_done", SETTLE_MS), "no reset is run");
	REQUIRE_OK(slow_function(s.addr, "now", 60000));
	REQUIRE(waiter_ended(&w, SETTLE_MS), "the reset does not end");
	CHECK(w.error == EIO, "the reset gave %d", w.error);
	CHECK(shim_is(s.group, "failed"), "not failed");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == ~0u, "a user was let in");
	REQUIRE_OK(slow_end());
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group));
	CHECK(shim_is(s.group, "open"), "not open after recover");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

SCENARIO(user_reset_kills,
	 "a device that dies in its user's reset: EIO, failed, nobody is let in; recover heals")
{
	reset_kills("0");
}

SCENARIO(user_reset_kills_plain, "the same where the parent driver has no hooks")
{
	reset_kills("2");
}

SCENARIO(user_reset_healthy_alone,
	 "a parent driver that only says whether its device is well is asked after a user's reset")
{
	struct shim s;

	REQUIRE_OK(shim_bind_test(&s, PORT, 0));
	REQUIRE_OK(shim_test_set("hooks", "3"));
	REQUIRE_OK(pci_bind(s.addr, "mdr-test"));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "1000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	CHECK(vfio_user_reset(&user), "a reset of a device that is not well is none");
	CHECK(!shim_is(s.group, "open"), "open, and not well");
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	CHECK(WAIT_FOR(!vfio_user_reset(&user), SETTLE_MS), "no reset heals it");
	CHECK(shim_is(s.group, "open"), "not open");
}

SCENARIO(user_reset_then_dies,
	 "a device that dies right after its user's reset, before the shim looks: failed, too")
{
	uint32_t status;
	struct shim s;
	uint64_t seen;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(moment_load());
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	seen = shim_number(s.group, "event");
	REQUIRE_OK(moment_set("lost", s.addr));
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	REQUIRE_OK(moment_set("lost", "none"));
	CHECK(shim_is(s.group, "failed"), "not failed");
	CHECK(shim_number(s.group, "event") > seen, "no new event");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == ~0u, "a user was let in");
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group));
	CHECK(shim_is(s.group, "open"), "not open after recover");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

SCENARIO(user_reset_gives_up,
	 "the PCI core gives up on a device that it has reset: EIO, failed; recover heals")
{
	uint32_t status;
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "hold"));
	REQUIRE_OK(sysfs_write("flr", "/sys/bus/pci/devices/%s/reset_method", s.addr));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	REQUIRE_OK(slow_give_up(100));
	REQUIRE_OK(slow_function(s.addr, "late", 60000));
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	CHECK(klog_count("giving up") == 1, "the PCI core did not give up");
	CHECK(shim_is(s.group, "failed"), "not failed");
	CHECK_ERRNO(vfio_acknowledge(&user, shim_number(s.group, "event")), EINVAL);
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == ~0u, "a user was let in");
	REQUIRE_OK(slow_end());
	REQUIRE_OK(sysfs_write("default", "/sys/bus/pci/devices/%s/reset_method", s.addr));
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group));
	CHECK_OK(vfio_user_reset(&user));
	CHECK(shim_is(s.group, "open"), "not open after recover");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

SCENARIO(hot_reset_own_group, "a hot reset of functions of one's own group is run and opens again")
{
	struct vfio_user other;
	uint64_t begin;
	uint32_t status;
	struct shim s[2];

	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_make(&s[i], PAIR, i, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s[0].uuid));
	REQUIRE_OK(vfio_user_open_in(&other, s[1].uuid, user.space));
	status = nic_status(&other);
	REQUIRE_OK(vfio_user_write(&other, BAR0, NIC_SCRATCH, 4, JUNK));
	begin = now_ns();
	CHECK_OK(hot_reset(&user));
	MEASURE_BOUND("hot_reset_ms", (now_ns() - begin) / NS_PER_MS, SLOW_MS);
	CHECK(shim_is(s[0].group, "open"), "not open after the hot reset");
	CHECK(vfio_user_read(&other, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	CHECK(vfio_user_read(&other, BAR0, NIC_SCRATCH, 4) == 0, "the other was not reset");
	CHECK(shim_number(s[0].group, "stats/user_resets") == 1, "not counted");
}
