// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls whose memory is withheld, by userfaultfd: wherever they stop, they are outside
 * the gate. They hold up neither the host nor a neighbour, and touch no closed device.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "hot_reset.h"
#include "moment.h"
#include "monitor.h"
#include "nic_user.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "shm.h"
#include "slow.h"
#include "slow_page.h"
#include "strike.h"
#include "task.h"
#include "trace.h"
#include "vfio_cdev.h"
#include "vfio_irq.h"
#include "vfio_user.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define NIC_PORT "rp_igb2"
#define PAIR_PORT "rp_igb"
#define SETTLE_MS 3000
#define RECOVERY_MS 10000
#define STAY_MS 200
#define DRAIN_US 20000
/* until both threads, which never sleep, have had a processor */
#define BUSY_US 250000
#define PAGE SLOW_PAGE_SIZE
#define AT 0x100000
#define LONG (12l << 20)
#define LONG_MS 20000
/* the recovery takes at least so long */
#define SLOW_MS 1000
#define CONFIG_LINE 0x3c
#define OWN VFIO_PCI_NUM_REGIONS
#define OWN_IOCTL_CHANGE _IO(VFIO_TYPE, VFIO_BASE + 201)

static struct vfio_user user, other;
static struct shim shim;
static struct vfio_dma map_it = { .iova = AT, .size = PAGE };

enum kind { CALL_READ, CALL_WRITE, CALL_IOCTL, CALL_FEATURE };

/* One call with a page that is withheld. */
struct call {
	const char *name;
	enum kind kind;
	unsigned int region;
	uint64_t off;
	size_t len;
	size_t before;		/* so much of it lies in the page before */
	const void *head;	/* and this is there */
	unsigned long cmd;	/* an ioctl of this file, whose argument is the page */
	int fd;
	const void *data;	/* what comes into the page at last; NULL: zeroes */
	size_t size;
	long result;		/* of an ioctl, then */

	struct slow_page slow;
	pthread_t thread;
	atomic_int task;
	atomic_bool again;	/* while it is set, the call is made over and over */
	atomic_bool done;
	long ret;
};

static void call_once(struct call *c)
{
	char *buf = (char *)c->slow.page - c->before;

	switch (c->kind) {
	case CALL_READ:
		c->ret = vfio_user_pread(&user, c->region, buf, c->len, c->off);
		break;
	case CALL_WRITE:
		c->ret = vfio_user_pwrite(&user, c->region, buf, c->len, c->off);
		break;
	case CALL_IOCTL:
		c->ret = ioctl(c->fd, c->cmd, buf) ? -errno : 0;
		break;
	case CALL_FEATURE:	/* whose argument is the head, and contains the page */
		c->ret = ioctl(user.device, VFIO_DEVICE_FEATURE, c->head) ? -errno : 0;
		break;
	}
}

static void *call_run(void *arg)
{
	struct call *c = arg;

	atomic_store(&c->task, (int)syscall(SYS_gettid));
	do
		call_once(c);
	while (atomic_load(&c->again) && c->ret == (long)c->len);
	atomic_store(&c->done, true);
	return NULL;
}

static void call_start(struct call *c)
{
	REQUIRE_OK(slow_page_init(&c->slow));
	if (c->head)
		memcpy((char *)c->slow.page - c->before, c->head, c->before);
	REQUIRE(!pthread_create(&c->thread, NULL, call_run, c), "no thread");
	REQUIRE(slow_page_touched(&c->slow, SETTLE_MS), "%s does not stop", c->name);
}

static void call_ends(struct call *c, long ret)
{
	REQUIRE(WAIT_FOR(atomic_load(&c->done), SETTLE_MS), "%s does not end", c->name);
	CHECK(c->ret == ret, "%s: %ld", c->name, c->ret);
}

/* The page comes, and the call succeeds as it should. */
static void call_finish(struct call *c)
{
	if (c->data)
		REQUIRE_OK(slow_page_fill(&c->slow, c->data, c->size));
	else
		REQUIRE_OK(slow_page_release(&c->slow));
	call_ends(c, c->cmd ? c->result : (long)c->len);
}

static void strike_and_measure(const char *port, const char *state, uint64_t bound)
{
	int64_t longest;

	REQUIRE_OK(trace_start(NULL));
	REQUIRE_OK(strike(&shim, port, "DLP", state));
	trace_stop();
	longest = trace_longest_drain();
	trace_end();
	REQUIRE(longest > 0, "no drain is traced: %jd", (intmax_t)longest);
	CHECK(!shim_number(shim.group, "stats/drain_timeouts"), "a drain timed out");
	MEASURE_BOUND("drain_us", longest / 1000, bound);
}

SCENARIO(withheld_write,
	 "a write whose second page comes after the error does not reach the held device")
{
	struct call c = {
		.name = "pwrite", .kind = CALL_WRITE, .region = SHM_REGION, .off = AT,
		.len = 2 * PAGE, .before = PAGE,
	};
	static uint32_t content[PAGE / 4];
	volatile uint32_t *watch;
	unsigned int moved = 0;

	REQUIRE_OK(shim_make(&shim, SHM_PORT, 0, "hold"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(shim_set(&shim, "hold_timeout_ms", "60000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	watch = shm_watch();
	REQUIRE(watch, "no second view of the memory");
	for (unsigned int i = 0; i < 2 * PAGE / 4; i++)
		watch[AT / 4 + i] = 0;
	for (unsigned int i = 0; i < PAGE / 4; i++)
		content[i] = i + 1;

	call_start(&c);
	strike_and_measure(SHM_PORT, "holding", DRAIN_US);
	REQUIRE_OK(slow_page_fill(&c.slow, content, sizeof(content)));
	sleep_ms(STAY_MS);
	for (unsigned int i = 0; i < PAGE / 4; i++)
		moved += watch[(AT + PAGE) / 4 + i] != 0;
	CHECK(!moved, "%u words reached the closed device", moved);
	CHECK(!atomic_load(&c.done), "the write ended with the gate closed");
	CHECK(shim_is(shim.group, "holding"), "not held any more");

	REQUIRE_OK(vfio_user_reset(&user));
	call_ends(&c, 2 * PAGE);
	for (unsigned int i = 0; i < PAGE / 4; i++)
		moved += watch[(AT + PAGE) / 4 + i] == i + 1;
	CHECK(moved == PAGE / 4, "%u words are there afterwards", moved);
	MEASURE("words", "%u", moved);
}

SCENARIO(withheld_long,
	 "a gate that closes in the middle of a long read or write waits for none of it",
	 .limit_s = 60)
{
	struct call calls[] = {
		{ .name = "pread", .kind = CALL_READ, .len = LONG },
		{ .name = "pwrite", .kind = CALL_WRITE, .off = LONG, .len = LONG },
	};
	volatile uint32_t *watch;

	REQUIRE_OK(shim_make(&shim, SHM_PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	watch = shm_watch();
	REQUIRE(watch, "no second view of the memory");
	/* what is read first is 1, and so is what is written first */
	watch[0] = 1;
	watch[LONG / 4] = 0;
	for (int i = 0; i < 2; i++) {
		struct call *c = &calls[i];

		c->region = SHM_REGION;
		atomic_store(&c->again, true);
		c->slow.page = calloc(1, c->len);
		REQUIRE(c->slow.page, "no memory");
		*(uint32_t *)c->slow.page = c->kind == CALL_WRITE;
		REQUIRE(!pthread_create(&c->thread, NULL, call_run, c), "no thread");
	}
	REQUIRE(WAIT_FOR(*(volatile uint32_t *)calls[0].slow.page, LONG_MS), "nothing is read");
	REQUIRE(WAIT_FOR(watch[LONG / 4], LONG_MS), "nothing is written");
	strike_and_measure(SHM_PORT, "open", BUSY_US);
	for (int i = 0; i < 2; i++) {
		atomic_store(&calls[i].again, false);
		REQUIRE(WAIT_FOR(atomic_load(&calls[i].done), LONG_MS), "%s hangs",
			calls[i].name);
		CHECK(calls[i].ret == LONG, "%s: %ld", calls[i].name, calls[i].ret);
	}
}

SCENARIO(withheld_config_dead,
	 "the gate dies in the middle of a read of config space: the rest is ones, not the start")
{
	struct call c = {
		.name = "pread", .region = VFIO_CONFIG, .len = 256, .before = 128,
	};
	uint32_t id;

	REQUIRE_OK(shim_make(&shim, NIC_PORT, 0, "hold"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "100"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	id = vfio_user_read(&user, VFIO_CONFIG, 0, 4);
	call_start(&c);
	REQUIRE_OK(strike(&shim, NIC_PORT, "DLP", "holding"));
	sleep_ms(STAY_MS);
	call_finish(&c);
	CHECK(!memcmp((char *)c.slow.page - c.before, &id, sizeof(id)),
	      "it does not begin with %#x", id);
	for (unsigned int i = 0; i < c.len - c.before; i++)
		CHECK(((uint8_t *)c.slow.page)[i] == 0xff, "byte %zu is no ones", c.before + i);
	REQUIRE_OK(vfio_user_reset(&user));
}

SCENARIO(withheld_by_device,
	 "a gate that closes while a slow device is read waits for one access of it, not for more")
{
	/* less than what is read at a time */
	struct call c = { .name = "pread", .region = SHM_REGION, .len = 256 };

	REQUIRE_OK(moment_load());
	REQUIRE_OK(shim_make(&shim, SHM_PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(moment_set("access_ms", "10"));
	atomic_store(&c.again, true);
	c.slow.page = calloc(1, c.len);
	REQUIRE(c.slow.page, "no memory");
	REQUIRE(!pthread_create(&c.thread, NULL, call_run, &c), "no thread");
	REQUIRE(WAIT_FOR(moment_count("accesses") > 0, SETTLE_MS), "nothing is read");
	REQUIRE_OK(strike(&shim, SHM_PORT, "DLP", "open"));
	/* it may have been about to begin */
	CHECK(moment_count("late_accesses") <= 1, "%ld accesses at the closed gate",
	      moment_count("late_accesses"));
	CHECK_NUMBER(shim.group, "stats/drain_timeouts", 0);
	atomic_store(&c.again, false);
	call_ends(&c, c.len);
	REQUIRE_OK(moment_set("access_ms", "0"));
}

SCENARIO(withheld_calls,
	 "no call whose page is withheld is inside the gate: an error drains at once")
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set) + 4, .index = VFIO_PCI_MSIX_IRQ_INDEX, .count = 1,
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
	};
	/* with an eventfd that is none, so it fails in the end */
	struct vfio_device_feature feature = {
		.argsz = sizeof(feature) +
			 sizeof(struct vfio_device_low_power_entry_with_wakeup),
		.flags = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP |
			 VFIO_DEVICE_FEATURE_SET,
	};
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fired = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint16_t command;
	struct call calls[] = {
		{ .name = "pread", .region = BAR0, .off = NIC_STATUS, .len = 4 },
		{ .name = "pread 64", .region = BAR0, .len = 64 },
		{ .name = "pread across", .region = BAR0, .off = NIC_STATUS, .len = 4,
		  .before = 2 },
		{ .name = "pread config", .region = VFIO_CONFIG, .len = 4 },
		{ .name = "pread all config", .region = VFIO_CONFIG, .len = 256, .before = 128 },
		{ .name = "pread ROM", .region = VFIO_PCI_ROM_REGION_INDEX, .len = 64 },
		{ .name = "pwrite", .kind = CALL_WRITE, .region = BAR0, .off = NIC_SCRATCH,
		  .len = 4 },
		{ .name = "pwrite config", .kind = CALL_WRITE, .region = VFIO_CONFIG,
		  .off = CONFIG_LINE, .len = 1 },
		{ .name = "pwrite config across", .kind = CALL_WRITE, .region = VFIO_CONFIG,
		  .off = CONFIG_LINE, .len = 4, .before = 2 },
		{ .name = "pwrite command", .kind = CALL_WRITE, .region = VFIO_CONFIG,
		  .off = 4, .len = 2, .data = &command, .size = 2 },
		{ .name = "GET_INFO", .cmd = VFIO_DEVICE_GET_INFO, .data = &info,
		  .size = sizeof(info) },
		{ .name = "SET_IRQS", .cmd = VFIO_DEVICE_SET_IRQS, .head = &set,
		  .before = sizeof(set), .data = &fired, .size = sizeof(fired) },
		{ .name = "FEATURE", .cmd = VFIO_DEVICE_FEATURE, .head = &feature,
		  .before = sizeof(feature), .result = -EINVAL },
		/* these have a size of 0 in the end */
		{ .name = "GET_REGION_INFO", .cmd = VFIO_DEVICE_GET_REGION_INFO,
		  .result = -EINVAL },
		{ .name = "GET_IRQ_INFO", .cmd = VFIO_DEVICE_GET_IRQ_INFO, .result = -EINVAL },
		{ .name = "RESET", .cmd = VFIO_DEVICE_PCI_HOT_RESET, .result = -EINVAL },
		{ .name = "MAP_DMA", .cmd = VFIO_IOMMU_MAP_DMA, .result = -EINVAL },
	};
	unsigned int count = sizeof(calls) / sizeof(calls[0]);

	REQUIRE_OK(shim_make(&shim, NIC_PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	command = vfio_user_command(&user);
	for (unsigned int i = 0; i < count; i++) {
		struct call *c = &calls[i];

		if (c->region == VFIO_PCI_ROM_REGION_INDEX && !user.regions[c->region].size)
			c->region = BAR0;
		if (c->cmd) {
			c->kind = CALL_IOCTL;
			c->fd = c->cmd == VFIO_IOMMU_MAP_DMA ? user.own.container :
							       user.device;
		}
		call_start(c);
	}

	strike_and_measure(NIC_PORT, "open", DRAIN_US);
	for (unsigned int i = 0; i < count; i++)
		call_finish(&calls[i]);
	CHECK(vfio_user_command(&user) == command, "COMMAND is %#x, was %#x",
	      vfio_user_command(&user), command);
	REQUIRE_OK(vfio_irq_loopback(&user, VFIO_PCI_MSIX_IRQ_INDEX, 0));
	CHECK(vfio_irq_wait(fired, SETTLE_MS, NULL), "SET_IRQS has set nothing");
	MEASURE("calls", "%u", count);
}

/* A function whose parent driver has operations of its own. */
static void open_vendor(void)
{
	REQUIRE_OK(shim_bind_vendor(&shim, NIC_PORT, 0));
	REQUIRE_OK(shim_create(&shim, "hold"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(shim_set(&shim, "hold_timeout_ms", "60000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
}

/* Nothing has reached the driver while its device was dead. */
static void check_vendor(void)
{
	CHECK(shim_vendor_count("trespasses") == 0, "%ld operations at the closed gate",
	      shim_vendor_count("trespasses"));
}

SCENARIO(withheld_vendor,
	 "nor does a parent driver's operation whose page is withheld, and it is made again")
{
	uint32_t change[2] = { sizeof(change), 0x12345678 }, magic = 0;
	struct call calls[] = {
		{ .name = "pread", .region = OWN, .len = 8, .before = 4 },
		{ .name = "pwrite", .kind = CALL_WRITE, .region = OWN, .off = 64, .len = 8,
		  .before = 4 },
		{ .name = "pread BAR", .region = BAR0, .off = NIC_STATUS, .len = 4 },
		{ .name = "own ioctl", .kind = CALL_IOCTL, .cmd = OWN_IOCTL_CHANGE,
		  .head = change, .before = 4, .data = &change[1], .size = 4 },
	};
	unsigned int count = sizeof(calls) / sizeof(calls[0]);

	open_vendor();
	for (unsigned int i = 0; i < count; i++) {
		calls[i].fd = user.device;
		call_start(&calls[i]);
	}
	strike_and_measure(NIC_PORT, "holding", DRAIN_US);
	REQUIRE_OK(vfio_user_reset(&user));
	for (unsigned int i = 0; i < count; i++)
		call_finish(&calls[i]);
	memcpy(&magic, (char *)calls[0].slow.page - 4, 4);
	CHECK(magic == 0x600dcafe, "its region has %#x", magic);
	memcpy(&magic, calls[3].slow.page, 4);
	CHECK(magic == ~change[1], "the ioctl has made %#x", magic);
	check_vendor();
}

SCENARIO(withheld_log,
	 "nor does the reading of a parent driver's log into a bitmap that is withheld",
	 .debug = true)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_device_feature_dma_logging_report report;
	} arg = {
		.head = { .argsz = sizeof(arg),
			  .flags = VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT |
				   VFIO_DEVICE_FEATURE_GET },
		.report = { .iova = AT, .length = 64 * PAGE, .page_size = PAGE },
	};
	struct call c = { .name = "log", .kind = CALL_FEATURE, .head = &arg };

	open_vendor();
	REQUIRE_OK(slow_page_init(&c.slow));
	arg.report.bitmap = (uintptr_t)c.slow.page;
	REQUIRE(!pthread_create(&c.thread, NULL, call_run, &c), "no thread");
	REQUIRE(slow_page_touched(&c.slow, SETTLE_MS), "it does not stop");
	strike_and_measure(NIC_PORT, "holding", DRAIN_US);
	REQUIRE_OK(slow_page_release(&c.slow));
	call_ends(&c, 0);
	CHECK(*(uint64_t *)c.slow.page == UINT64_MAX, "the bitmap is %#jx",
	      (uintmax_t)*(uint64_t *)c.slow.page);
	check_vendor();
}

SCENARIO(withheld_hot_reset,
	 "a hot reset whose arguments are taken away does not keep a neighbour's gate closed")
{
	struct {
		struct vfio_pci_hot_reset head;
		int32_t groups[2];
	} arg = { .head = { .argsz = offsetof(typeof(arg), groups) + 8, .count = 2 } };
	struct call c = {
		.name = "hot reset", .kind = CALL_IOCTL, .cmd = VFIO_DEVICE_PCI_HOT_RESET,
	};
	struct shim neighbour;

	/* the kernel does not wait for the second function: the neighbour is open before */
	REQUIRE_OK(shim_make(&shim, PAIR_PORT, 1, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(shim_make(&neighbour, PAIR_PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_open_in(&other, neighbour.uuid, user.space));
	c.fd = user.device;
	for (int i = 0; i < 2; i++)
		arg.groups[i] = user.space->groups[i].fd;
	REQUIRE_OK(slow_page_init(&c.slow));
	REQUIRE_OK(slow_page_fill(&c.slow, &arg, sizeof(arg)));

	/* it has read its arguments, and waits for the recovery */
	REQUIRE_OK(slow_function(shim.addr, "ones", SLOW_MS));
	REQUIRE_OK(aer_inject(PAIR_PORT, "DLP"));
	REQUIRE(WAIT_FOR(!shim_is(shim.group, "open"), SETTLE_MS), "no error seen");
	pthread_create(&c.thread, NULL, call_run, &c);
	REQUIRE(WAIT_FOR(atomic_load(&c.task), SETTLE_MS), "no thread");
	REQUIRE(task_in(atomic_load(&c.task), "mdr_group_wait_settled", SETTLE_MS),
		"the hot reset does not wait");
	REQUIRE_OK(slow_page_take(&c.slow));

	REQUIRE(slow_page_touched(&c.slow, RECOVERY_MS), "the arguments are read only once");
	REQUIRE_OK(slow_end());
	CHECK(shim_wait(neighbour.group, "open", SETTLE_MS), "the neighbour is closed");
	CHECK(shim_wait(shim.group, "open", SETTLE_MS), "the group itself is closed");
	sleep_ms(STAY_MS);
	CHECK(shim_is(neighbour.group, "open"), "the neighbour is closed again");
	CHECK(shim_number(shim.group, "stats/user_resets") == 0, "a reset was run");
	REQUIRE_OK(slow_page_fill(&c.slow, &arg, sizeof(arg)));
	call_ends(&c, 0);
	CHECK(shim_number(shim.group, "stats/user_resets") == 1, "user_resets is %ju",
	      shim_number(shim.group, "stats/user_resets"));
}

static int attach(const char *name)
{
	(void)name;
	return vfio_cdev_attach(user.device, user.own.ioas);
}

SCENARIO(withheld_attach,
	 "attaching an address space, which pins a page that is withheld, holds up no drain",
	 .debug = true)
{
	struct vfio_dma dma = { .iova = AT, .size = PAGE };
	struct background call = { .call = attach };
	struct slow_page slow;

	REQUIRE_OK(shim_make(&shim, NIC_PORT, 0, "resume"));
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_cdev_detach(user.device));
	REQUIRE_OK(slow_page_init(&slow));
	dma.va = slow.page;
	REQUIRE_OK(vfio_cdev_dma_map(&user.own, &dma));
	background_start(&call);
	REQUIRE(slow_page_touched(&slow, SETTLE_MS), "it pins nothing");
	strike_and_measure(NIC_PORT, "open", DRAIN_US);
	CHECK(!atomic_load(&call.done), "it did not wait for the page");
	REQUIRE_OK(slow_page_release(&slow));
	background_ms(&call, SETTLE_MS);
	CHECK_OK(call.ret);
}

static int map(const char *name)
{
	(void)name;
	return vfio_cdev_dma_map(&user.own, &map_it);
}

static int detach(const char *name)
{
	(void)name;
	return vfio_cdev_detach(user.device);
}

SCENARIO(withheld_detach,
	 "detaching an address space that waits for a page of another call holds up no drain",
	 .debug = true)
{
	struct background mapping = { .call = map }, detaching = { .call = detach };
	struct slow_page slow;

	REQUIRE_OK(shim_make(&shim, NIC_PORT, 0, "resume"));
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
	REQUIRE_OK(slow_page_init(&slow));
	map_it.va = slow.page;
	background_start(&mapping);
	REQUIRE(slow_page_touched(&slow, SETTLE_MS), "it pins nothing");
	background_start(&detaching);
	/* it waits for the lock of iommufd that the other one holds */
	REQUIRE(background_in(&detaching, "iopt_table_remove_domain", SETTLE_MS),
		"it does not wait for iommufd");
	strike_and_measure(NIC_PORT, "open", DRAIN_US);
	CHECK(!atomic_load(&detaching.done), "it did not wait for the page");
	REQUIRE_OK(slow_page_release(&slow));
	background_ms(&mapping, SETTLE_MS);
	CHECK_OK(mapping.ret);
	background_ms(&detaching, SETTLE_MS);
	CHECK_OK(detaching.ret);
}

static int hot_reset_it(const char *name)
{
	(void)name;
	return hot_reset(&user);
}

SCENARIO(withheld_hot_reset_late,
	 "a hot reset that vfio holds back until after a recovery closes the gate once more",
	 .debug = true)
{
	struct background attaching = { .call = attach }, resetting = { .call = hot_reset_it };
	struct vfio_dma dma = { .iova = AT, .size = PAGE };
	struct slow_page slow;

	REQUIRE_OK(shim_bind_test(&shim, NIC_PORT, 0));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_cdev_detach(user.device));
	REQUIRE_OK(slow_page_init(&slow));
	dma.va = slow.page;
	REQUIRE_OK(vfio_cdev_dma_map(&user.own, &dma));
	/* it has the lock of the device set, and waits for the page */
	background_start(&attaching);
	REQUIRE(slow_page_touched(&slow, SETTLE_MS), "it pins nothing");
	background_start(&resetting);
	REQUIRE(shim_wait(shim.group, "resetting", SETTLE_MS), "no hot reset");
	sleep_ms(STAY_MS);
	/* the drain gives up on the hot reset */
	REQUIRE_OK(strike(&shim, NIC_PORT, "DLP", "open"));
	CHECK(shim_number(shim.group, "stats/drain_timeouts"), "it has left the gate");
	CHECK(!atomic_load(&resetting.done), "it has ended");

	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(slow_page_release(&slow));
	background_ms(&attaching, SETTLE_MS);
	CHECK_OK(attaching.ret);
	background_ms(&resetting, SETTLE_MS);
	CHECK(!shim_is(shim.group, "open"), "open, and not well");
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	CHECK(shim_wait(shim.group, "open", RECOVERY_MS), "not open in the end");
}
