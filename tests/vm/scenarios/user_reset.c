// SPDX-License-Identifier: GPL-2.0-only
/* Resets by a user or the administrator: each is run, with the gate closed. */
#include <errno.h>

#include "access_log.h"
#include "clock.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "uevent.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define SETTLE_MS 3000
/* how long a reset waits for the host (MDR_LET_GO_MS), plus time for a busy machine */
#define LET_GO_MS 500
#define SLOW_MS 1500
#define JUNK 0x55

static struct vfio_user user;
static struct access_log log_ = {
	.u = &user, .kind = ACCESS_PREAD, .region = BAR0, .off = NIC_STATUS, .pause_us = 100,
};

/* A user with a value in a register that a reset clears, and with a reading thread. */
static void start(struct shim *s)
{
	REQUIRE_OK(shim_make(s, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, JUNK));
	REQUIRE(vfio_user_read(&user, BAR0, NIC_SCRATCH, 4) == JUNK, "no junk to clear");
	log_.value = vfio_user_read(&user, BAR0, NIC_STATUS, 4);
	REQUIRE_OK(access_start(&log_));
}

static void check_after(const struct shim *s)
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
	MEASURE_BOUND("stall_ms", log_.longest_ns / NS_PER_MS, SETTLE_MS);
	MEASURE("user_resets", "%ju", shim_number(s->group, "stats/user_resets"));
}

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
	struct shim s;
	int uevents;

	start(&s);
	uevents = uevent_listen();
	REQUIRE_OK(uevents);
	REQUIRE_OK(vfio_user_reset(&user));
	check_after(&s);
	CHECK(log_.longest_ns > 20 * NS_PER_MS, "the other thread did not wait");
	CHECK(shim_number(s.group, "stats/user_resets") == 1, "not counted");
	check_announced(uevents, "user_reset");
}

SCENARIO(user_reset_in_recovery,
	 "a user's reset during a recovery waits for its end and is then run for itself")
{
	struct waiter w = { .u = &user, .kind = WAITER_RESET };
	uint64_t seen;
	struct shim s;
	long errors;

	start(&s);
	errors = shim_catch_closed(&s, PORT);
	REQUIRE_OK(errors);
	seen = shim_number(s.group, "event");
	waiter_run(&w);
	CHECK(!w.error, "error %d", w.error);
	check_after(&s);
	CHECK((long)shim_number(s.group, "stats/recoveries") == errors, "recoveries are %ju",
	      shim_number(s.group, "stats/recoveries"));
	CHECK(shim_number(s.group, "stats/user_resets") == 1, "not one reset");
	CHECK(shim_number(s.group, "event") == seen, "a new event");
	MEASURE_BOUND("reset_ms", w.ns / NS_PER_MS, SETTLE_MS);
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
		REQUIRE(waiter_ended(&w[i], 5000), "reset %d does not end", i);
		CHECK(!w[i].error, "reset %d: error %d", i, w[i].error);
	}
	for (int i = 0; i < 3; i++)
		CHECK_OK(vfio_user_reset(&user));
	check_after(&s);
	CHECK(shim_number(s.group, "stats/user_resets") == 6, "user_resets is %ju",
	      shim_number(s.group, "stats/user_resets"));
}

SCENARIO(user_reset_error_in_its_middle,
	 "an error in the middle of a user's reset takes over, and the device comes back whole")
{
	struct waiter w = { .u = &user, .kind = WAITER_RESET };
	struct shim s;

	start(&s);
	REQUIRE_OK(waiter_start(&w));
	REQUIRE(shim_wait(s.group, "resetting", SETTLE_MS), "not resetting");
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	REQUIRE(waiter_ended(&w, SETTLE_MS), "the reset does not end");
	check_after(&s);
	CHECK(shim_number(s.group, "stats/recoveries") == 1, "not one recovery");
	MEASURE("reset_errno", "%d", w.error);
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
	check_after(&s);
	CHECK(log_.longest_ns > 20 * NS_PER_MS, "the user was not held");
	CHECK(shim_number(s.group, "stats/host_resets") == 1, "host_resets is %ju",
	      shim_number(s.group, "stats/host_resets"));
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
	status = vfio_user_read(&user, BAR0, NIC_STATUS, 4);
	CHECK_OK(reset_while_lingering(&s, "200", &ms));
	MEASURE_BOUND("reset_ms", ms, SETTLE_MS);
	CHECK(shim_number(s.group, "stats/user_resets") == 1, "not one reset");

	CHECK_ERRNO(reset_while_lingering(&s, "3000", &ms), EAGAIN);
	MEASURE_BOUND("refused_ms", ms, LET_GO_MS + SLOW_MS);
	CHECK(shim_number(s.group, "stats/user_resets") == 1, "not one reset");
	CHECK(shim_is(s.group, "open"), "not open any more");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}
