// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses longer than any piece of them: all bytes come from and go to where they
 * belong, and nothing beside the buffer or the range changes. An access of several
 * buffers (preadv) shows where the kernel thinks that each of them has ended.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "scenario.h"
#include "shim.h"
#include "shm.h"
#include "strike.h"
#include "vfio_user.h"

#define LEN 700
/* of the first buffer of two */
#define FIRST 299
#define GUARD 64
#define PATTERN 0xa5
#define AT 0x2003
/* in config space */
#define BARS 0x10
#define BARS_LEN 24
#define BARS_FIRST 10

static struct vfio_user user;
static struct shim shim;

/* A buffer with bytes around it that nobody may touch. */
struct guarded {
	unsigned char before[GUARD];
	unsigned char buf[LEN];
	unsigned char after[GUARD];
};

static struct guarded guarded;

static void guard(void)
{
	memset(&guarded, PATTERN, sizeof(guarded));
}

static void check_guards(const char *name)
{
	for (unsigned int i = 0; i < GUARD; i++)
		CHECK(guarded.before[i] == PATTERN && guarded.after[i] == PATTERN,
		      "%s: a byte beside the buffer is %#x or %#x", name, guarded.before[i],
		      guarded.after[i]);
}

static void check_bytes(const char *name, const unsigned char *got, const unsigned char *want,
			size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!CHECK(got[i] == want[i], "%s: byte %zu is %#x, not %#x", name, i, got[i],
			   want[i]))
			return;
}

/* In one call, with one buffer or two; the length or -errno. */
static ssize_t access_two(unsigned int region, uint64_t off, unsigned char *buf, size_t first,
			  size_t len, bool write)
{
	struct iovec two[] = {
		{ .iov_base = buf, .iov_len = first },
		{ .iov_base = buf + first, .iov_len = len - first },
	};
	uint64_t at = user.regions[region].offset + off;
	ssize_t ret = write ? pwritev(user.device, two, 2, at) : preadv(user.device, two, 2, at);

	return ret < 0 ? -errno : ret;
}

static void check_reads(const char *name, unsigned int region, uint64_t off,
			const unsigned char *want)
{
	ssize_t ret;

	guard();
	ret = vfio_user_pread(&user, region, guarded.buf, LEN, off);
	CHECK(ret == LEN, "%s: a read gives %zd", name, ret);
	check_bytes(name, guarded.buf, want, LEN);
	check_guards(name);

	guard();
	ret = access_two(region, off, guarded.buf, FIRST, LEN, false);
	CHECK(ret == LEN, "%s: a read into two buffers gives %zd", name, ret);
	check_bytes(name, guarded.buf, want, LEN);
	check_guards(name);
}

/* The second buffer begins within the region, and does not end there. */
static void check_end(const char *name, unsigned int region, size_t first, size_t len,
		      ssize_t want)
{
	uint64_t off = user.regions[region].size - first - len / 2;
	ssize_t ret;

	guard();
	ret = access_two(region, off, guarded.buf, first, first + len, false);
	CHECK(ret == want, "%s: across the end two buffers give %zd", name, ret);
	check_guards(name);
}

static void check_config(void)
{
	static unsigned char want[LEN + 4];

	for (unsigned int at = 0; at < sizeof(want); at += 4) {
		uint32_t value = vfio_user_read(&user, VFIO_CONFIG, at, 4);

		memcpy(want + at, &value, 4);
	}
	check_reads("config space", VFIO_CONFIG, 0, want);
	check_reads("config space from byte 3", VFIO_CONFIG, 3, want + 3);
}

/* What the BARs are, as the user sees them. */
static void read_bars(unsigned char *bars)
{
	for (unsigned int at = 0; at < BARS_LEN; at += 4) {
		uint32_t value = vfio_user_read(&user, VFIO_CONFIG, BARS + at, 4);

		memcpy(bars + at, &value, 4);
	}
}

/* A long write does to them what short ones do; they are not those of the device. */
static void check_config_writes(void)
{
	unsigned char before[BARS_LEN], bytes[BARS_LEN], want[BARS_LEN], got[BARS_LEN];
	ssize_t ret;

	read_bars(before);
	for (unsigned int i = 0; i < BARS_LEN; i++)
		bytes[i] = 0x11 * (i % 15 + 1);
	for (unsigned int i = 0; i < BARS_LEN; i++)
		REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, BARS + i, 1, bytes[i]));
	read_bars(want);
	CHECK(memcmp(before, want, BARS_LEN), "the BARs cannot be written");
	for (unsigned int two = 0; two < 2; two++) {
		ret = vfio_user_pwrite(&user, VFIO_CONFIG, before, BARS_LEN, BARS);
		CHECK(ret == BARS_LEN, "a write of config space gives %zd", ret);
		read_bars(got);
		check_bytes("BARs", got, before, BARS_LEN);
		ret = access_two(VFIO_CONFIG, BARS, bytes, two ? BARS_FIRST : BARS_LEN, BARS_LEN,
				 true);
		CHECK(ret == BARS_LEN, "a write of config space gives %zd", ret);
		read_bars(got);
		check_bytes("BARs", got, want, BARS_LEN);
	}
	ret = vfio_user_pwrite(&user, VFIO_CONFIG, before, BARS_LEN, BARS);
	CHECK(ret == BARS_LEN, "a write of config space gives %zd", ret);
}

SCENARIO(long_access_config,
	 "a long access of config space, into two buffers too, is what the short ones are")
{
	REQUIRE_OK(shim_make(&shim, "rp_igb2", 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	check_config();
	check_config_writes();
	check_end("config space", VFIO_CONFIG, FIRST, 300, FIRST);
	MEASURE("bytes", "%u", LEN);
}

static void fill(volatile unsigned char *memory)
{
	for (unsigned int i = 0; i < LEN + 2 * GUARD; i++)
		memory[i] = i * 7 + i / 256;
}

SCENARIO(long_access_bar,
	 "a long access of a BAR likewise; of a dead device it gives all-ones, to the last byte")
{
	static unsigned char want[LEN + 2 * GUARD], ones[LEN];
	volatile unsigned char *memory;
	volatile uint32_t *watch;
	ssize_t ret;

	memset(ones, 0xff, sizeof(ones));
	REQUIRE_OK(shim_make(&shim, SHM_PORT, 0, "hold"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	watch = shm_watch();
	REQUIRE(watch, "no second view of the memory");
	memory = (volatile unsigned char *)watch + AT - GUARD;
	fill(memory);
	memcpy(want, (void *)memory, sizeof(want));
	check_reads("memory", SHM_REGION, AT, want + GUARD);
	check_end("memory", SHM_REGION, FIRST, 300, FIRST + 150);

	for (unsigned int two = 0; two < 2; two++) {
		fill(memory);
		for (unsigned int i = 0; i < LEN; i++)
			guarded.buf[i] = ~want[GUARD + i];
		ret = access_two(SHM_REGION, AT, guarded.buf, two ? FIRST : LEN, LEN, true);
		CHECK(ret == LEN, "a write gives %zd", ret);
		check_bytes("before", (void *)memory, want, GUARD);
		check_bytes("written", (void *)(memory + GUARD), guarded.buf, LEN);
		check_bytes("after", (void *)(memory + GUARD + LEN), want + GUARD + LEN, GUARD);
	}

	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "0"));
	REQUIRE_OK(strike(&shim, SHM_PORT, "DLP", "holding"));
	check_reads("dead memory", SHM_REGION, AT, ones);
	check_end("dead memory", SHM_REGION, FIRST, 300, FIRST + 150);
	check_end("dead config space", VFIO_CONFIG, 100, 100, 100);
	MEASURE("bytes", "%u", LEN);
}
