// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine sleeps with a device in use. In S3 QEMU resets all devices, as a loss of
 * power does, and the kernel's PCI core restores their config space. What only the parent
 * driver and the user know is for the shim. After S3 no error of QEMU's ports reaches the
 * kernel any more, so those scenarios come last.
 */
#include <errno.h>

#include "access_log.h"
#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "nic_user.h"
#include "resets.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "system_sleep.h"
#include "vfio_irq.h"

#define PORT "rp_igb2"
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define MASTER 0x4
#define MAGIC 0x600dcafe
#define SETTLE_MS 5000
/* of a call that waits for nothing, on a busy machine */
#define SOON_MS 1500
#define TRIES 3

static struct vfio_user user;
static struct shim shim;
static struct access_log seen, mapped;
static long restores;
static uint64_t event;

static void start(const char *policy)
{
	REQUIRE_OK(shim_bind_vendor(&shim, PORT, 0));
	REQUIRE_OK(shim_create(&shim, policy));
	/* less than a sleep takes */
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "1500"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	restores = shim_vendor_count("restores");
	event = shim_number(shim.group, "event");
}

/* A register that each reset clears, and that only the parent driver's hook writes. */
static void start_reading(void)
{
	seen = (struct access_log) {
		.u = &user, .kind = ACCESS_PREAD, .region = BAR0, .off = NIC_SCRATCH,
		.value = MAGIC, .pause_us = 500,
	};
	mapped = seen;
	mapped.kind = ACCESS_MAP_READ;
	REQUIRE_OK(access_start(&seen));
	REQUIRE_OK(access_start(&mapped));
}

static void check_reads(struct access_log *log)
{
	access_stop(log);
	CHECK(!log->wrong && !log->ones && !log->errors && !log->faults,
	      "of %ju reads %ju wrong (last %#x), %ju all-ones, %ju errors, %ju faults",
	      log->count, log->wrong, log->last_wrong, log->ones, log->errors, log->faults);
}

static int sleep_once(const char *state, const char *depth)
{
	REQUIRE_OK(resets_watch(shim.addr));
	return system_sleep(state, depth);
}

/* The clock may ring too early on a busy host. */
static void fall_asleep(const char *state, const char *depth)
{
	int ret = -EBUSY;

	for (int i = 0; i < TRIES && ret == -EBUSY; i++)
		ret = sleep_once(state, depth);
	REQUIRE(ret >= 0, "the machine does not sleep: %s", strerror(-ret));
}

/* The parent driver has seen the function, in an event of its own. */
static void check_told(void)
{
	char cause[32];

	CHECK(shim_vendor_count("restores") == restores + 1, "%ld hooks",
	      shim_vendor_count("restores") - restores);
	CHECK(shim_number(shim.group, "event") > event, "no event");
	shim_status(shim.group, "cause", cause, sizeof(cause));
	CHECK(!strcmp(cause, "host_reset"), "cause is %s", cause);
	CHECK(klog_count("the system has slept") == 1, "nobody said so");
	CHECK(resets_seen("wakes") >= 1, "no sleep was seen");
	CHECK(resets_seen("wakes_master") == 0, "it might do DMA before the hook");
	REQUIRE_OK(resets_watch("none"));
	CHECK_NUMBER(shim.group, "stats/failures", 0);
	CHECK_NUMBER(shim.group, "stats/drain_timeouts", 0);
}

static void check_whole(void)
{
	uint32_t value = vfio_user_read(&user, BAR0, NIC_SCRATCH, 4);

	CHECK(value == MAGIC, "the register is %#x", value);
	CHECK(pci_command(shim.addr) & MASTER, "COMMAND is %#x", pci_command(shim.addr));
}

static void sleep_under_reader(const char *state, const char *test)
{
	start("resume");
	/* in that time the user runs again */
	REQUIRE_OK(shim_vendor_set("restore_ms", "300"));
	start_reading();
	fall_asleep(state, test);
	REQUIRE(shim_wait(shim.group, "open", SETTLE_MS), "not open");
	check_reads(&seen);
	check_reads(&mapped);
	check_told();
	check_whole();
}

SCENARIO(sleep_resume,
	 "S3: the user never sees its device without what the parent driver restores",
	 .limit_s = 90, .last = true)
{
	sleep_under_reader("mem", "none");
}

SCENARIO(sleep_hold,
	 "S3: a device of type hold does no DMA and waits until its user has reset it",
	 .limit_s = 90, .last = true)
{
	start("hold");
	fall_asleep("mem", "none");
	REQUIRE(shim_wait(shim.group, "holding", SETTLE_MS), "not holding");
	check_told();
	CHECK(!(pci_command(shim.addr) & MASTER), "COMMAND is %#x", pci_command(shim.addr));
	CHECK_OK(vfio_user_reset(&user));
	REQUIRE(shim_wait(shim.group, "open", SETTLE_MS), "not open");
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	check_whole();
}

SCENARIO(sleep_interrupts,
	 "S3: mapped BARs and MSI-X work afterwards, on an ordinary function",
	 .limit_s = 90, .last = true)
{
	struct nic_user nic;

	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX));
	REQUIRE_OK(nic_user_interrupt(&nic, SETTLE_MS));
	fall_asleep("mem", "none");
	REQUIRE(shim_wait(shim.group, "open", SETTLE_MS), "not open");
	CHECK(shim_number(shim.group, "event") > event, "no event");
	CHECK(pci_command(shim.addr) & MASTER, "COMMAND is %#x", pci_command(shim.addr));
	nic_user_stop(&nic);
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX));
	CHECK_OK(nic_user_interrupt(&nic, SETTLE_MS));
	nic_user_stop(&nic);
}

SCENARIO(sleep_idle,
	 "s2idle may take the power of a function, too: the parent driver restores it",
	 .limit_s = 90)
{
	sleep_under_reader("freeze", "platform");
}

SCENARIO(sleep_hibernation,
	 "hibernation: the same when the image of the memory has been made",
	 .limit_s = 90)
{
	char states[64];

	REQUIRE(sysfs_read(states, sizeof(states), "/sys/power/state") > 0, "no states");
	if (!strstr(states, "disk"))
		SKIP("this kernel does not hibernate");
	sleep_under_reader("disk", "core");
}

SCENARIO(sleep_given_up,
	 "a sleep that ends before the PCI core has saved anything leaves devices as they are",
	 .limit_s = 90)
{
	start("hold");
	start_reading();
	fall_asleep("mem", "devices");
	CHECK(shim_is(shim.group, "open"), "not open");
	check_reads(&seen);
	check_reads(&mapped);
	CHECK(shim_vendor_count("restores") == restores, "%ld hooks",
	      shim_vendor_count("restores") - restores);
	CHECK_NUMBER(shim.group, "event", event);
	CHECK(resets_seen("wakes_master") == 1, "its DMA has ended");
	REQUIRE_OK(resets_watch("none"));
	check_whole();
}

SCENARIO(sleep_in_recovery,
	 "no sleep while the host recovers: EBUSY, soon and said; afterwards it sleeps",
	 .limit_s = 90)
{
	uint64_t begin;
	int ret;

	REQUIRE_OK(shim_bind_test(&shim, PORT, 0));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	ret = shim_test_recover(PORT, "frozen", "ok", 8000);
	if (ret == -EOPNOTSUPP)
		SKIP("this kernel's recovery cannot be called");
	REQUIRE_OK(ret);
	REQUIRE(shim_wait(shim.group, "recovering", SETTLE_MS), "not recovering");
	begin = now_ms();
	CHECK_ERRNO(sleep_once("mem", "platform"), EBUSY);
	MEASURE_BOUND("refused_ms", now_ms() - begin, SOON_MS);
	CHECK(klog_count("the host is recovering it: the system cannot sleep now") == 1,
	      "nobody said so");
	REQUIRE(shim_wait(shim.group, "open", 3 * SETTLE_MS), "not open");
	event = shim_number(shim.group, "event");
	REQUIRE_OK(sleep_once("mem", "platform"));
	REQUIRE(shim_wait(shim.group, "open", SETTLE_MS), "not open");
	CHECK(shim_number(shim.group, "event") > event, "no event");
	CHECK_NUMBER(shim.group, "stats/failures", 0);
	REQUIRE_OK(resets_watch("none"));
}

SCENARIO(sleep_behind_worker,
	 "a sleep waits for the worker, and begins when a slow device is well",
	 .limit_s = 90)
{
	start("resume");
	/* the worker asks every 200 ms */
	REQUIRE_OK(shim_vendor_set("unhealthy", "20"));
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	REQUIRE(klog_wait("not ready after reset", SETTLE_MS, NULL, 0), "the device is not slow");
	REQUIRE(klog_wait("device recovery successful", SETTLE_MS, NULL, 0), "host not done");
	restores = shim_vendor_count("restores");
	event = shim_number(shim.group, "event");
	REQUIRE(shim_is(shim.group, "recovering"), "not recovering");
	REQUIRE_OK(sleep_once("mem", "platform"));
	REQUIRE(shim_wait(shim.group, "open", SETTLE_MS), "not open");
	check_told();
	check_whole();
}
