// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors on top of each other: in the middle of a recovery, a hold, a reset, an
 * open or a close, at several ports at once, and many in a row.
 */
#include <errno.h>
#include <stdatomic.h>

#include "access_log.h"
#include "clock.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define NVME_VERSION 0x08
#define PORT "rp_igb2"
#define SETTLE_MS 5000
/* an error of a port that is still at work on the last one can get lost */
#define SEEN_MS 400

static struct vfio_user user;

static void check_whole(const struct shim *s)
{
	CHECK(shim_wait(s->group, "open", SETTLE_MS), "not open in the end");
	CHECK(shim_number(s->group, "stats/drain_timeouts") == 0, "drain_timeouts is %ju",
	      shim_number(s->group, "stats/drain_timeouts"));
	CHECK(shim_number(s->group, "stats/failures") == 0, "failures is %ju",
	      shim_number(s->group, "stats/failures"));
	CHECK(pci_command(s->addr) & 0x2, "COMMAND is %#x", pci_command(s->addr));
}

static void stop(struct access_log *log)
{
	access_stop(log);
	CHECK(!log->wrong && !log->ones && !log->faults && !log->errors,
	      "%s: of %ju reads %ju wrong (last %#x), %ju all-ones, %ju faults, %ju errors",
	      log->u->name, log->count, log->wrong, log->last_wrong, log->ones, log->faults,
	      log->errors);
}

/* An error that the host sees, whatever it is at; the group has its id. */
static void hit(const struct shim *s, const char *port, bool first_of_all)
{
	uint64_t before = shim_number(s->group, "event"), after = before;
	bool seen = false;

	for (int tries = 0; tries < 10 && !seen; tries++) {
		REQUIRE_OK(aer_inject(port, "DLP"));
		seen = WAIT_FOR((after = shim_number(s->group, "event")) != before, SEEN_MS);
	}
	REQUIRE(seen, "no error gets through");
	CHECK(first_of_all || after == before + 1, "events %ju and %ju", before, after);
}

SCENARIO(nested_storm,
	 "20 errors as fast as they come, four users' threads: each its id, all values right")
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
		logs[i].value = vfio_user_read(&user, BAR0, NIC_STATUS, 4);
		REQUIRE_OK(access_start(&logs[i]));
	}
	for (int i = 0; i < 20; i++)
		hit(&s, PORT, !i);
	check_whole(&s);
	for (int i = 0; i < 4; i++)
		stop(&logs[i]);
	MEASURE("recoveries", "%ju", shim_number(s.group, "stats/recoveries"));
	MEASURE("longest_ms", "%ju", logs[0].longest_ns / 1000000);
}

SCENARIO(nested_holding,
	 "errors while holding, each a new event: one reset after the last opens the gate")
{
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "hold"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	for (int i = 0; i < 4; i++)
		hit(&s, PORT, !i);
	REQUIRE(shim_wait(s.group, "holding", SETTLE_MS), "not holding");
	/* the host may still hold the function: EAGAIN, as with vfio-pci */
	CHECK(WAIT_FOR(!vfio_user_reset(&user), 5000), "no reset works in the end");
	check_whole(&s);
	MEASURE("recoveries", "%ju", shim_number(s.group, "stats/recoveries"));
}

struct injector {
	const char *port;
	unsigned int count;
	atomic_bool stop;
	pthread_t thread;
};

static void *inject(void *arg)
{
	struct injector *injector = arg;

	for (; !atomic_load(&injector->stop); injector->count++) {
		CHECK_OK(aer_inject(injector->port, "DLP"));
		/* not in step with what the other side does */
		sleep_ms(60 + injector->count * 37 % 200);
	}
	return NULL;
}

static void stop_errors(struct injector *injector)
{
	atomic_store(&injector->stop, true);
	pthread_join(injector->thread, NULL);
}

SCENARIO(nested_resets, "errors at any moment of a user's resets: refused or run, whole in the end")
{
	struct injector injector = { .port = PORT };
	unsigned int done = 0, refused = 0;
	uint64_t end = now_ms() + 2000;
	uint32_t status;
	struct shim s;
	int ret;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = vfio_user_read(&user, BAR0, NIC_STATUS, 4);
	pthread_create(&injector.thread, NULL, inject, &injector);
	while (now_ms() < end) {
		ret = vfio_user_reset(&user);
		CHECK(!ret || ret == -EAGAIN || ret == -EIO, "reset: %s", strerror(-ret));
		done += !ret;
		refused += !!ret;
		CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	}
	stop_errors(&injector);
	sleep_ms(300);
	check_whole(&s);
	CHECK_OK(vfio_user_reset(&user));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	MEASURE("errors", "%u", injector.count);
	MEASURE("resets", "%u", done);
	MEASURE("refused", "%u", refused);
}

SCENARIO(nested_open_close,
	 "errors at any moment of opens and closes: who is let in reads the right value")
{
	struct injector injector = { .port = PORT };
	uint64_t end = now_ms() + 2500;
	unsigned int opens = 0;
	uint32_t status;
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = vfio_user_read(&user, BAR0, NIC_STATUS, 4);
	vfio_user_close(&user);
	pthread_create(&injector.thread, NULL, inject, &injector);
	for (; now_ms() < end; opens++) {
		int ret = vfio_user_open(&user, s.uuid);

		/*
		 * A callback of the host held the function just then, or the
		 * error was there and its report was not.
		 */
		if (ret == -EAGAIN || ret == -EIO)
			continue;
		if (!CHECK_OK(ret))
			break;
		CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS is %#x",
		      vfio_user_read(&user, BAR0, NIC_STATUS, 4));
		vfio_user_close(&user);
	}
	stop_errors(&injector);
	sleep_ms(300);
	check_whole(&s);
	MEASURE("errors", "%u", injector.count);
	MEASURE("opens", "%u", opens);
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
		MEASURE(places[i].port, "%jums", logs[i].longest_ns / 1000000);
	}
}
