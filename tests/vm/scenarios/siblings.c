// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several functions below one port: one error has one event id, and every user gets a
 * working device back.
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access_log.h"
#include "clock.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "took.h"
#include "vfio_status.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define SETTLE_MS 3000
#define HELD_NS (20 * NS_PER_MS)

/* Shared by the processes of a scenario. */
struct stage {
	atomic_bool ready;
	atomic_bool over;
	atomic_uint_fast64_t longest_ns;
};

static struct vfio_user user, other;

static struct stage *stage_new(void)
{
	return mmap(NULL, sizeof(struct stage), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* A user that spins on STATUS of igb or e1000e until the stage is over. */
static void spin(struct vfio_user *u, struct stage *stage)
{
	struct access_log log = {
		.u = u, .kind = ACCESS_MAP_READ, .region = BAR0,
		.off = NIC_STATUS, .pause_us = 200,
	};

	log.value = nic_status(u);
	REQUIRE_OK(access_start(&log));
	atomic_store(&stage->ready, true);
	while (!atomic_load(&stage->over))
		sleep_ms(1);
	access_stop(&log);
	CHECK(!log.wrong && !log.ones && !log.faults,
	      "%s: of %ju reads %ju wrong, %ju all-ones, %ju faults", u->name,
	      log.count, log.wrong, log.ones, log.faults);
	CHECK(vfio_user_read(u, BAR0, NIC_STATUS, 4) == log.value,
	      "%s: STATUS changed", u->name);
	atomic_store(&stage->longest_ns, log.longest_ns);
}

static pid_t fork_user(const struct shim *s, struct stage *stage)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	spin(&user, stage);
	vfio_user_close(&user);
	_exit(0);
}

SCENARIO(siblings_two_groups,
	 "two functions in two groups, a process each: both held, one event id, both recover")
{
	struct stage *stages[2];
	struct shim s[2];
	uint64_t id[2];

	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_make(&s[i], "rp_igb", i, "resume"));
		stages[i] = stage_new();
		REQUIRE_OK(fork_user(&s[i], stages[i]));
	}
	REQUIRE(s[0].group != s[1].group, "both are in group %d", s[0].group);
	for (int i = 0; i < 2; i++)
		REQUIRE(WAIT_FOR(atomic_load(&stages[i]->ready), SETTLE_MS), "user %d", i);

	REQUIRE_OK(strike(&s[0], "rp_igb", "DLP", "open"));
	CHECK(shim_wait(s[1].group, "open", SETTLE_MS), "second group is not open");
	sleep_ms(30);
	for (int i = 0; i < 2; i++) {
		atomic_store(&stages[i]->over, true);
		id[i] = shim_number(s[i].group, "event");
	}
	while (wait(NULL) > 0)
		;
	CHECK(id[0] == id[1], "events %ju and %ju", id[0], id[1]);
	for (int i = 0; i < 2; i++) {
		CHECK(stages[i]->longest_ns > HELD_NS, "user %d was not held", i);
		CHECK(shim_number(s[i].group, "stats/recoveries") == 1, "group %d", i);
	}
	MEASURE("event", "%ju", id[0]);
	MEASURE_STALL("stall_a_ms", stages[0]->longest_ns);
	MEASURE_STALL("stall_b_ms", stages[1]->longest_ns);
}

/* Two functions of one group, opened by this process. */
static void open_pair(struct shim s[2], const char *first, const char *second)
{
	REQUIRE_OK(shim_make(&s[0], "rp_e1000e", 0, first));
	REQUIRE_OK(shim_make(&s[1], "rp_e1000e", 1, second));
	REQUIRE(s[0].group == s[1].group, "groups %d and %d", s[0].group, s[1].group);
	REQUIRE_OK(vfio_user_open(&user, s[0].uuid));
	REQUIRE_OK(vfio_user_open_in(&other, s[1].uuid, user.space));
}

SCENARIO(siblings_one_group,
	 "two functions in one IOMMU group share one gate, and both recover")
{
	struct access_log logs[2] = {
		{ .u = &user, .kind = ACCESS_MAP_READ, .off = NIC_STATUS, .pause_us = 200 },
		{ .u = &other, .kind = ACCESS_PREAD, .off = NIC_STATUS, .pause_us = 200 },
	};
	struct shim s[2];

	open_pair(s, "resume", "resume");
	for (int i = 0; i < 2; i++) {
		logs[i].value = nic_status(logs[i].u);
		REQUIRE_OK(access_start(&logs[i]));
	}
	REQUIRE_OK(strike(&s[0], "rp_e1000e", "DLP", "open"));
	sleep_ms(30);
	for (int i = 0; i < 2; i++) {
		access_stop(&logs[i]);
		CHECK(!logs[i].wrong && !logs[i].ones && !logs[i].errors && !logs[i].faults,
		      "function %d: of %ju reads %ju wrong, %ju all-ones, %ju errors, %ju faults",
		      i, logs[i].count, logs[i].wrong, logs[i].ones, logs[i].errors,
		      logs[i].faults);
		CHECK(logs[i].longest_ns > HELD_NS, "function %d was not held", i);
	}
	CHECK(shim_number(s[0].group, "stats/recoveries") == 1, "not one recovery");
	MEASURE("recoveries", "%ju", shim_number(s[0].group, "stats/recoveries"));
	MEASURE_STALL("stall_a_ms", logs[0].longest_ns);
	MEASURE_STALL("stall_b_ms", logs[1].longest_ns);
}

SCENARIO(siblings_stricter_policy,
	 "of resume and hold in one group hold wins, and only its own user can acknowledge")
{
	struct mdr_status told;
	char policy[16];
	uint32_t status;
	struct shim s[2];

	open_pair(s, "resume", "hold");
	status = nic_status(&other);
	REQUIRE_OK(strike(&s[0], "rp_e1000e", "DLP", "holding"));
	shim_status(s[0].group, "policy", policy, sizeof(policy));
	CHECK(!strcmp(policy, "hold"), "policy is %s", policy);
	REQUIRE_OK(vfio_status(&user, &told));
	CHECK(told.next == MDR_NEXT_WAIT, "the one of type resume is told %u", told.next);
	REQUIRE_OK(vfio_status(&other, &told));
	CHECK(told.next == MDR_NEXT_RESET, "the one of type hold is told %u", told.next);

	CHECK_OK(vfio_user_reset(&user));
	CHECK(shim_is(s[0].group, "holding"), "the wrong user's reset opened the gate");
	CHECK_OK(vfio_user_reset(&other));
	CHECK(shim_is(s[0].group, "open"), "the right user's reset did not");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) != ~0u, "first function is dead");
	CHECK(vfio_user_read(&other, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	MEASURE("policy", "%s", policy);
}

SCENARIO(siblings_new_id_each_error,
	 "two errors in a row get two ids, the same two in every group below the port")
{
	uint64_t first, second;
	struct shim s[2];

	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_make(&s[i], "rp_igb", i, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s[0].uuid));
	REQUIRE_OK(strike(&s[0], "rp_igb", "DLP", "open"));
	CHECK(shim_wait(s[1].group, "open", SETTLE_MS), "second group is not open");
	first = shim_number(s[0].group, "event");
	CHECK(shim_number(s[1].group, "event") == first, "ids of the first error differ");
	REQUIRE_OK(strike(&s[0], "rp_igb", "DLP", "open"));
	CHECK(shim_wait(s[1].group, "open", SETTLE_MS), "second group is not open");
	second = shim_number(s[0].group, "event");
	CHECK(shim_number(s[1].group, "event") == second, "ids of the second error differ");
	CHECK(second > first, "ids are %ju and %ju", first, second);
	MEASURE("ids", "%ju,%ju", first, second);
}
