// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses of a user after its stall timeout has passed. Type hold keeps the gate
 * closed for as long as the test needs; the device is a piece of memory that can be
 * watched from another port.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "access_log.h"
#include "clock.h"
#include "scenario.h"
#include "shim.h"
#include "shm.h"
#include "strike.h"
#include "waiter.h"

#define PORT SHM_PORT
#define VALUE 0x13579bdf
#define JUNK 0x2468ace0
#define STALL_MS 400
/* on top of it, on a slow machine */
#define SLOW_MS 1500
#define MAX_ERRORS 20
/* less than the stall timeout, and more than a busy machine adds */
#define AT_ONCE_MS 300

static struct vfio_user user;

static const struct waiter accesses[] = {
	{ .kind = WAITER_LOAD, .region = SHM_REGION, .off = 0 },
	{ .kind = WAITER_STORE, .region = SHM_REGION, .off = 4, .value = JUNK },
	{ .kind = WAITER_PREAD, .region = SHM_REGION, .off = 0 },
	{ .kind = WAITER_PWRITE, .region = SHM_REGION, .off = 4, .value = JUNK },
	{ .kind = WAITER_PREAD, .region = VFIO_CONFIG, .off = 0 },
	{ .kind = WAITER_IOCTL },
};

#define NR_ACCESSES (sizeof(accesses) / sizeof(accesses[0]))

static void hold_with(struct shim *s, volatile uint32_t **watch, const char *dead_access)
{
	*watch = shm_watch();
	REQUIRE(*watch, "no second view of the memory");
	REQUIRE_OK(shim_make(s, PORT, 0, "hold"));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "400"));
	REQUIRE_OK(shim_set(s, "dead_access", dead_access));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	(*watch)[0] = VALUE;
	(*watch)[1] = VALUE;
	REQUIRE_OK(strike(s, PORT, "DLP", "holding"));
}

/*
 * No access after the first one waits. On a busy machine an access may be late for
 * another reason, but not each time.
 */
static void touch_dead(struct waiter *w, unsigned int i)
{
	*w = accesses[i];
	w->u = &user;
	REQUIRE_OK(waiter_prepare(w));
	for (int tries = 0; tries < 3; tries++) {
		waiter_run(w);
		if (!i || w->ns / 1000000 < AT_ONCE_MS)
			break;
	}
}

/* A fault that is answered by SIGBUS is a dead access, once. */
static void check_counted(const struct shim *s, struct waiter again)
{
	uint64_t before = shim_number(s->group, "stats/dead_accesses");

	waiter_run(&again);
	CHECK_NUMBER(s->group, "stats/dead_accesses", before + 1);
}

/* A read longer than any piece of it. */
static void check_long_reads(void)
{
	static const unsigned int regions[] = { SHM_REGION, VFIO_CONFIG };
	unsigned char buf[256];
	ssize_t got;

	for (unsigned int i = 0; i < 2; i++) {
		memset(buf, 0, sizeof(buf));
		got = vfio_user_pread(&user, regions[i], buf, sizeof(buf), 0);
		CHECK(got == sizeof(buf), "region %u: a read of %zu bytes gives %zd", regions[i],
		      sizeof(buf), got);
		for (unsigned int at = 0; at < sizeof(buf); at++)
			CHECK(buf[at] == 0xff, "region %u: byte %u is %#x", regions[i], at,
			      buf[at]);
	}
}

/* Only the first access waits for the stall timeout. */
static void check_times(const struct waiter w[NR_ACCESSES])
{
	uint64_t later = 0;

	for (unsigned int i = 1; i < NR_ACCESSES; i++)
		later = w[i].ns > later ? w[i].ns : later;
	MEASURE_BOUND("first_ms", w[0].ns / NS_PER_MS, STALL_MS + SLOW_MS);
	MEASURE_BOUND("longest_later_ms", later / NS_PER_MS, AT_ONCE_MS);
}

/* An error that finds the gate open restarts the timeout. */
static void check_waits(struct shim *s)
{
	struct waiter w = accesses[0];
	uint64_t start = now_ns(), took;

	w.u = &user;
	REQUIRE_OK(waiter_prepare(&w));
	REQUIRE_OK(strike(s, PORT, "DLP", "holding"));
	waiter_run(&w);
	took = (now_ns() - start) / 1000000;
	CHECK(took >= STALL_MS, "it waited %ju ms", took);
	MEASURE_BOUND("waited_ms", took, STALL_MS + SLOW_MS);
}

SCENARIO(dead_access_ones,
	 "past the stall timeout reads give all-ones and writes go nowhere, until the gate opens")
{
	struct waiter w[NR_ACCESSES];
	volatile uint32_t *watch, *map;
	uint64_t dead, stalls;
	struct shim s;

	hold_with(&s, &watch, "ones");
	for (unsigned int i = 0; i < NR_ACCESSES; i++) {
		touch_dead(&w[i], i);
		CHECK(w[i].error == (w[i].kind == WAITER_IOCTL ? EIO : 0),
		      "access %u: error %d", i, w[i].error);
		if (w[i].kind == WAITER_LOAD || w[i].kind == WAITER_PREAD)
			CHECK(w[i].value == ~0u, "access %u gives %#x", i, w[i].value);
		else
			CHECK(w[i].value == accesses[i].value, "access %u leaves %#x in its buffer",
			      i, w[i].value);
	}
	check_times(w);
	check_long_reads();
	map = vfio_user_map(&user, SHM_REGION);
	CHECK(map[1024] == ~0u, "another page of the mapping gives %#x", map[1024]);
	CHECK(watch[0] == VALUE && watch[1] == VALUE, "the device holds %#x, %#x",
	      watch[0], watch[1]);
	dead = shim_number(s.group, "stats/dead_accesses");
	CHECK(dead >= NR_ACCESSES - 1, "stats/dead_accesses is %ju", dead);
	/* only one that waits is a stall */
	stalls = shim_number(s.group, "stats/stalls");
	check_long_reads();
	CHECK_NUMBER(s.group, "stats/stalls", stalls);

	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(shim_is(s.group, "open"), "not open after the reset");
	CHECK(map[0] == VALUE && map[1] == VALUE, "the mapping gives %#x, %#x", map[0],
	      map[1]);
	map[2] = JUNK;
	CHECK(watch[2] == JUNK, "a write does not reach the device any more");
	CHECK(vfio_user_read(&user, SHM_REGION, 0, 4) == VALUE, "pread gives %#x",
	      vfio_user_read(&user, SHM_REGION, 0, 4));
	check_waits(&s);
	MEASURE("dead_accesses", "%ju", dead);
}

SCENARIO(dead_access_ones_again,
	 "what was written to a substitute page is gone in the next recovery")
{
	volatile uint32_t *watch, *map;
	struct shim s;

	hold_with(&s, &watch, "ones");
	map = vfio_user_map(&user, SHM_REGION);
	map[1] = JUNK;
	REQUIRE_OK(vfio_user_reset(&user));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "0"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	CHECK(map[1] == ~0u, "the mapping gives %#x", map[1]);
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(map[1] == VALUE, "the mapping gives %#x", map[1]);
}

SCENARIO(dead_access_fault,
	 "with dead_access=fault calls give EIO and mappings SIGBUS, until the gate opens")
{
	struct waiter w[NR_ACCESSES];
	volatile uint32_t *watch;
	struct shim s;

	hold_with(&s, &watch, "fault");
	for (unsigned int i = 0; i < NR_ACCESSES; i++) {
		bool mapped = accesses[i].kind == WAITER_LOAD ||
			      accesses[i].kind == WAITER_STORE;

		touch_dead(&w[i], i);
		CHECK(w[i].error == (mapped ? EFAULT : EIO), "access %u: error %d", i,
		      w[i].error);
		if (mapped)
			check_counted(&s, w[i]);
	}
	check_times(w);
	CHECK(watch[1] == VALUE, "the device holds %#x", watch[1]);

	REQUIRE_OK(vfio_user_reset(&user));
	waiter_run(&w[0]);
	CHECK(!w[0].error && w[0].value == VALUE, "error %d, %#x", w[0].error, w[0].value);
	CHECK(vfio_user_read(&user, SHM_REGION, 0, 4) == VALUE, "pread gives %#x",
	      vfio_user_read(&user, SHM_REGION, 0, 4));
}

SCENARIO(dead_access_without_reset,
	 "a substitute page goes by itself when the gate opens, without a reset by the user")
{
	volatile uint32_t *watch, *map;
	struct access_log log;
	unsigned int errors;
	struct shim s;

	watch = shm_watch();
	REQUIRE(watch, "no second view of the memory");
	watch[0] = VALUE;
	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "0"));
	REQUIRE_OK(shim_set(&s, "breaker_max", "0"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	/* the reader may not get a CPU while the gate is closed */
	for (errors = 1; errors <= MAX_ERRORS; errors++) {
		log = (struct access_log) {
			.u = &user, .kind = ACCESS_MAP_READ, .region = SHM_REGION,
			.value = VALUE,
		};
		REQUIRE_OK(access_start(&log));
		REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
		access_stop(&log);
		CHECK(!log.wrong && !log.faults, "%ju wrong, last %#x; %ju faults",
		      log.wrong, log.last_wrong, log.faults);
		if (log.ones)
			break;
	}

	map = vfio_user_map(&user, SHM_REGION);
	CHECK(log.ones, "the mapping was never seen to give all-ones");
	CHECK(map[0] == VALUE, "the mapping gives %#x", map[0]);
	map[2] = JUNK;
	CHECK(watch[2] == JUNK, "a write does not reach the device any more");
	MEASURE("ones", "%ju", log.ones);
	MEASURE("errors", "%u", errors);
}

/* What a region that is not a BAR gives, in bytes or as -errno; all-ones if it is read. */
struct piece {
	unsigned int region;
	uint64_t off;
	bool write;
	ssize_t ret;
};

#define ROM VFIO_PCI_ROM_REGION_INDEX
#define VGA VFIO_PCI_VGA_REGION_INDEX
#define ROM_SIZE 0x6000

static void check_piece(const struct piece *p)
{
	uint64_t at = ((uint64_t)p->region << 40) + p->off;
	unsigned char bytes[8] = { 0 };
	ssize_t ret;

	ret = p->write ? pwrite(user.device, bytes, sizeof(bytes), at) :
			 pread(user.device, bytes, sizeof(bytes), at);
	if (ret < 0)
		ret = -errno;
	CHECK(ret == p->ret, "region %u, %#jx: %zd", p->region, p->off, ret);
	for (ssize_t i = 0; i < ret && !p->write; i++)
		CHECK(bytes[i] == 0xff, "region %u, %#jx: byte %zd is %#x", p->region, p->off,
		      i, bytes[i]);
}

SCENARIO(dead_access_legacy,
	 "all-ones for legacy VGA registers and a ROM without a BAR, as far as each of them goes")
{
	static const struct piece pieces[] = {
		{ ROM, 0, false, 8 },
		/* rounded up to 0x8000 */
		{ ROM, 0x7ffc, false, 4 },
		{ ROM, 0x8000, false, -EINVAL },
		{ ROM, 0, true, -EINVAL },
		{ VGA, 0, false, -EINVAL },
		{ VGA, 0x3af, false, -EINVAL },
		{ VGA, 0x3b0, false, 8 },
		{ VGA, 0x3ba, false, 2 },
		{ VGA, 0x3bc, false, -EINVAL },
		{ VGA, 0x3c0, true, 8 },
		{ VGA, 0x3dc, false, 4 },
		{ VGA, 0x3e0, false, -EINVAL },
		{ VGA, 0xa0000, true, 8 },
		{ VGA, 0xbffff, false, 1 },
		{ VGA, 0xc0000, false, -EINVAL },
	};
	volatile uint32_t *watch;
	char legacy[64];
	struct shim s;

	hold_with(&s, &watch, "ones");
	REQUIRE_OK(shim_test_load());
	snprintf(legacy, sizeof(legacy), "%s %u", s.addr, ROM_SIZE);
	REQUIRE_OK(shim_test_set("legacy", legacy));
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		check_piece(&pieces[i]);
	snprintf(legacy, sizeof(legacy), "%s 0", s.addr);
	CHECK_OK(shim_test_set("legacy", legacy));
	MEASURE("pieces", "%zu", sizeof(pieces) / sizeof(pieces[0]));
}
