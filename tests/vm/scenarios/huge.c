// SPDX-License-Identifier: GPL-2.0-only
/*
 * A BAR large enough for mappings of 2 MiB. The number of faults when every page is
 * touched for the first time shows the size of the mappings.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "scenario.h"
#include "shm.h"
#include "strike.h"
#include "task.h"
#include "took.h"
#include "vfio_user.h"

#define PAGE 4096ul
#define HUGE (2ul << 20)
#define SPAN (4 * HUGE)		/* what is touched of 64 MiB */
#define STATE_MS 10000
#define STALL_MS 100
#define RESET_MS 1500
#define ERRORS 5
#define MAX_ERRORS 30

static struct vfio_user user;
static struct shim shim;
static volatile uint8_t *bar;

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt;
}

/* Maps the BAR at an address that is aligned for huge pages. */
static volatile uint8_t *map_aligned(void)
{
	size_t size = user.regions[SHM_REGION].size;
	uintptr_t at;
	void *area, *map;

	area = mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return NULL;
	at = ((uintptr_t)area + HUGE - 1) & ~(HUGE - 1);
	map = mmap((void *)at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		   user.device, user.regions[SHM_REGION].offset);
	return map == MAP_FAILED ? NULL : map;
}

/* The value of the first byte of each page. */
static uint8_t mark(size_t at)
{
	return at / PAGE % 251 + 1;
}

static void write_marks(void)
{
	for (size_t at = 0; at < SPAN; at += PAGE)
		bar[at] = mark(at);
}

struct touch {
	unsigned int right;
	unsigned int ones;
	long faults;
};

static struct touch touch_all(void)
{
	struct touch t = { .faults = faults() };

	for (size_t at = 0; at < SPAN; at += PAGE) {
		uint8_t value = bar[at];

		t.right += value == mark(at);
		t.ones += value == 0xff;
	}
	t.faults = faults() - t.faults;
	return t;
}

#define PAGES (SPAN / PAGE)
#define HUGE_PAGES (SPAN / HUGE)

static void start(const char *policy, const char *stall_timeout_ms)
{
	REQUIRE_OK(shim_make(&shim, SHM_PORT, 0, policy));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", stall_timeout_ms));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE(user.regions[SHM_REGION].size >= SPAN, "the BAR has only %#jx bytes",
		user.regions[SHM_REGION].size);
	bar = map_aligned();
	REQUIRE(bar, "cannot map: %s", strerror(errno));
}

/* The pages are there; each was mapped together with 511 others. */
static void check_huge(const struct touch *t)
{
	CHECK(t->right == PAGES, "%u of %lu pages are right", t->right, PAGES);
	CHECK(t->faults <= (long)HUGE_PAGES, "%ld faults for %lu huge pages", t->faults,
	      HUGE_PAGES);
}

struct waiter {
	atomic_int task;
	struct touch touch;
	uint64_t start_ns;
	uint64_t end_ns;
};

static void *touch_while_closed(void *arg)
{
	struct waiter *w = arg;

	atomic_store(&w->task, gettid());
	w->start_ns = now_ns();
	w->touch = touch_all();
	w->end_ns = now_ns();
	return NULL;
}

SCENARIO(huge_fault_waits,
	 "a huge page touched while the gate is closed waits, and then is a right huge page")
{
	struct waiter w = { 0 };
	struct touch first;
	pthread_t thread;

	start("hold", "30000");
	first.faults = faults();
	write_marks();
	first.faults = faults() - first.faults;
	/* the stack or a library may fault too, but far less than once per page */
	CHECK(first.faults <= 2 * (long)HUGE_PAGES, "%ld faults", first.faults);

	REQUIRE_OK(strike(&shim, SHM_PORT, "DLP", "holding"));
	pthread_create(&thread, NULL, touch_while_closed, &w);
	REQUIRE(WAIT_FOR(task_at_gate(atomic_load(&w.task), 0), STATE_MS), "it does not wait");
	sleep_ms(STALL_MS);
	CHECK(shim_is(shim.group, "holding"), "group is not held");
	REQUIRE_OK(vfio_user_reset(&user));
	pthread_join(thread, NULL);

	check_huge(&w.touch);
	CHECK(w.end_ns - w.start_ns >= STALL_MS * NS_PER_MS, "it did not wait");
	MEASURE("pages", "%lu", PAGES);
	MEASURE("faults_before", "%ld", first.faults);
	/* a fault that waits counts once, although it is retried */
	MEASURE("faults_after", "%ld", w.touch.faults);
	MEASURE_BOUND("waited_ms", (w.end_ns - w.start_ns) / NS_PER_MS, STALL_MS + RESET_MS);
}

SCENARIO(huge_fault_dead,
	 "after the stall time-out each page of a huge mapping shows 0xff, after opening itself")
{
	struct touch dead, alive;
	unsigned int written = 0;
	volatile uint32_t *watch;

	start("hold", "50");
	write_marks();
	watch = shm_watch();
	REQUIRE(watch, "no second view of the memory");
	REQUIRE_OK(strike(&shim, SHM_PORT, "DLP", "holding"));
	sleep_ms(STALL_MS);

	dead = touch_all();
	CHECK(dead.ones == PAGES, "%u of %lu pages are 0xff", dead.ones, PAGES);
	CHECK(dead.faults >= (long)PAGES, "%ld faults for %lu pages", dead.faults, PAGES);
	/* writes are lost now */
	for (size_t at = 0; at < SPAN; at += PAGE)
		bar[at] = 0;
	for (size_t at = 0; at < SPAN; at += PAGE)
		written += ((volatile uint8_t *)watch)[at] != mark(at);
	CHECK(!written, "%u writes reached the device", written);

	REQUIRE_OK(vfio_user_reset(&user));
	REQUIRE(shim_wait(shim.group, "open", STATE_MS), "group is not open");
	alive = touch_all();
	CHECK(alive.right == PAGES, "%u of %lu pages are right", alive.right, PAGES);
	MEASURE("pages", "%lu", PAGES);
	MEASURE("dead_faults", "%ld", dead.faults);
	MEASURE("alive_faults", "%ld", alive.faults);
}

static uint64_t stalls(void)
{
	return shim_number(shim.group, "stats/stalls");
}

static void *touch_forever(void *arg)
{
	unsigned int *wrong = arg;

	for (;;)
		for (size_t at = 0; at < SPAN; at += PAGE)
			*wrong += bar[at] != mark(at);
	return NULL;
}

SCENARIO(huge_fault_spinning, "a user spinning over huge pages reads right values across errors")
{
	static unsigned int wrong;
	struct touch after;
	pthread_t thread;

	start("resume", "30000");
	write_marks();
	pthread_create(&thread, NULL, touch_forever, &wrong);
	/* the reader's CPU may not run at all while the gate is closed */
	for (unsigned int i = 0; i < ERRORS || (!stalls() && i < MAX_ERRORS); i++)
		REQUIRE_OK(strike(&shim, SHM_PORT, i % 2 ? "POISON_TLP" : "DLP", "open"));
	after = touch_all();
	CHECK(!wrong, "%u wrong values", wrong);
	check_huge(&after);
	MEASURE("stalls", "%ju", stalls());
	CHECK(stalls(), "it never waited");
	MEASURE_STALL("longest_stall_ms", shim_number(shim.group, "stats/stall_ns_max"));
}
