// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets of our own are made with the care of the PCI core's: no DMA in the middle of
 * them, nobody in config space, and the function awake.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "background.h"
#include "clock.h"
#include "klog.h"
#include "nic_user.h"
#include "resets.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_user.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
/* two functions, a group each */
#define PAIR_PORT "rp_igb"
#define SETTLE_MS 5000
#define MEMORY 0x2
#define MASTER 0x4
#define INTX_OFF 0x400
#define IRQ_MS 2000
/* a function has this long for its reset (PCI Express 6.0, 6.6.2); the kernel waits */
#define FLR_MS 90
#define RESET_METHOD "/sys/bus/pci/devices/%s/reset_method"

static struct vfio_user user;
static struct shim shim;
static uint32_t status;

static void start(void)
{
	REQUIRE_OK(resets_load());
	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(sysfs_write("flr", RESET_METHOD, shim.addr));
	REQUIRE_OK(shim_set(&shim, "breaker_max", "1"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	status = nic_status(&user);
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
}

/* One error too many: failed, with the function as the host has left it. */
static void trip(void)
{
	REQUIRE_OK(strike(&shim, PORT, "DLP", "failed"));
	REQUIRE(WAIT_FOR(klog_count("device recovery successful") == 2, SETTLE_MS),
		"the host is not done");
}

static int recover(const char *group)
{
	return sysfs_write("1", SHIM_CLASS "/%s/recover", group);
}

static const char *group_name(void)
{
	static char name[16];

	snprintf(name, sizeof(name), "group%d", shim.group);
	return name;
}

static void check_back(void)
{
	CHECK(shim_is(shim.group, "open"), "not open after recover");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	CHECK(pci_command(shim.addr) & MASTER, "COMMAND is %#x", pci_command(shim.addr));
	REQUIRE_OK(sysfs_write("default", RESET_METHOD, shim.addr));
}

SCENARIO(own_reset_no_dma,
	 "recover resets a function only after it can do no more DMA")
{
	long flrs, master;

	start();
	trip();
	CHECK(pci_command(shim.addr) & MASTER, "it did no DMA before: nothing is shown");
	flrs = resets_seen("flrs");
	master = resets_seen("flrs_master");
	CHECK_OK(recover(group_name()));
	CHECK(resets_seen("flrs") > flrs, "no reset was made");
	CHECK(resets_seen("flrs_master") == master, "%ld resets in the middle of DMA",
	      resets_seen("flrs_master") - master);
	check_back();
}

SCENARIO(own_reset_config,
	 "reads of config space wait while recover resets, and never see it half done")
{
	struct background r = { .call = recover };
	uint64_t begin, longest = 0;
	unsigned int half = 0;
	long flrs, unlocked;
	uint16_t command;

	start();
	trip();
	r.name = group_name();
	flrs = resets_seen("flrs");
	unlocked = resets_seen("flrs_unlocked");
	background_start(&r);
	while (!atomic_load(&r.done)) {
		begin = now_ns();
		command = pci_command(shim.addr);
		if (now_ns() - begin > longest)
			longest = now_ns() - begin;
		half += command == 0xffff || !(command & MEMORY);
	}
	background_ms(&r, SETTLE_MS);
	CHECK_OK(r.ret);
	CHECK(resets_seen("flrs") > flrs, "no reset was made");
	CHECK(resets_seen("flrs_unlocked") == unlocked, "%ld resets in reach of others",
	      resets_seen("flrs_unlocked") - unlocked);
	CHECK(longest / NS_PER_MS >= FLR_MS, "nobody waited for more than %ju ms",
	      (uintmax_t)(longest / NS_PER_MS));
	CHECK(!half, "%u reads saw the middle of the reset", half);
	check_back();
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

/* Failed, and its user lets it sleep; returns how many users of the kernel's keep it awake. */
static long trip_asleep(void)
{
	long awake;

	start();
	REQUIRE_OK(resets_watch(shim.addr));
	REQUIRE_OK(low_power(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
	awake = resets_seen("awake");
	/* see low_power.c */
	sysfs_write("0", "/proc/sys/kernel/prove_locking");
	trip();
	REQUIRE(WAIT_FOR(resets_seen("awake") == awake, SETTLE_MS), "the host keeps it awake");
	REQUIRE(WAIT_FOR(is_suspended(), SETTLE_MS), "it does not sleep");
	return awake;
}

static void check_awake_again(long awake)
{
	CHECK(WAIT_FOR(resets_seen("awake") == awake, SETTLE_MS), "%ld users are left, %ld before",
	      resets_seen("awake"), awake);
	REQUIRE_OK(low_power(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
	check_back();
	REQUIRE_OK(resets_watch("none"));
}

SCENARIO(own_reset_low_power,
	 "recover wakes a function that its user lets sleep, and keeps it awake while it resets it")
{
	long flrs, awake, asleep;

	awake = trip_asleep();
	flrs = resets_seen("flrs");
	asleep = resets_seen("flrs_asleep");
	CHECK_OK(recover(group_name()));
	sysfs_write("1", "/proc/sys/kernel/prove_locking");
	CHECK(resets_seen("flrs_asleep") == asleep, "it was reset asleep");
	CHECK(resets_seen("flrs") > flrs, "no reset was made");
	CHECK(resets_seen("flr_awake") > awake, "nothing kept it awake: %ld users, %ld before",
	      resets_seen("flr_awake"), awake);
	check_awake_again(awake);
}

SCENARIO(own_reset_low_power_bus,
	 "the same with a reset of its bus, because it has no reset of its own")
{
	long buses, awake;

	awake = trip_asleep();
	REQUIRE_OK(sysfs_write("\n", RESET_METHOD, shim.addr));
	buses = resets_seen("resets");
	CHECK_OK(recover(group_name()));
	sysfs_write("1", "/proc/sys/kernel/prove_locking");
	CHECK(resets_seen("bus_awake") > awake, "nothing kept it awake: %ld users, %ld before",
	      resets_seen("bus_awake"), awake);
	CHECK(resets_seen("resets") > buses, "no bus was reset");
	check_awake_again(awake);
}

/* The tests' own parent driver, with all hooks. */
static void start_hooks(void)
{
	REQUIRE_OK(resets_load());
	REQUIRE_OK(shim_bind_test(&shim, PORT, 0));
	REQUIRE_OK(shim_test_set("hooks", "1"));
	REQUIRE_OK(pci_bind(shim.addr, "mdr-test"));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(shim_set(&shim, "recovery_timeout_ms", "1500"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	status = nic_status(&user);
}

SCENARIO(own_reset_hooks,
	 "a parent driver's hooks: prepare at each error, reset in place of the PCI core's")
{
	long prepares, resets, flrs;

	start_hooks();
	prepares = shim_test_count("prepares");
	resets = shim_test_count("own_resets");
	flrs = resets_seen("flrs");
	/* not well until the shim resets it */
	REQUIRE_OK(shim_test_set("ill", shim.addr));
	REQUIRE_OK(shim_test_set("ill_resets", "1"));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	CHECK(shim_test_count("prepares") == prepares + 1, "prepare was called %ld times",
	      shim_test_count("prepares") - prepares);
	CHECK(shim_test_count("own_resets") == resets + 1, "reset was called %ld times",
	      shim_test_count("own_resets") - resets);
	CHECK(resets_seen("flrs") == flrs + 1, "%ld resets were made",
	      resets_seen("flrs") - flrs);
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

/* -ENODEV, -ECANCELED, which mean something else within the shim, and no error at all */
static const char * const refusals[] = { "-19", "-125", "1" };
#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

SCENARIO(own_reset_hook_due,
	 "the hook fails to make a reset that was voted for, with any error: the bus is reset")
{
	start_hooks();
	REQUIRE_OK(shim_set(&shim, "nonfatal_action", "reset"));
	for (size_t i = 0; i < REFUSALS; i++) {
		REQUIRE_OK(shim_test_set("reset_error", refusals[i]));
		REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, 0x55));
		REQUIRE(vfio_user_read(&user, BAR0, NIC_SCRATCH, 4) == 0x55, "nothing to clear");
		REQUIRE_OK(strike(&shim, PORT, "POISON_TLP", "open"));
		CHECK(vfio_user_read(&user, BAR0, NIC_SCRATCH, 4) == 0, "%s: it was not reset",
		      refusals[i]);
		CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	}
}

SCENARIO(own_reset_hook_recover,
	 "the hook fails to reset for recover, with any error: the bus is reset, and it opens")
{
	long buses;

	start_hooks();
	for (size_t i = 0; i < REFUSALS; i++) {
		REQUIRE_OK(shim_test_set("reset_error", "0"));
		REQUIRE_OK(shim_test_set("unhealthy", "1"));
		REQUIRE_OK(strike(&shim, PORT, "DLP", "failed"));
		REQUIRE(WAIT_FOR(klog_count("device recovery successful") == i + 1, SETTLE_MS),
			"the host is not done");
		REQUIRE_OK(shim_test_set("unhealthy", "0"));
		REQUIRE_OK(shim_test_set("reset_error", refusals[i]));
		buses = resets_seen("resets");
		CHECK_OK(recover(group_name()));
		CHECK(resets_seen("resets") > buses, "%s: no bus was reset", refusals[i]);
		REQUIRE(shim_is(shim.group, "open"), "%s: not open after recover", refusals[i]);
		CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	}
}

SCENARIO(own_reset_hook_positive,
	 "a restore hook that returns a positive number has failed, for a user and for recover")
{
	start_hooks();
	REQUIRE_OK(shim_test_set("restore_error", "1"));
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	REQUIRE(shim_is(shim.group, "failed"), "not failed");
	CHECK_ERRNO(recover(group_name()), EIO);
	REQUIRE(shim_is(shim.group, "failed"), "not failed any more");
	REQUIRE_OK(shim_test_set("restore_error", "0"));
	CHECK_OK(recover(group_name()));
	CHECK(shim_is(shim.group, "open"), "not open after recover");
}

SCENARIO(own_reset_spares_users,
	 "recover resets no bus with a function on it that another group's user has open")
{
	struct vfio_user other;
	struct shim sibling;
	long buses;

	REQUIRE_OK(resets_load());
	REQUIRE_OK(shim_make(&sibling, PAIR_PORT, 1, "resume"));
	REQUIRE_OK(vfio_user_open(&other, sibling.uuid));
	REQUIRE_OK(shim_bind_test(&shim, PAIR_PORT, 0));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(shim_set(&shim, "recovery_timeout_ms", "1000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&sibling, PAIR_PORT, "DLP", "open"));
	REQUIRE(shim_wait(shim.group, "failed", SETTLE_MS), "not failed");
	REQUIRE_OK(vfio_user_write(&other, BAR0, NIC_SCRATCH, 4, 0x55));

	buses = resets_seen("resets");
	CHECK_ERRNO(recover(group_name()), ENODEV);
	CHECK(resets_seen("resets") == buses, "a bus with a function in use was reset");
	CHECK(vfio_user_read(&other, BAR0, NIC_SCRATCH, 4) == 0x55, "the other was reset");
	vfio_user_close(&other);
	CHECK_ERRNO(recover(group_name()), ENODEV);
	CHECK(resets_seen("resets") > buses, "no bus was reset: nothing is shown");
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	CHECK_OK(recover(group_name()));
	CHECK(shim_is(shim.group, "open"), "not open after recover");
}

SCENARIO(own_reset_spares_others,
	 "recover resets no bus with a function on it that is not ours, but one of ours alone")
{
	char other[PCI_ADDR_LEN];
	long buses;

	REQUIRE_OK(resets_load());
	REQUIRE_OK(shim_load());
	REQUIRE_OK(shim_bind_test(&shim, PAIR_PORT, 0));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(shim_set(&shim, "recovery_timeout_ms", "1000"));
	REQUIRE_OK(pci_below(PAIR_PORT, 1, other));
	REQUIRE_OK(pci_bind(other, "mdr-pci"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&shim, PAIR_PORT, "DLP", "failed"));
	REQUIRE(WAIT_FOR(klog_count("device recovery successful") == 1, SETTLE_MS),
		"the host is not done");

	buses = resets_seen("resets");
	CHECK_ERRNO(recover(group_name()), ENODEV);
	CHECK(resets_seen("resets") > buses, "no bus was reset: nothing is shown");
	REQUIRE_OK(pci_bind(other, "vfio-pci"));
	buses = resets_seen("resets");
	CHECK_ERRNO(recover(group_name()), ENODEV);
	CHECK(resets_seen("resets") == buses, "a bus with a function of vfio-pci was reset");
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	CHECK_OK(recover(group_name()));
	CHECK(shim_is(shim.group, "open"), "not open after recover");
}

/* Two functions of one group, below two ports: an error of one is not told to the other. */
SCENARIO(own_reset_intx,
	 "a function that was not told of the error is reset with the one that was: INTx works")
{
	struct shim other, parked;
	struct vfio_user u;
	struct nic_user nic;

	REQUIRE_OK(shim_bind_test(&shim, "deep_a", 0));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(shim_make(&other, "deep_b", 0, "resume"));
	REQUIRE(shim.group == other.group, "groups %d and %d", shim.group, other.group);
	REQUIRE_OK(shim_bind(&parked, "deeper_a", 0));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_open_in(&u, other.uuid, user.space));
	REQUIRE_OK(nic_user_start(&nic, &u, NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX));
	/* an error of both: from then on INTx is known to match */
	REQUIRE_OK(strike(&shim, "rp_deep", "DLP", "open"));
	REQUIRE(!(pci_command(other.addr) & INTX_OFF), "COMMAND is %#x",
		pci_command(other.addr));
	REQUIRE_OK(shim_test_set("restore_fails", "2"));
	REQUIRE_OK(strike(&shim, "deep_a", "DLP", "open"));
	REQUIRE(klog_count("resetting it again") == 1, "no reset of our own: nothing is shown");
	CHECK(!(pci_command(other.addr) & INTX_OFF), "INTx is off: COMMAND is %#x",
	      pci_command(other.addr));
	CHECK_OK(nic_user_raise(&nic, IRQ_MS));
	nic_user_stop(&nic);
	vfio_user_close(&u);
}

/* The host has reset it, or the loss of power has, and that does not show in the walk. */
SCENARIO(own_reset_none_but_blank,
	 "blank before a non-fatal error, without a reset method, the bus not ours: restored")
{
	char other[PCI_ADDR_LEN];

	REQUIRE_OK(shim_make(&shim, PAIR_PORT, 0, "resume"));
	REQUIRE_OK(pci_below(PAIR_PORT, 1, other));
	REQUIRE_OK(pci_bind(other, "vfio-pci"));
	/* the AER thread would wake it with pci_bus_sem held, and vfio-pci takes its memory_lock */
	REQUIRE_OK(sysfs_write("on", "/sys/bus/pci/devices/%s/power/control", other));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	status = nic_status(&user);
	REQUIRE_OK(sysfs_write("\n", RESET_METHOD, shim.addr));
	REQUIRE_OK(pci_config_lose(shim.addr));
	CHECK_OK(strike(&shim, PAIR_PORT, "POISON_TLP", "open"));
	CHECK_NUMBER(shim.group, "stats/failures", 0);
	check_back();
}
