// SPDX-License-Identifier: GPL-2.0-only
/*
 * Overlapping errors: in the middle of a recovery, a hold, a reset, an open or a close,
 * at several ports at once, and many in a row.
 */
#include <errno.h>

#include "access_log.h"
#include "aer_thread.h"
#include "background.h"
#include "clock.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define NVME_VERSION 0x08
#define PORT "rp_igb2"
/* two functions, one group */
#define PAIR "rp_e1000e"
/* how long the hook of an open takes: the host is told of an error meanwhile */
#define HOOK "800"
#define SETTLE_MS 5000
/* how long the host waits for accesses inside the gate (MDR_DRAIN_TIMEOUT_MS) */
#define DRAIN_MS 1000
/* an error of a port that is still at work on the last one can get lost */
#define SEEN_MS 150
#define STORM 12
/* a recovery takes 200 ms, and longer on a busy machine */
#define RECOVERY_MS 600
/* a recovery and a reset, on a busy machine */
#define SLOW_MS 2000
/* the number of errors, each a little later than the one before */
#define ROUNDS 6
#define LATER_MS 25

static struct vfio_user user;

/* slow: so many calls took longer than the host waits for one */
static void check_whole_after(const struct shim *s, unsigned int slow)
{
	/* an error that was taken for lost may still come */
	CHECK(aer_wait_idle(SETTLE_MS), "the host does not end");
	CHECK(shim_wait(s->group, "open", SETTLE_MS), "not open in the end");
	CHECK(shim_number(s->group, "stats/drain_timeouts") <= slow,
	      "drain_timeouts is %ju, with %u calls of more than %u ms",
	      shim_number(s->group, "stats/drain_timeouts"), slow, DRAIN_MS);
	CHECK_NUMBER(s->group, "stats/failures", 0);
	CHECK(pci_command(s->addr) & 0x2, "COMMAND is %#x", pci_command(s->addr));
}

static void check_whole(const struct shim *s)
{
	check_whole_after(s, 0);
}

static void stop(struct access_log *log)
{
	access_stop(log);
	CHECK(!log->wrong && !log->ones && !log->faults && !log->errors,
	      "%s: of %ju reads %ju wrong (last %#x), %ju all-ones, %ju faults, %ju errors",
	      log->u->name, log->count, log->wrong, log->last_wrong, log->ones, log->faults,
	      log->errors);
}

/*
 * Injects an error that the host sees, whatever it is doing; the group has its id. On
 * a slow machine an error that was taken for lost may still come: there are no more
 * events than errors.
 */
static void hit(const struct shim *s, const char *port, bool first_of_all)
{
	uint64_t before = shim_number(s->group, "event"), after = before;
	static uint64_t injected, base;
	bool seen = false;

	for (int tries = 0; tries < 10 && !seen; tries++) {
		REQUIRE_OK(aer_inject(port, "DLP"));
		injected++;
		seen = WAIT_FOR((after = shim_number(s->group, "event")) != before, SEEN_MS);
	}
	REQUIRE(seen, "no error gets through");
	if (first_of_all)
		base = after - 1;
	CHECK(after > before && after - base <= injected, "events %ju and %ju, %ju errors", before,
	      after, injected);
}

SCENARIO(nested_storm,
	 "12 errors as fast as they come, four users' threads: each its id, all values right")
{
	struct access_log logs[4] = {
		{ .kind = ACCESS_MAP_READ, .pause_us = 500 }, { .kind = ACCESS_MAP_READ },
		{ .kind = ACCESS_PREAD, .pause_us = 500 }, { .kind = ACCESS_PREAD },
	};
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "60000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	for (int i = 0; i < 4; i++) {
		logs[i].u = &user;
		logs[i].off = NIC_STATUS;
		logs[i].value = nic_status(&user);
		REQUIRE_OK(access_start(&logs[i]));
	}
	for (int i = 0; i < STORM; i++)
		hit(&s, PORT, !i);
	check_whole(&s);
	for (int i = 0; i < 4; i++)
		stop(&logs[i]);
	MEASURE("recoveries", "%ju", shim_number(s.group, "stats/recoveries"));
	for (int i = 1; i < 4; i++)
		if (logs[i].longest_ns > logs[0].longest_ns)
			logs[0].longest_ns = logs[i].longest_ns;
	MEASURE_BOUND("longest_ms", logs[0].longest_ns / NS_PER_MS, STORM * RECOVERY_MS);
}

SCENARIO(nested_holding,
	 "errors while holding, each a new event: one reset after the last opens the gate")
{
	uint64_t begin;
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "hold"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	for (int i = 0; i < 4; i++)
		hit(&s, PORT, !i);
	/* one that was taken for lost would be a new event after the reset */
	REQUIRE(aer_wait_idle(SETTLE_MS), "the host does not end");
	REQUIRE(shim_wait(s.group, "holding", SETTLE_MS), "not holding");
	/* the host may still hold the function: EAGAIN, as with vfio-pci */
	begin = now_ns();
	CHECK(WAIT_FOR(!vfio_user_reset(&user), SETTLE_MS), "no reset works in the end");
	MEASURE_BOUND("released_ms", (now_ns() - begin) / NS_PER_MS, SLOW_MS);
	check_whole(&s);
	MEASURE("recoveries", "%ju", shim_number(s.group, "stats/recoveries"));
}

/* Injects one error, some time after something else has begun. */
struct late_error {
	unsigned int delay_ms;
	pthread_t thread;
};

static void *inject_late(void *arg)
{
	struct late_error *error = arg;

	sleep_ms(error->delay_ms);
	CHECK_OK(aer_inject(PORT, "DLP"));
	return NULL;
}

static void late_error_start(struct late_error *error, int round)
{
	error->delay_ms = round * LATER_MS;
	pthread_create(&error->thread, NULL, inject_late, error);
}

/* The group is open again, with the event of this error. */
static void late_error_over(struct late_error *error, const struct shim *s, uint64_t event)
{
	pthread_join(error->thread, NULL);
	CHECK(WAIT_FOR(shim_number(s->group, "event") != event, SETTLE_MS), "no event after %u ms",
	      error->delay_ms);
	CHECK(shim_wait(s->group, "open", SETTLE_MS), "not open after an error at %u ms",
	      error->delay_ms);
}

SCENARIO(nested_resets,
	 "errors at any moment of a user's resets: run if it gives 0, not run if EAGAIN; whole")
{
	uint64_t event, begin, longest = 0;
	unsigned int done = 0, refused = 0;
	struct late_error error;
	uint32_t status;
	struct shim s;
	int ret;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	for (int i = 0; i < ROUNDS; i++) {
		event = shim_number(s.group, "event");
		late_error_start(&error, i);
		begin = now_ns();
		ret = vfio_user_reset(&user);
		longest = now_ns() - begin > longest ? now_ns() - begin : longest;
		/*
		 * EAGAIN only if the host, which was faster, has the function for longer than
		 * MDR_LET_GO_MS: seldom, and on a busy machine.
		 */
		CHECK(!ret || ret == -EAGAIN, "reset: %s", strerror(-ret));
		done += !ret;
		refused += !!ret;
		CHECK(shim_number(s.group, "stats/user_resets") == done,
		      "the reset gives %d, user_resets is %ju after %u", ret,
		      shim_number(s.group, "stats/user_resets"), done);
		CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
		late_error_over(&error, &s, event);
	}
	CHECK(done, "no reset was run");
	check_whole(&s);
	CHECK_NUMBER(s.group, "stats/recoveries", ROUNDS);
	/* the host may still hold the function: EAGAIN, as with vfio-pci */
	CHECK(WAIT_FOR(!vfio_user_reset(&user), SETTLE_MS), "no reset works in the end");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	MEASURE("resets", "%u", done);
	MEASURE("refused", "%u", refused);
	MEASURE_BOUND("longest_ms", longest / NS_PER_MS, SLOW_MS);
}

/* How long it took; adds to opens if it was let in. */
static uint64_t open_read_close(const struct shim *s, uint32_t status, unsigned int *opens)
{
	uint64_t begin = now_ns();
	int ret = vfio_user_open(&user, s->uuid);

	/*
	 * A callback of the host held the function just then, or the error was there and its
	 * report was not. Neither is certain: each is a moment, which the errors may miss.
	 */
	if (ret != -EAGAIN && ret != -EIO) {
		REQUIRE_OK(ret);
		++*opens;
		CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS is %#x",
		      vfio_user_read(&user, BAR0, NIC_STATUS, 4));
		vfio_user_close(&user);
	}
	return now_ns() - begin;
}

SCENARIO(nested_open_close,
	 "errors at any moment of opens and closes: a user that is let in reads the right value")
{
	uint64_t event, took, longest = 0;
	struct late_error error;
	unsigned int opens = 0, slow = 0, let_in;
	uint32_t status;
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	vfio_user_close(&user);
	for (int i = 0; i < ROUNDS; i++) {
		event = shim_number(s.group, "event");
		late_error_start(&error, i);
		took = open_read_close(&s, status, &opens);
		longest = took > longest ? took : longest;
		slow += took > DRAIN_MS * NS_PER_MS;
		late_error_over(&error, &s, event);
	}
	CHECK(opens, "no open was let in");
	check_whole_after(&s, slow);
	let_in = opens;
	CHECK(WAIT_FOR((open_read_close(&s, status, &opens), opens > let_in), SETTLE_MS),
	      "nobody is let in any more");
	MEASURE("opens", "%u", opens);
	MEASURE("slow", "%u", slow);
	MEASURE_BOUND("longest_ms", longest / NS_PER_MS, SLOW_MS);
}

static int open_user(const char *name)
{
	return vfio_user_open(&user, name);
}

static long times_enabled(const struct shim *s)
{
	return sysfs_read_number("/sys/bus/pci/devices/%s/enable", s->addr);
}

SCENARIO(nested_open_undone,
	 "an open that meets an error undoes what it did, and begins anew after the recovery")
{
	struct background open = { .call = open_user };
	struct shim s, neighbour;
	uint32_t status;
	uint64_t seen;
	long before;

	REQUIRE_OK(shim_bind_test(&s, PAIR, 1));
	REQUIRE_OK(shim_bind(&neighbour, PAIR, 0));
	REQUIRE(s.group == neighbour.group, "groups %d and %d", s.group, neighbour.group);
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	before = times_enabled(&s);
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	vfio_user_close(&user);
	CHECK(times_enabled(&s) == before, "enabled %ld times, was %ld", times_enabled(&s), before);

	/* the open has enabled it, and is in the hook; the neighbour is told of the error */
	seen = shim_number(s.group, "event");
	REQUIRE_OK(shim_test_set("restore_ms", HOOK));
	open.name = s.uuid;
	background_start(&open);
	REQUIRE(background_in(&open, "test_restore", SETTLE_MS), "no open is in the hook");
	REQUIRE_OK(aer_inject(PAIR, "DLP"));
	REQUIRE(WAIT_FOR(shim_number(s.group, "event") != seen, SETTLE_MS), "no error seen");
	REQUIRE(!atomic_load(&open.done), "the open was faster: nothing is shown");
	background_ms(&open, 2 * SETTLE_MS);
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	vfio_user_close(&user);
	CHECK(times_enabled(&s) == before, "enabled %ld times, was %ld", times_enabled(&s), before);
	REQUIRE_OK(shim_test_set("restore_ms", "0"));
	CHECK_NUMBER(s.group, "stats/recoveries", 1);
	CHECK(shim_is(s.group, "open"), "not open in the end");
}

SCENARIO(nested_ports, "three ports fail at once, three times: each recovers by itself")
{
	static const struct {
		const char *port;
		uint64_t off;
	} places[3] = {
		{ "rp_igb", NIC_STATUS }, { "rp_e1000e", NIC_STATUS }, { "rp_nvme", NVME_VERSION },
	};
	struct access_log logs[3];
	struct vfio_user users[3];
	uint64_t events[3];
	struct shim s[3];

	for (int i = 0; i < 3; i++) {
		REQUIRE_OK(shim_make(&s[i], places[i].port, 0, "resume"));
		REQUIRE_OK(shim_set(&s[i], "stall_timeout_ms", "20000"));
		REQUIRE_OK(vfio_user_open(&users[i], s[i].uuid));
	}
	/* the others below these ports take part, too */
	for (int i = 0; i < 2; i++) {
		struct shim parked;

		REQUIRE_OK(shim_bind(&parked, places[i].port, 1));
	}
	for (int i = 0; i < 3; i++) {
		logs[i] = (struct access_log) {
			.u = &users[i], .kind = ACCESS_MAP_READ, .off = places[i].off,
			.pause_us = 300,
			.value = vfio_user_read(&users[i], BAR0, places[i].off, 4),
		};
		REQUIRE_OK(access_start(&logs[i]));
	}
	for (int round = 1; round <= 3; round++) {
		for (int i = 0; i < 3; i++)
			events[i] = shim_number(s[i].group, "event");
		for (int i = 0; i < 3; i++)
			REQUIRE_OK(aer_inject(places[i].port, "DLP"));
		for (int i = 0; i < 3; i++) {
			CHECK(WAIT_FOR(shim_number(s[i].group, "event") != events[i], SETTLE_MS),
			      "%s: no event", places[i].port);
			check_whole(&s[i]);
			CHECK((int)shim_number(s[i].group, "stats/recoveries") == round,
			      "%s: recoveries are %ju", places[i].port,
			      shim_number(s[i].group, "stats/recoveries"));
			events[i] = shim_number(s[i].group, "event");
		}
		CHECK(events[0] != events[1] && events[1] != events[2] && events[0] != events[2],
		      "ids %ju, %ju and %ju", events[0], events[1], events[2]);
	}
	sleep_ms(30);
	for (int i = 0; i < 3; i++) {
		stop(&logs[i]);
		MEASURE_BOUND(places[i].port, logs[i].longest_ns / NS_PER_MS, SLOW_MS);
	}
}
