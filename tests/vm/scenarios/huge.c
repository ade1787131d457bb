// SPDX-License-Identifier: GPL-2.0-only
/*
 * A BAR large enough for mappings of 2 MiB. The number of faults when every page is
 * touched for the first time shows the size of the mappings.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "kernel.h"
#include "klog.h"
#include "module.h"
#include "moment.h"
#include "needs.h"
#include "scenario.h"
#include "shm.h"
#include "strike.h"
#include "sysfs.h"
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
#define MAX_STRIKES 8

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

/* As many faults map everything: where there are huge pages, each with 511 others. */
static long enough_faults(void)
{
	return kernel_is_realtime() ? PAGES : HUGE_PAGES;
}

static void check_huge(const struct touch *t)
{
	CHECK(t->right == PAGES, "%u of %lu pages are right", t->right, PAGES);
	CHECK(t->faults <= enough_faults(), "%ld faults", t->faults);
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
	CHECK(first.faults <= 2 * enough_faults(), "%ld faults", first.faults);

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
	 "after the stall timeout each page of a huge mapping shows 0xff, after opening itself")
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

/* Maps the whole BAR at an address that allows pages of 4 KiB only. */
static volatile uint8_t *map_small(void)
{
	size_t size = user.regions[SHM_REGION].size;
	uintptr_t at;
	void *area, *map;

	area = mmap(NULL, size + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(area != MAP_FAILED, "no area");
	at = (((uintptr_t)area + HUGE - 1) & ~(HUGE - 1)) + PAGE;
	map = mmap((void *)at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		   user.device, user.regions[SHM_REGION].offset);
	REQUIRE(map != MAP_FAILED, "mmap: %s", strerror(errno));
	return map;
}

/* Touches each page; returns the number of faults. */
static long touch_small(volatile uint8_t *map)
{
	long before = faults();

	for (size_t at = 0; at < user.regions[SHM_REGION].size; at += PAGE)
		(void)map[at];
	return faults() - before;
}

/* MDR_MORE_ENTRIES */
#define MORE_ENTRIES 262144l
#define MAPS 18

static volatile uint8_t *maps[MAPS];
static long pages;

/* Maps so many pages that the last mapping exceeds the limit. */
static void fill_up(void)
{
	start("resume", "30000");
	pages = user.regions[SHM_REGION].size / PAGE;
	REQUIRE(pages * (MAPS - 2) <= MORE_ENTRIES && pages * (MAPS - 1) > MORE_ENTRIES,
		"%ld pages do not suit", pages);
	for (int i = 0; i < MAPS; i++)
		maps[i] = map_small();

	/* the stack or a library may fault too */
	for (int i = 0; i < MAPS - 1; i++) {
		long taken = touch_small(maps[i]);

		CHECK(taken >= pages && taken <= pages + 10, "%ld faults for %ld pages", taken,
		      pages);
	}
	CHECK(!klog_count("pages are mapped: removing them"), "removed too early");
}

SCENARIO(huge_pages_are_bounded,
	 "a user cannot have more pages mapped than a host callback can remove in a moment",
	 .limit_s = 120)
{
	long taken;

	fill_up();
	taken = touch_small(maps[0]);
	CHECK(taken <= 10, "%ld faults: the pages have not stayed", taken);

	taken = touch_small(maps[MAPS - 1]);
	CHECK(taken >= pages, "%ld faults for %ld pages", taken, pages);
	CHECK(klog_count("pages are mapped: removing them") == 1, "%u lines",
	      klog_count("pages are mapped: removing them"));
	taken = touch_small(maps[0]);
	CHECK(taken >= pages, "%ld faults: the pages have stayed", taken);
	MEASURE("pages", "%ld", pages * MAPS);
}

SCENARIO(huge_pages_for_dma,
	 "a BAR is mapped for DMA while its user comes to have too many pages: each page is found",
	 .limit_s = 120)
{
	struct vfio_iommu_type1_dma_map dma = {
		.argsz = sizeof(dma), .iova = 1ull << 32,
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
	};

	fill_up();
	dma.vaddr = (uintptr_t)maps[MAPS - 1];
	dma.size = pages * PAGE;
	CHECK(!ioctl(user.space->container, VFIO_IOMMU_MAP_DMA, &dma), "%s", strerror(errno));
	CHECK(klog_count("pages are mapped: removing them") == 1, "%u lines",
	      klog_count("pages are mapped: removing them"));
}

/* What is mapped for DMA: each time another page. */
static unsigned int dma_page;

static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	REQUIRE(!sched_setaffinity(0, sizeof(cpus), &cpus), "no CPU %d", cpu);
}

/* Maps a page for DMA, on a CPU that the host does not need. */
static int map_page_for_dma(const char *name)
{
	struct vfio_iommu_type1_dma_map dma = {
		.argsz = sizeof(dma), .iova = (1ull << 32) + dma_page * PAGE, .size = PAGE,
		.vaddr = (uintptr_t)maps[0] + dma_page * PAGE,
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
	};

	(void)name;
	pin(1);
	return ioctl(user.space->container, VFIO_IOMMU_MAP_DMA, &dma) ? -errno : 0;
}

/* The moment begins for the nth time, and an error strikes. Has the gate closed in it? */
static bool strike_once(const char *begun, const char *late, long nth)
{
	struct background b = { .call = map_page_for_dma };
	long begun_before = moment_count(begun), late_before = moment_count(late);

	dma_page++;
	background_start(&b);
	REQUIRE(WAIT_FOR(moment_count(begun) - begun_before >= nth, STATE_MS),
		"the page is not mapped");
	REQUIRE_OK(strike(&shim, SHM_PORT, "DLP", "open"));
	background_ms(&b, STATE_MS);
	CHECK(!b.ret, "MAP_DMA: %s", strerror(-b.ret));
	return moment_count(late) > late_before;
}

/* Errors while pages are mapped for DMA, until one hits a moment that the parameter makes long. */
static void strike_in(const char *ms, const char *begun, const char *late, long nth)
{
	unsigned int strikes = 0;

	needs_huge_pages();
	start("resume", "30000");
	REQUIRE_OK(shim_set(&shim, "breaker_max", "0"));
	maps[0] = map_small();
	REQUIRE_OK(moment_load());
	REQUIRE_OK(moment_set(ms, "600"));
	while (!strike_once(begun, late, nth))
		REQUIRE(++strikes < MAX_STRIKES, "the gate has not closed in this moment");
	REQUIRE_OK(moment_set(ms, "0"));
	CHECK_NUMBER(shim.group, "stats/drain_timeouts", 0);
}

SCENARIO(huge_page_for_dma_late,
	 "a BAR is mapped for DMA while the gate closes: that waits for the recovery, and succeeds")
{
	strike_in("insert_ms", "inserts", "late_inserts", 1);
	CHECK(shim_number(shim.group, "stats/stalls") > 0, "it has not waited");
}

SCENARIO(huge_page_for_dma_gone,
	 "the gate closes after the fault, before vfio looks at the page: MAP_DMA succeeds, too")
{
	/* it looks before the fault as well */
	strike_in("look_ms", "looks", "late_looks", 2);
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

/*
 * fork() while the BAR's mappings are taken away: by a user's write to COMMAND,
 * a zap as that of a closing gate, but soon done. A child that can read the BAR
 * afterwards, with decoding off, has an entry that the zap has missed. A module
 * makes the kernel's window wide (see there).
 */
#define FORKS 10
#define WINDOW "1000"
#define SLOW_FORK "/sys/module/mdev_recovery_slow_fork/parameters/"

struct forker {
	pthread_t thread;
	sem_t go;
	sem_t forked;
	int look[2];		/* a child that reads from it looks at its entries */
	int order[2], zapped[2]; /* a zap is ordered, after so many ms, and done */
	size_t size;
	pid_t child;
	uint64_t ns;
};

static int widen(const char *us)
{
	return sysfs_write(us, SLOW_FORK "us");
}

static sigjmp_buf no_entry;

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(no_entry, 1);
}

/* With decoding off a fault is a SIGBUS. How many huge pages need none? */
static unsigned int entries(size_t size)
{
	volatile unsigned int count = 0;

	signal(SIGBUS, on_sigbus);
	for (volatile size_t at = 0; at < size; at += HUGE) {
		if (sigsetjmp(no_entry, 1))
			continue;
		(void)bar[at];
		count++;
	}
	return count;
}

/* How many faults a touch of each huge page takes. */
static long touch_huge(size_t from, size_t to)
{
	long before = faults();

	for (size_t at = from; at < to; at += HUGE)
		(void)bar[at];
	return faults() - before;
}

static void *fork_forever(void *arg)
{
	struct forker *f = arg;
	uint64_t begin;
	char byte;

	pin(0);
	for (;;) {
		sem_wait(&f->go);
		begin = now_ns();
		f->child = fork();
		if (!f->child)
			_exit(read(f->look[0], &byte, 1) == 1 && entries(f->size));
		f->ns = now_ns() - begin;
		sem_post(&f->forked);
	}
	return NULL;
}

/*
 * The zaps, in a process and on a CPU of their own: nothing that fork() holds is to
 * be waited for.
 */
static void zap_forever(const struct forker *f)
{
	uint16_t command = vfio_user_command(&user);
	unsigned int ms;

	pin(1);
	while (read(f->order[0], &ms, sizeof(ms)) == sizeof(ms)) {
		sleep_ms(ms);
		REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, 0x04, 2, command & ~0x2));
		REQUIRE(write(f->zapped[1], "", 1) == 1, "write");
	}
	_exit(0);
}

static void start_forker(struct forker *f)
{
	f->size = user.regions[SHM_REGION].size;
	REQUIRE(!pipe(f->look) && !pipe(f->order) && !pipe(f->zapped), "pipe");
	if (!fork())
		zap_forever(f);
	sem_init(&f->go, 0, 0);
	sem_init(&f->forked, 0, 0);
	pthread_create(&f->thread, NULL, fork_forever, f);
	REQUIRE_OK(module_load("mdev_recovery_slow_fork"));
	REQUIRE_OK(widen(WINDOW));
}

/* A fork, and a zap ms later. Has the child kept an entry? */
static bool fork_keeps(struct forker *f, unsigned int ms)
{
	uint16_t command = vfio_user_command(&user);
	int status = 0;
	char byte;

	touch_huge(0, f->size);
	REQUIRE(write(f->order[1], &ms, sizeof(ms)) == sizeof(ms), "write");
	sem_post(&f->go);
	sem_wait(&f->forked);
	REQUIRE(read(f->zapped[0], &byte, 1) == 1, "read");
	REQUIRE(f->child > 0, "fork");
	REQUIRE(write(f->look[1], "", 1) == 1, "write");
	waitpid(f->child, &status, 0);
	REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, 0x04, 2, command));
	return status;
}

static unsigned int forks_that_keep(void)
{
	static struct forker f;
	unsigned int kept = 0;

	start_forker(&f);
	fork_keeps(&f, 0);
	/* all over the length of a fork */
	for (unsigned int i = 1; i <= FORKS; i++)
		kept += fork_keeps(&f, f.ns / NS_PER_MS * i / FORKS);
	MEASURE("kept", "%u", kept);
	MEASURE("fork_ms", "%llu", f.ns / NS_PER_MS);
	MEASURE("waits", "%d", (int)sysfs_read_number(SLOW_FORK "waits"));
	REQUIRE_OK(widen("0"));
	return kept;
}

SCENARIO(huge_fork_keeps_nothing,
	 "a child forked while the mappings are taken away has no huge page that was missed")
{
	needs_huge_pages();
	start("resume", "30000");
	CHECK(!forks_that_keep(), "children kept a mapping");
}

SCENARIO(huge_fork_begins_empty,
	 "a child's mapping of a BAR begins empty, whatever the user advised, and then works")
{
	int status = 0;
	pid_t pid;

	start("resume", "30000");
	write_marks();
	REQUIRE(!madvise((void *)bar, user.regions[SHM_REGION].size, MADV_KEEPONFORK),
		"madvise: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		long taken;

		touch_huge(0, HUGE); /* its stack, too */
		taken = touch_huge(HUGE, SPAN);
		CHECK(taken == HUGE_PAGES - 1, "%ld faults", taken);
		CHECK(bar[PAGE] == mark(PAGE), "a page is %#x, not %#x", bar[PAGE], mark(PAGE));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	CHECK(!status, "status %#x", status);
	CHECK(!touch_huge(0, SPAN), "the parent lost its mapping");
}

SCENARIO(kernel_limit_fork,
	 "the same fork with stock vfio-pci: fails as long as the kernel misses a mapping",
	 .selftest = true)
{
	char addr[PCI_ADDR_LEN];

	REQUIRE_OK(pci_below(SHM_PORT, 0, addr));
	REQUIRE_OK(pci_bind(addr, "vfio-pci"));
	REQUIRE_OK(vfio_user_open(&user, addr));
	bar = map_aligned();
	REQUIRE(bar, "cannot map: %s", strerror(errno));
	CHECK(!forks_that_keep(), "children kept a mapping");
}
