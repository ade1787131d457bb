// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users that do what no driver would: calls without a pause, and an argument that is not
 * the same when the kernel reads it again.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "aer_thread.h"
#include "clock.h"
#include "hot_reset.h"
#include "nic_user.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "took.h"
#include "uevent.h"

#define PORT "rp_igb2"
/* each takes long while another thread does not pause */
#define OPENS ((int)(20 / patience))
#define OPEN_PAUSE_MS 10
/* a reset of this machine takes a tenth of that */
#define STALL_MS "2000"
#define STALL_NS (2000 * NS_PER_MS)
#define STARVE_NS (10000 * NS_PER_MS)
#define RESETS 20
#define QUIET_MS 200
#define TOLD_MS 2000
#define HOST_MS 5000
#define DECODING 0x6
#define ICR 0xc0
#define ICS 0xc8
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PAGE 4096ul
/* MDR_MAX_VMAS */
#define MOST 4096
#define FORK_PAGES 512
#define FORKS ((int)(128 / patience))
/* enough that one is always in the middle of a call */
#define THREADS 24

static struct vfio_user user, other;

/* One call, over and over, in a thread of its own. */
static struct {
	pthread_t thread;
	int (*call)(struct vfio_user *u);
	/* 0: when it is over */
	uint64_t until;
	atomic_bool over;
	unsigned int calls;
	int ret;
	uintmax_t longest_ns;
} loop;

static void *loop_run(void *arg)
{
	uintmax_t took;

	(void)arg;
	while (!atomic_load(&loop.over) && (!loop.until || now_ns() < loop.until)) {
		took = now_ns();
		loop.ret = loop.call(&user);
		took = now_ns() - took;
		if (took > loop.longest_ns)
			loop.longest_ns = took;
		loop.calls++;
	}
	return NULL;
}

static void loop_start(int (*call)(struct vfio_user *u))
{
	loop.call = call;
	REQUIRE(!pthread_create(&loop.thread, NULL, loop_run, NULL), "no thread");
}

static void loop_end(void)
{
	atomic_store(&loop.over, true);
	pthread_join(loop.thread, NULL);
	CHECK(loop.calls > 0, "not one call");
}

SCENARIO(hostile_hot_resets,
	 "hot resets of a bus that the caller shares do not keep other users from opening it")
{
	unsigned int refused = 0;
	struct shim s[2];

	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_make(&s[i], "rp_igb", i, "resume"));
	CHECK(s[0].group != s[1].group, "one group: nothing is shown");
	REQUIRE_OK(vfio_user_open(&user, s[0].uuid));
	loop_start(hot_reset);
	for (int i = 0; i < OPENS; i++) {
		int ret = vfio_user_open(&other, s[1].uuid);

		if (ret)
			refused++;
		else
			vfio_user_close(&other);
		sleep_ms(OPEN_PAUSE_MS);
	}
	loop_end();
	CHECK(loop.ret < 0, "a hot reset of what is another's gives %d", loop.ret);
	CHECK(!refused, "%u of %d opens were refused", refused, OPENS);
	MEASURE("hot_resets", "%u", loop.calls);
}

SCENARIO(hostile_resets, "resets without a pause: waits for several do not add up to a timeout",
	 .limit_s = 60)
{
	unsigned int ones = 0, reads = 0;
	struct shim s;
	uint64_t end;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", STALL_MS));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	/* a read may wait for as long as the resets go on: who resets keeps only itself out */
	end = now_ns() + STARVE_NS;
	loop.until = end;
	loop_start(vfio_user_reset);
	for (; now_ns() < end; reads++)
		ones += vfio_user_read(&user, VFIO_CONFIG, 0, 4) == UINT32_MAX;
	loop_end();
	if (loop.longest_ns >= STALL_NS / 2)
		SKIP("a reset took %llu ms: this machine is too busy",
		     loop.longest_ns / NS_PER_MS);
	CHECK(!ones, "%u of %u reads gave ones, and no reset took longer than %llu ms", ones,
	      reads, loop.longest_ns / NS_PER_MS);
	MEASURE("resets", "%u", loop.calls);
}

static void open_failed(struct shim *s)
{
	REQUIRE_OK(shim_bind_test(s, PORT, 0));
	REQUIRE_OK(shim_create(s, "resume"));
	REQUIRE_OK(shim_set(s, "recovery_timeout_ms", "500"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	REQUIRE_OK(shim_test_set("restore_error", "-5"));
	REQUIRE_OK(strike(s, PORT, "DLP", "failed"));
	/* what the host still does may bring it back */
	REQUIRE(aer_wait_idle(HOST_MS), "the host is not done");
}

SCENARIO(hostile_uevents, "resets of a failed device that is dead send no uevents")
{
	struct uevent event;
	unsigned int told = 0;
	struct shim s;
	int fd;

	open_failed(&s);
	fd = uevent_listen();
	REQUIRE_OK(fd);
	for (int i = 0; i < RESETS; i++)
		CHECK(vfio_user_reset(&user) < 0, "reset %d succeeds", i);
	while (uevent_wait(fd, "MDR_STATE", NULL, QUIET_MS, &event))
		told++;
	CHECK(shim_is(s.group, "failed"), "not failed any more");
	CHECK(!told, "%u uevents for %d resets", told, RESETS);
	/* the one that succeeds is news */
	REQUIRE_OK(shim_test_set("restore_error", "0"));
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(uevent_wait(fd, "MDR_STATE", "open", TOLD_MS, &event), "no uevent of the end");
}

SCENARIO(hostile_command,
	 "COMMAND in a buffer that changes between two reads: the restore decodes as the user sees")
{
	char address[PCI_ADDR_LEN];
	volatile uint32_t *regs;
	uint16_t before, after;
	struct shim s, nic;
	long ret;

	/* a register that is cleared when it is read, as the buffer */
	REQUIRE_OK(shim_make(&nic, "rp_e1000e", 0, "resume"));
	REQUIRE_OK(pci_below("rp_e1000e", 1, address));
	REQUIRE_OK(vfio_user_open(&other, nic.uuid));
	regs = vfio_user_map(&other, VFIO_PCI_BAR0_REGION_INDEX);
	REQUIRE(regs, "no mapping");
	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	regs[ICS / 4] = DECODING;
	ret = vfio_user_pwrite(&user, VFIO_CONFIG, (char *)regs + ICR, 2, PCI_COMMAND);
	before = pci_command(s.addr);
	REQUIRE(ret == 2, "the write gives %ld", ret);
	REQUIRE(before & 2, "the register does not do for a buffer: COMMAND is %#x", before);
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	after = pci_command(s.addr);
	CHECK(!((before ^ after) & DECODING), "COMMAND was %#x and is %#x", before, after);
}

/* One page of BAR 0, or two. */
static volatile uint32_t *map_pages(unsigned int pages)
{
	void *at = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, user.device,
			user.regions[BAR0].offset);

	return at == MAP_FAILED ? NULL : at;
}

SCENARIO(hostile_mappings,
	 "a user cannot have more mappings than a host callback can remove in a moment")
{
	volatile uint32_t *pair, *at, *last = NULL;
	unsigned int count = 1;
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	pair = map_pages(2);
	REQUIRE(pair, "mmap: %s", strerror(errno));
	while (count < 2 * MOST && (at = map_pages(1))) {
		(void)at[NIC_STATUS / 4];
		last = at;
		count++;
	}
	CHECK(errno == ENOMEM, "%s", strerror(errno));
	CHECK(count == MOST, "%u mappings", count);
	/* nor by making two of one */
	CHECK(mprotect((void *)pair, PAGE, PROT_NONE) && errno == ENOMEM, "it is split");
	CHECK(munmap((void *)pair, PAGE) && errno == ENOMEM, "it is split by munmap");

	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	MEASURE_RECOVERY("recovery_ms", &s);
	CHECK_NUMBER(s.group, "stats/drain_timeouts", 0);
	CHECK(pair[NIC_STATUS / 4] == last[NIC_STATUS / 4], "STATUS differs");

	CHECK(!munmap((void *)last, PAGE), "munmap: %s", strerror(errno));
	CHECK(!mprotect((void *)pair, PAGE, PROT_NONE), "mprotect: %s", strerror(errno));
	CHECK(!map_pages(1) && errno == ENOMEM, "the other half was not counted");
	vfio_user_close(&user);
}

static void *irqs_off(void *unused)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set), .index = VFIO_PCI_MSIX_IRQ_INDEX,
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
	};

	/* only of this thread: the others are to get on */
	setpriority(PRIO_PROCESS, gettid(), 19);
	for (;;)
		ioctl(user.device, VFIO_DEVICE_SET_IRQS, &set);
	return unused;
}

SCENARIO(hostile_irqs_off,
	 "a user that turns interrupts off without a pause keeps no administrator from recovering the group",
	 .limit_s = 60)
{
	pthread_t thread;
	struct shim s;

	open_failed(&s);
	REQUIRE_OK(shim_test_set("restore_error", "0"));
	for (int i = 0; i < THREADS; i++)
		REQUIRE(!pthread_create(&thread, NULL, irqs_off, NULL), "no thread");
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group));
	CHECK(shim_is(s.group, "open"), "not open");
}

/* How many mappings of devices a process has. */
static unsigned int mappings_of(pid_t pid)
{
	unsigned int count = 0;
	char line[256], path[32];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	REQUIRE(maps, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), maps))
		count += !!strstr(line, "vfio");
	fclose(maps);
	return count;
}

SCENARIO(hostile_forks,
	 "fork() does not multiply mappings beyond what a host callback can remove in a moment",
	 .limit_s = 60)
{
	unsigned int count = FORK_PAGES, first;
	struct shim s;
	pid_t pid;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	for (int i = 0; i < FORK_PAGES; i++)
		REQUIRE(map_pages(1), "mmap: %s", strerror(errno));
	for (int i = 0; i < FORKS; i++) {
		pid = fork();
		REQUIRE(pid >= 0, "fork: %s", strerror(errno));
		if (!pid)
			for (;;)
				pause();
		first = mappings_of(pid);
		count += first;
		/* a few more or less make no difference to a child */
		CHECK(i || first == FORK_PAGES, "the first child has %u", first);
	}
	MEASURE_BOUND("mappings", count, 2 * MOST);
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	MEASURE_RECOVERY("recovery_ms", &s);
}
