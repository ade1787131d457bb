// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that its user has put into low power when the error comes. A reset ends
 * that (PCI Power Management 1.2, 5.4), so afterwards the user, the kernel and the
 * hardware have to agree: the function is in D0, or it is asleep and wakes up whole.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "clock.h"
#include "klog.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_irq.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define PAIR_PORT "rp_e1000e"
#define CAP_LIST 0x34
#define CAP_PM 0x01
#define PM_CTRL 0x04
#define PM_STATE 0x3
#define D3HOT 0x3
#define SETTLE_MS 5000
#define MASTER 0x4

static struct vfio_user user;
static struct shim shim;
static unsigned int control;
static uint32_t status;
static uint16_t command;

static void start_at(const char *port, const char *policy)
{
	REQUIRE_OK(shim_make(&shim, port, 0, policy));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	status = nic_status(&user);
	command = pci_command(shim.addr);
	control = vfio_user_read(&user, VFIO_CONFIG, CAP_LIST, 1);
	while (control && vfio_user_read(&user, VFIO_CONFIG, control, 1) != CAP_PM)
		control = vfio_user_read(&user, VFIO_CONFIG, control + 1, 1);
	REQUIRE(control, "no power management");
	control += PM_CTRL;
}

static void start(const char *policy)
{
	start_at(PORT, policy);
}

static void set_state(unsigned int state)
{
	uint16_t value = vfio_user_read(&user, VFIO_CONFIG, control, 2);

	REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, control, 2,
				   (value & ~PM_STATE) | state));
}

/* What the user reads, what is there, and what the kernel takes it for. */
static void check_state(unsigned int state, const char *name)
{
	uint32_t seen = vfio_user_read(&user, VFIO_CONFIG, control, 2) & PM_STATE;
	uint32_t real = pci_config_read(shim.addr, control, 2) & PM_STATE;
	char known[16] = "";

	sysfs_read(known, sizeof(known), "/sys/bus/pci/devices/%s/power_state", shim.addr);
	CHECK(seen == state && real == state && !strcmp(known, name),
	      "the user reads D%u, the function is in D%u, the kernel says %s", seen, real,
	      known);
}

static void check_awake(void)
{
	check_state(0, "D0");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS is %#x, was %#x",
	      vfio_user_read(&user, BAR0, NIC_STATUS, 4), status);
	CHECK(pci_command(shim.addr) == command, "COMMAND is %#x, was %#x",
	      pci_command(shim.addr), command);
}

SCENARIO(low_power_d3hot,
	 "a function in D3hot when a fatal error comes is in D0 afterwards, for its user as well")
{
	start("resume");
	for (int i = 0; i < 2; i++) {
		set_state(D3HOT);
		check_state(D3HOT, "D3hot");
		REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
		check_awake();
		/* a driver that knows nothing of the reset wakes it */
		set_state(0);
		check_awake();
	}
}

SCENARIO(low_power_d3hot_nonfatal,
	 "an error that leaves the device alone leaves it in D3hot, and it can be woken")
{
	start("resume");
	set_state(D3HOT);
	REQUIRE_OK(strike(&shim, PORT, "POISON_TLP", "open"));
	check_state(D3HOT, "D3hot");
	set_state(0);
	check_awake();
}

SCENARIO(low_power_d3hot_intx,
	 "the same for a function with INTx, which has to be in line after each error")
{
	struct nic_user nic;
	struct shim parked;

	REQUIRE_OK(shim_bind(&parked, PAIR_PORT, 1));
	start_at(PAIR_PORT, "resume");
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX));
	set_state(D3HOT);
	REQUIRE_OK(strike(&shim, PAIR_PORT, "POISON_TLP", "open"));
	check_state(D3HOT, "D3hot");
	set_state(0);
	check_state(0, "D0");
}

SCENARIO(low_power_d3hot_recover,
	 "recover brings a function back to D0 that its user had put into D3hot")
{
	start("resume");
	REQUIRE_OK(shim_set(&shim, "nonfatal_action", "reset"));
	REQUIRE_OK(shim_set(&shim, "breaker_max", "1"));
	REQUIRE_OK(strike(&shim, PORT, "POISON_TLP", "open"));
	set_state(D3HOT);
	REQUIRE_OK(strike(&shim, PORT, "POISON_TLP", "failed"));
	REQUIRE(WAIT_FOR(klog_count("device recovery successful") == 2, SETTLE_MS),
		"the host is not done");
	REQUIRE_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", shim.group));
	CHECK(shim_wait(shim.group, "open", SETTLE_MS), "not open after recover");
	check_awake();
}

static int low_power(uint32_t feature)
{
	struct vfio_device_feature call = {
		.argsz = sizeof(call),
		.flags = VFIO_DEVICE_FEATURE_SET | feature,
	};

	return ioctl(user.device, VFIO_DEVICE_FEATURE, &call) ? -errno : 0;
}

static bool is_suspended(void)
{
	char now[16] = "";

	sysfs_read(now, sizeof(now), "/sys/bus/pci/devices/%s/power/runtime_status",
		   shim.addr);
	return !strcmp(now, "suspended");
}

/*
 * The walk wakes functions with pci_bus_sem held, and vfio-pci-core takes memory_lock
 * for that; a write of PMCSR takes them the other way round
 * (Documentation/upstream/pci-bus-sem.md). Lockdep would say so and be silent from then
 * on. Does nothing on a kernel without lockdep.
 */
static void check_lock_order(bool on)
{
	sysfs_write(on ? "1" : "0", "/proc/sys/kernel/prove_locking");
}

SCENARIO(low_power_feature,
	 "a function in the low power that its user wants: calls reach it, errors leave it whole")
{
	static const char * const errors[] = { "DLP", "POISON_TLP" };
	struct waiter w = {
		.u = &user, .kind = WAITER_LOAD, .region = BAR0, .off = NIC_STATUS,
	};
	bool slept = false;
	uint32_t seen;

	start("resume");
	REQUIRE_OK(waiter_prepare(&w));
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(low_power(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
		slept |= WAIT_FOR(is_suspended(), 1000);
		/* a call wakes it for as long as it takes */
		seen = vfio_user_read(&user, BAR0, NIC_STATUS, 4);
		CHECK(seen == status, "STATUS is %#x, was %#x", seen, status);
		if (slept)
			REQUIRE(WAIT_FOR(is_suspended(), SETTLE_MS), "it does not sleep again");
		check_lock_order(false);
		REQUIRE_OK(strike(&shim, PORT, errors[i], "open"));
		REQUIRE(WAIT_FOR(klog_count("device recovery successful") == 1u + i, SETTLE_MS),
			"the host is not done");
		check_lock_order(true);
		/* its own call ends it, and nothing else */
		w.error = 0;
		waiter_run(&w);
		CHECK(w.error == EFAULT, "%s: a load gives error %d", errors[i], w.error);
		REQUIRE_OK(low_power(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
		check_awake();
	}
	MEASURE("slept", "%d", slept);
}

SCENARIO(low_power_wakeup,
	 "low power until something wakes the function: its user is told, and an error is no harm")
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_low_power_entry_with_wakeup wakeup;
	} call = {
		.feature = {
			.argsz = sizeof(call),
			.flags = VFIO_DEVICE_FEATURE_SET |
				 VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
		},
		.wakeup.wakeup_eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	bool slept;

	start("resume");
	CHECK_OK(ioctl(user.device, VFIO_DEVICE_FEATURE, &call) ? -errno : 0);
	slept = WAIT_FOR(is_suspended(), 1000);
	check_lock_order(false);
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	check_lock_order(true);
	CHECK(!slept || vfio_irq_wait(call.wakeup.wakeup_eventfd, SETTLE_MS, NULL),
	      "it woke up, and its user was not told");
	low_power(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
	check_awake();
	MEASURE("slept", "%d", slept);
}

/*
 * While recover brings back the second function, the first one goes back to sleep, as
 * its user wants. That masks INTx. Then comes the time to bring INTx in line.
 */
SCENARIO(low_power_intx,
	 "INTx of a function that is asleep at the end of recover fires once it is awake")
{
	static struct vfio_user other;
	struct nic_user nic;
	struct shim slow;

	REQUIRE_OK(shim_make(&shim, PAIR_PORT, 0, "resume"));
	REQUIRE_OK(shim_bind_test(&slow, PAIR_PORT, 1));
	REQUIRE_OK(shim_create(&slow, "resume"));
	REQUIRE_OK(shim_set(&slow, "recovery_timeout_ms", "1000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_open_in(&other, slow.uuid, user.space));
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX));
	REQUIRE_OK(nic_user_interrupt(&nic, SETTLE_MS));
	REQUIRE_OK(vfio_irq_unmask_intx(&user));
	REQUIRE_OK(low_power(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
	if (!WAIT_FOR(is_suspended(), 1000))
		SKIP("this kernel keeps it awake");

	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	check_lock_order(false);
	REQUIRE_OK(strike(&slow, PAIR_PORT, "DLP", "failed"));
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	REQUIRE_OK(shim_test_set("restore_ms", "500"));
	REQUIRE(WAIT_FOR(klog_count("device recovery "), SETTLE_MS), "the host is not done");
	REQUIRE_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", shim.group));
	check_lock_order(true);
	CHECK(shim_is(shim.group, "open"), "not open after recover");
	REQUIRE_OK(low_power(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
	CHECK_OK(nic_user_raise(&nic, SETTLE_MS));
}
