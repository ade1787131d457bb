// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors while a user accesses the device in every possible way: each access is held at
 * the gate and then returns the device's value.
 */
#include <stdio.h>

#include "access_log.h"
#include "clock.h"
#include "nic_user.h"
#include "scenario.h"
#include "strike.h"
#include "took.h"

#define PORT "rp_igb2"
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define CLASS_REVISION 0x08	/* vfio reads it from the device */
#define CACHE_LINE_SIZE 0x0c	/* vfio writes it to the device */
#define MAGIC 0x5a17c0de
#define MORE_MS 2000

static struct vfio_user user;
static struct shim shim;

/* One thread each. */
static const struct kind {
	const char *name;
	enum access_kind kind;
	unsigned int region;
	uint64_t off;
} kinds[] = {
	{ "map_read", ACCESS_MAP_READ, BAR0, NIC_STATUS },
	{ "map_write", ACCESS_MAP_WRITE, BAR0, NIC_SCRATCH },
	{ "pread", ACCESS_PREAD, BAR0, NIC_STATUS },
	{ "pwrite", ACCESS_PWRITE, BAR0, NIC_SCRATCH },
	{ "config_read", ACCESS_PREAD, VFIO_CONFIG, CLASS_REVISION },
	{ "config_write", ACCESS_PWRITE, VFIO_CONFIG, CACHE_LINE_SIZE },
};

#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))
#define MAX_THREADS 8

static struct access_log logs[MAX_THREADS];
static uint64_t longest_ns[NR_KINDS];

static void open_user(const char *nonfatal_action)
{
	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	/* a slow machine must not make a stall look like a dead device */
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(shim_set(&shim, "nonfatal_action", nonfatal_action));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, CACHE_LINE_SIZE, 1, 0x10));
}

static void start_thread(struct access_log *log, const struct kind *kind)
{
	*log = (struct access_log) {
		.u = &user, .kind = kind->kind, .region = kind->region,
		.off = kind->off, .value = MAGIC,
	};
	/* a write to the scratch register differs from its value after reset */
	if (kind->off != NIC_SCRATCH)
		log->value = vfio_user_read(&user, kind->region, kind->off, 4);
	REQUIRE_OK(access_start(log));
}

/* The thread continues after the recovery, and never saw a wrong value. */
static void stop_thread(struct access_log *log, const struct kind *kind)
{
	uint64_t count = access_count(log);

	CHECK(WAIT_FOR(access_count(log) > count + 1, MORE_MS),
	      "%s does not go on", kind->name);
	access_stop(log);
	CHECK(!log->wrong, "%s: %ju wrong, last %#x not %#x", kind->name,
	      log->wrong, log->last_wrong, log->value);
	CHECK(!log->ones, "%s: %ju all-ones", kind->name, log->ones);
	CHECK(!log->errors && !log->faults, "%s: %ju errors, %ju signals, last %s",
	      kind->name, log->errors, log->faults, strerror(log->last_errno));
	CHECK(vfio_user_read(&user, kind->region, kind->off, 4) == log->value,
	      "%s: the register is %#x, not %#x", kind->name,
	      vfio_user_read(&user, kind->region, kind->off, 4), log->value);
	if (log->longest_ns > longest_ns[kind - kinds])
		longest_ns[kind - kinds] = log->longest_ns;
}

static void strike_under(const struct kind * const *threads, unsigned int nr,
			 const char *status, bool resets)
{
	uint16_t command = vfio_user_command(&user);
	uint64_t recoveries = shim_number(shim.group, "stats/recoveries");
	uint64_t recovery_ns;
	bool writes = false;

	vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, MAGIC);
	for (unsigned int i = 0; i < nr; i++) {
		start_thread(&logs[i], threads[i]);
		writes |= threads[i]->off == NIC_SCRATCH;
	}
	CHECK_OK(strike(&shim, PORT, status, "open"));
	recovery_ns = shim_number(shim.group, "stats/recovery_ns_last");
	for (unsigned int i = 0; i < nr; i++) {
		stop_thread(&logs[i], threads[i]);
		/* it never pauses, so it was at the gate nearly all the time */
		CHECK(!resets || logs[i].longest_ns > recovery_ns / 2,
		      "%s was held for %ju ns of %ju", threads[i]->name,
		      logs[i].longest_ns, recovery_ns);
	}

	CHECK_NUMBER(shim.group, "stats/recoveries", recoveries + 1);
	CHECK(vfio_user_command(&user) == command, "COMMAND is %#x, was %#x",
	      vfio_user_command(&user), command);
	/* the device was reset if, and only if, a reset was requested */
	if (!writes)
		CHECK((vfio_user_read(&user, BAR0, NIC_SCRATCH, 4) == MAGIC) == !resets,
		      "scratch register is %#x",
		      vfio_user_read(&user, BAR0, NIC_SCRATCH, 4));
}

static void strike_under_each(const char *status, const char *nonfatal_action,
			      bool resets)
{
	open_user(nonfatal_action);
	for (unsigned int i = 0; i < NR_KINDS; i++) {
		const struct kind *kind = &kinds[i];
		char name[32];

		strike_under(&kind, 1, status, resets);
		snprintf(name, sizeof(name), "%s_ms", kind->name);
		MEASURE_STALL(name, longest_ns[i]);
	}
	MEASURE_RECOVERY("recovery_ms", &shim);
}

static void strike_under_all(const char *status, const char *nonfatal_action,
			     bool resets)
{
	static const struct kind * const threads[MAX_THREADS] = {
		&kinds[0], &kinds[1], &kinds[2], &kinds[3], &kinds[4], &kinds[5],
		&kinds[0], &kinds[2],
	};
	uint64_t count = 0, longest = 0;

	open_user(nonfatal_action);
	strike_under(threads, MAX_THREADS, status, resets);
	for (unsigned int i = 0; i < MAX_THREADS; i++) {
		count += logs[i].count;
		if (logs[i].longest_ns > longest)
			longest = logs[i].longest_ns;
	}
	MEASURE("accesses", "%ju", count);
	MEASURE_STALL("stall_ms", longest);
	MEASURE("stalls", "%ju", shim_number(shim.group, "stats/stalls"));
	MEASURE("drain_timeouts", "%ju",
		shim_number(shim.group, "stats/drain_timeouts"));
	MEASURE_RECOVERY("recovery_ms", &shim);
	CHECK(!shim_number(shim.group, "stats/drain_timeouts"), "a drain timed out");
}

SCENARIO(errors_fatal_each,
	 "every kind of access is held during a fatal error and right afterwards")
{
	strike_under_each("DLP", "continue", true);
}

SCENARIO(errors_nonfatal_each,
	 "every kind of access is right across a non-fatal error that leaves the device alone")
{
	strike_under_each("POISON_TLP", "continue", false);
}

SCENARIO(errors_nonfatal_reset_each,
	 "every kind of access is right across a non-fatal error that resets the device")
{
	strike_under_each("POISON_TLP", "reset", true);
}

SCENARIO(errors_fatal_all, "8 threads of all kinds are right across a fatal error")
{
	strike_under_all("DLP", "continue", true);
}

SCENARIO(errors_nonfatal_all, "8 threads of all kinds are right across a non-fatal error")
{
	strike_under_all("POISON_TLP", "continue", false);
}

SCENARIO(errors_nonfatal_reset_all,
	 "8 threads of all kinds are right across a non-fatal error with a reset")
{
	strike_under_all("POISON_TLP", "reset", true);
}
