// SPDX-License-Identifier: GPL-2.0-only
/*
 * To remove mappings takes as long as the MMU notifiers of their process do: KVM's with
 * thousands of virtual machines, a GPU's driver that waits for the GPU. The host does not
 * wait for that, and a gate opens when no mapping shows a substitute page any more.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "aer_thread.h"
#include "background.h"
#include "clock.h"
#include "klog.h"
#include "moment.h"
#include "monitor.h"
#include "nic_user.h"
#include "notifier.h"
#include "scenario.h"
#include "shim.h"
#include "shm.h"
#include "slow.h"
#include "strike.h"
#include "sysfs.h"
#include "took.h"
#include "vfio_irq.h"
#include "vfio_status.h"
#include "waiter.h"

#define PORT SHM_PORT
#define NIC_PORT "rp_igb2"
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define VALUE 0x13579bdf
#define JUNK 0x2468ace0
#define DRAIN_MS 1000
/* with a drain that runs into its bound */
#define RECOVERY_MS (DRAIN_MS + TOOK_HOST_MS + TOOK_LATE_MS)
#define SETTLE_MS 5000
#define QUIET_MS 300
/* a bound for each end of a reset from outside */
#define RESET_MS (2 * DRAIN_MS + 1500)
#define MAX_RESETS 20
#define HOLD "1000"
#define HOLD_MS 1000
/* the shim's own attempt takes no longer than that after its reset */
#define WATCHDOG "1000"
/* slower than that */
#define LATE "2500"

static struct vfio_user user;
static struct shim shim;
static volatile uint32_t *watch, *map;

static void start_with(int (*bind)(struct shim *s, const char *port, unsigned int n),
		       const char *policy, const char *stall_timeout_ms)
{
	watch = shm_watch();
	REQUIRE(watch, "no second view of the memory");
	REQUIRE_OK(bind(&shim, PORT, 0));
	REQUIRE_OK(shim_create(&shim, policy));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", stall_timeout_ms));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	watch[0] = VALUE;
	map = vfio_user_map(&user, SHM_REGION);
	REQUIRE(map && map[0] == VALUE, "no mapping");
	REQUIRE_OK(notifier_watch(map, user.regions[SHM_REGION].size));
}

static void start(const char *policy, const char *stall_timeout_ms)
{
	start_with(shim_bind, policy, stall_timeout_ms);
}

/* The host goes on without the zap, and says so. */
static void check_recovery(unsigned int errors)
{
	MEASURE_BOUND("recovery_ms", shim_recovery_ms(shim.group), RECOVERY_MS);
	CHECK_NUMBER(shim.group, "stats/drain_timeouts", errors);
	CHECK(klog_count("removing the mappings did not end within") == errors,
	      "%u messages", klog_count("removing the mappings did not end within"));
}

static void check_device(void)
{
	CHECK(map[0] == VALUE, "the mapping gives %#x", map[0]);
	map[2] = JUNK;
	CHECK(watch[2] == JUNK, "a write does not reach the device any more");
	watch[2] = 0;
}

SCENARIO(slow_zap_error, "mappings that take long to remove hold up no recovery of the host")
{
	start("resume", "30000");
	REQUIRE_OK(notifier_hold(true));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	CHECK(notifier_calls() > 0, "nobody removed the mappings");
	check_recovery(1);
	/* and again, while the first goes on: it is not waited for as long again */
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	check_recovery(2);
	CHECK(klog_count("within 50 ms") == 1, "%u waits of 50 ms", klog_count("within 50 ms"));
	REQUIRE_OK(notifier_hold(false));
	check_device();
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	CHECK_NUMBER(shim.group, "stats/drain_timeouts", 2);
	check_device();
}

SCENARIO(slow_zap_touched, "a device whose mappings outlasted the drain is not as the host left it")
{
	struct mdr_status status;

	start("hold", "30000");
	REQUIRE_OK(notifier_hold(true));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	check_recovery(1);
	REQUIRE_OK(vfio_status(&user, &status));
	CHECK(!(status.flags & MDR_STATUS_PRISTINE), "it says that it is");
	CHECK_ERRNO(vfio_acknowledge(&user, status.event), EPERM);
	REQUIRE_OK(notifier_hold(false));
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(shim_is(shim.group, "open"), "not open after the reset");
	check_device();
}

static int acknowledge(const char *unused)
{
	struct mdr_status status;
	int ret = vfio_status(&user, &status);

	(void)unused;
	return ret < 0 ? ret : vfio_acknowledge(&user, status.event);
}

/* The gate begins to open, and the mappings show the substitute page until hold ends. */
static void begin_opening(struct background *ack)
{
	long calls;

	CHECK(map[0] == ~0u, "the mapping gives %#x", map[0]);
	REQUIRE_OK(notifier_hold(true));
	calls = notifier_calls();
	*ack = (struct background) { .call = acknowledge };
	background_start(ack);
	REQUIRE(WAIT_FOR(notifier_calls() > calls, SETTLE_MS), "nobody removes the mappings");
}

SCENARIO(slow_zap_opening,
	 "a gate opens when the substitute pages are gone; an error does not wait for that")
{
	struct waiter w = {
		.u = &user, .kind = WAITER_PREAD, .region = SHM_REGION,
	};
	struct background ack;

	start("hold", "0");
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	begin_opening(&ack);
	/* from now on an access waits for the device itself */
	REQUIRE_OK(waiter_prepare(&w));
	REQUIRE_OK(waiter_start(&w));
	CHECK(!waiter_ended(&w, QUIET_MS), "an access gave %#x, error %d", w.value, w.error);
	CHECK(!ack.done, "the acknowledgement has returned: %d", ack.ret);
	CHECK(shim_is(shim.group, "holding"), "it says that the gate is open");
	REQUIRE_OK(notifier_hold(false));
	background_ms(&ack, SETTLE_MS);
	CHECK_OK(ack.ret);
	CHECK(shim_is(shim.group, "open"), "not open after the acknowledgement");
	check_device();
	CHECK(waiter_ended(&w, SETTLE_MS) && !w.error && w.value == VALUE,
	      "the access gives %#x, error %d", w.value, w.error);

	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	begin_opening(&ack);
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	/* nothing of the device is mapped since the first: there is nothing to wait for */
	check_recovery(0);
	background_ms(&ack, SETTLE_MS);
	CHECK_OK(ack.ret);
	CHECK(map[0] == ~0u, "the mapping gives %#x", map[0]);
	REQUIRE_OK(notifier_hold(false));
	CHECK(shim_is(shim.group, "holding"), "the removal has opened it: for an older event");
	CHECK_OK(acknowledge(NULL));
	CHECK(shim_is(shim.group, "open"), "not open after the second acknowledgement");
	check_device();
}

SCENARIO(slow_zap_hold,
	 "a user that answers in time is not evicted, however long its mappings take")
{
	struct background ack;

	start("hold", "0");
	REQUIRE_OK(shim_set(&shim, "hold_timeout_ms", HOLD));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	begin_opening(&ack);
	sleep_ms(HOLD_MS + QUIET_MS);
	/* it ends when its time is up, and looks again when that changes */
	REQUIRE_OK(shim_set(&shim, "hold_timeout_ms", HOLD));
	CHECK(shim_is(shim.group, "holding"), "not holding any more");
	REQUIRE_OK(notifier_hold(false));
	background_ms(&ack, SETTLE_MS);
	CHECK_OK(ack.ret);
	CHECK(shim_is(shim.group, "open"), "not open after the acknowledgement");
	CHECK_NUMBER(shim.group, "stats/hold_timeouts", 0);
	check_device();
}

/* Show the substitute page, and let nobody remove it. Returns notifier_calls() before that. */
static long hold_ones(void)
{
	CHECK(map[0] == ~0u, "the mapping gives %#x", map[0]);
	REQUIRE_OK(notifier_hold(true));
	return notifier_calls();
}

SCENARIO(slow_zap_late,
	 "a recovery that ends late, and then waits for mappings, has not failed, and says so")
{
	long calls;

	start_with(shim_bind_test, "resume", "0");
	REQUIRE_OK(shim_set(&shim, "recovery_timeout_ms", WATCHDOG));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "recovering"));
	REQUIRE(klog_wait("not restored after the host's reset", SETTLE_MS, NULL, 0),
		"no second reset");
	/* its time is up, and the second reset has as much again */
	calls = hold_ones();
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	REQUIRE(WAIT_FOR(notifier_calls() > calls, SETTLE_MS), "nobody removes the mappings");
	sleep_ms(QUIET_MS);
	CHECK(shim_is(shim.group, "recovering"), "not recovering any more");
	CHECK_NUMBER(shim.group, "stats/failures", 0);
	REQUIRE_OK(notifier_hold(false));
	CHECK(shim_wait(shim.group, "open", SETTLE_MS), "not open");
	check_device();

	/* and one that ends in time */
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "recovering"));
	calls = hold_ones();
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	REQUIRE(WAIT_FOR(notifier_calls() > calls, SETTLE_MS), "nobody removes the mappings");
	CHECK(klog_wait("the mappings of its users are not removed yet", SETTLE_MS, NULL, 0),
	      "not a word");
	CHECK(shim_is(shim.group, "recovering"), "not recovering any more");
	REQUIRE_OK(notifier_hold(false));
	CHECK(shim_wait(shim.group, "open", SETTLE_MS), "not open");
	CHECK_NUMBER(shim.group, "stats/failures", 0);
	check_device();
}

SCENARIO(slow_zap_failed,
	 "an error of a failed group that is about to open: the gate waits for its end")
{
	unsigned int done;
	long calls;

	start_with(shim_bind_test, "resume", "0");
	REQUIRE_OK(shim_set(&shim, "recovery_timeout_ms", WATCHDOG));
	REQUIRE_OK(shim_test_set("slot_reset_ms", LATE));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "failed"));
	calls = hold_ones();
	REQUIRE(WAIT_FOR(notifier_calls() > calls, SETTLE_MS), "nobody removes the mappings");
	CHECK(shim_is(shim.group, "failed"), "not failed any more");
	CHECK_NUMBER(shim.group, "stats/recoveries", 1);
	done = klog_count("device recovery successful");
	REQUIRE_OK(shim_test_set("slot_reset_ms", "0"));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "failed"));
	REQUIRE(WAIT_FOR(klog_count("device recovery successful") > done, SETTLE_MS),
		"the host is not done");
	CHECK(WAIT_FOR(shim_number(shim.group, "stats/recoveries") == 2, SETTLE_MS),
	      "the second one does not count");
	CHECK(shim_is(shim.group, "failed"), "not failed any more");
	REQUIRE_OK(notifier_hold(false));
	CHECK(shim_wait(shim.group, "open", SETTLE_MS), "not open");
	check_device();
}

#define NIC(user) ((volatile uint32_t *)vfio_user_map(&(user), BAR0) + NIC_STATUS / 4)
#define RESET_METHOD "/sys/bus/pci/devices/%s/reset_method"

static void start_nic(int (*bind)(struct shim *s, const char *port, unsigned int n))
{
	REQUIRE_OK(bind(&shim, NIC_PORT, 0));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "0"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE(vfio_user_map(&user, BAR0), "no mapping");
	REQUIRE_OK(notifier_watch(vfio_user_map(&user, BAR0), user.regions[BAR0].size));
}

SCENARIO(slow_zap_lost,
	 "a failed group that was about to open, and that a reset from outside loses, comes back")
{
	uint32_t status;
	long calls;

	start_nic(shim_bind_test);
	status = nic_status(&user);
	/* loads its module: no process can be forked later, in the middle of a zap */
	REQUIRE_OK(slow_function(shim.addr, "late", 0));
	REQUIRE_OK(shim_set(&shim, "recovery_timeout_ms", WATCHDOG));
	REQUIRE_OK(shim_test_set("slot_reset_ms", LATE));
	REQUIRE_OK(strike(&shim, NIC_PORT, "DLP", "failed"));
	CHECK(*NIC(user) == ~0u, "the mapping gives %#x", *NIC(user));
	REQUIRE_OK(notifier_hold(true));
	calls = notifier_calls();
	REQUIRE(WAIT_FOR(notifier_calls() > calls, SETTLE_MS), "nobody removes the mappings");
	REQUIRE_OK(shim_test_set("slot_reset_ms", "0"));
	REQUIRE_OK(sysfs_write("flr", RESET_METHOD, shim.addr));
	REQUIRE_OK(slow_give_up(100));
	REQUIRE_OK(slow_function(shim.addr, "late", 1500));
	CHECK(pci_reset(shim.addr), "the PCI core waits for it: nothing is shown");
	REQUIRE_OK(notifier_hold(false));
	CHECK(shim_wait(shim.group, "open", 2 * SETTLE_MS), "not open");
	CHECK(*NIC(user) == status, "the mapping gives %#x, not %#x", *NIC(user), status);
	REQUIRE_OK(slow_end());
	REQUIRE_OK(sysfs_write("default", RESET_METHOD, shim.addr));
}

static atomic_bool seen_ones;

/* A reset from outside does not wait for its user either. */
static void *hold_at_ones(void *unused)
{
	(void)unused;
	while (*NIC(user) != ~0u)
		;
	notifier_hold(true);
	seen_ones = true;
	return NULL;
}

SCENARIO(slow_zap_reset,
	 "a reset from outside does not wait for a user's mappings, neither before nor after")
{
	uint64_t start_ns = 0;
	pthread_t thread;
	uint32_t status;

	start_nic(shim_bind);
	status = nic_status(&user);
	REQUIRE(!pthread_create(&thread, NULL, hold_at_ones, NULL), "pthread_create");
	for (unsigned int i = 0; i < MAX_RESETS && !seen_ones; i++) {
		start_ns = now_ns();
		REQUIRE_OK(pci_reset(shim.addr));
	}
	REQUIRE(seen_ones, "no access in %u resets", MAX_RESETS);
	MEASURE_BOUND("reset_ms", (now_ns() - start_ns) / NS_PER_MS, RESET_MS);
	CHECK(shim_is(shim.group, "resetting"), "it does not wait for the substitute page");
	/* one that comes meanwhile takes its place */
	start_ns = now_ns();
	REQUIRE_OK(pci_reset(shim.addr));
	MEASURE_BOUND("second_reset_ms", (now_ns() - start_ns) / NS_PER_MS, RESET_MS);
	CHECK(shim_is(shim.group, "resetting"), "it does not wait for the substitute page");
	REQUIRE_OK(notifier_hold(false));
	CHECK(shim_wait(shim.group, "open", SETTLE_MS), "not open");
	CHECK(*NIC(user) == status, "the mapping gives %#x, not %#x", *NIC(user), status);
	pthread_join(thread, NULL);
}

/* Turn memory decoding off: vfio-pci-core removes the mappings for that, inside the gate. */
static int memory_off(const char *unused)
{
	uint16_t command = 0;
	ssize_t ret;

	(void)unused;
	ret = vfio_user_pwrite(&user, VFIO_CONFIG, &command, sizeof(command), PCI_COMMAND);
	return ret == sizeof(command) ? 0 : -1;
}

static void memory_off_begins(struct background *off)
{
	long calls = notifier_calls();

	REQUIRE_OK(notifier_hold(true));
	*off = (struct background) { .call = memory_off };
	background_start(off);
	REQUIRE(WAIT_FOR(notifier_calls() > calls, SETTLE_MS), "nobody removes the mappings");
}

SCENARIO(slow_zap_command,
	 "a write to COMMAND that removes mappings costs an error the bound of a drain at most")
{
	struct background off;

	start("resume", "30000");
	memory_off_begins(&off);
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	CHECK(klog_count("an access did not end within 1000 ms") == 2, "%u drains took 1 s",
	      klog_count("an access did not end within 1000 ms"));
	MEASURE_BOUND("recovery_ms", shim_recovery_ms(shim.group), RECOVERY_MS);
	REQUIRE_OK(notifier_hold(false));
	background_ms(&off, SETTLE_MS);
	CHECK_OK(off.ret);
}

/* A function with INTx, whose mapping takes long to remove. */
static void start_intx(const char *recovery_timeout_ms)
{
	int fired;

	REQUIRE_OK(shim_make(&shim, NIC_PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&shim, "recovery_timeout_ms", recovery_timeout_ms));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_INTX_IRQ_INDEX, 1, &fired));
	map = vfio_user_map(&user, BAR0);
	REQUIRE(map && map[NIC_STATUS / 4] != ~0u, "no mapping");
	REQUIRE_OK(notifier_watch(map, user.regions[BAR0].size));
}

SCENARIO(slow_zap_intx,
	 "a task inside that has the locks of INTx delays its own recovery, and nothing else")
{
	struct background off;

	start_intx("30000");
	memory_off_begins(&off);
	REQUIRE_OK(strike(&shim, NIC_PORT, "DLP", "recovering"));
	REQUIRE(aer_wait_idle(SETTLE_MS), "the host waits for it");
	sleep_ms(QUIET_MS);
	CHECK(shim_is(shim.group, "recovering"), "it does not wait for the locks");
	/* nor does the host wait for the worker */
	REQUIRE_OK(strike(&shim, NIC_PORT, "DLP", "recovering"));
	REQUIRE(aer_wait_idle(SETTLE_MS), "the host waits for it");
	REQUIRE_OK(notifier_hold(false));
	background_ms(&off, SETTLE_MS);
	CHECK(shim_wait(shim.group, "open", SETTLE_MS), "not open in the end");
}

SCENARIO(slow_zap_intx_failed,
	 "a task that keeps the locks of INTx beyond recovery_timeout_ms fails its group")
{
	struct background off;

	start_intx("1500");
	memory_off_begins(&off);
	REQUIRE_OK(strike(&shim, NIC_PORT, "DLP", "failed"));
	CHECK(klog_count("recovery failed (-16)") == 1, "for another reason");
	REQUIRE_OK(notifier_hold(false));
	background_ms(&off, SETTLE_MS);
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", shim.group));
	CHECK(shim_is(shim.group, "open"), "not open after recover");
}

/* More than a callback removes by itself: each may have a page table for each 2 MiB. */
#define MANY_MAPS 500

SCENARIO(slow_zap_many,
	 "a host callback removes few mappings by itself, and has many removed beside it")
{
	volatile uint32_t *more[MANY_MAPS];
	uint64_t size;

	watch = shm_watch();
	REQUIRE(watch, "no second view of the memory");
	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	watch[0] = VALUE;
	map = vfio_user_map(&user, SHM_REGION);
	REQUIRE(map && map[0] == VALUE, "no mapping");
	REQUIRE_OK(moment_load());
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	CHECK(moment_count("zap_works") == 0, "one mapping was not removed by the callback");
	check_device();

	size = user.regions[SHM_REGION].size;
	for (int i = 0; i < MANY_MAPS; i++) {
		more[i] = mmap(NULL, size, PROT_READ, MAP_SHARED, user.device,
			       (off_t)user.regions[SHM_REGION].offset);
		REQUIRE(more[i] != MAP_FAILED && *more[i] == VALUE, "mapping %d: %m", i);
	}
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	CHECK(moment_count("zap_works") == 1, "%ld times, not once", moment_count("zap_works"));
	CHECK_NUMBER(shim.group, "stats/drain_timeouts", 0);
	check_device();
	for (int i = 0; i < MANY_MAPS; i++)
		CHECK(*more[i] == VALUE, "mapping %d gives %#x", i, *more[i]);
	MEASURE("mappings", "%d", MANY_MAPS);
}
