// SPDX-License-Identifier: GPL-2.0-only
/*
 * SR-IOV: users have the virtual functions, while the physical function stays with its
 * driver in the host (igb).
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include "access_log.h"
#include "aer_fault.h"
#include "aer_thread.h"
#include "background.h"
#include "clock.h"
#include "holder.h"
#include "hot_reset.h"
#include "klog.h"
#include "mdev.h"
#include "module.h"
#include "moment.h"
#include "monitor.h"
#include "nic_user.h"
#include "resets.h"
#include "scenario.h"
#include "shim.h"
#include "sriov.h"
#include "strike.h"
#include "sysfs.h"
#include "took.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define VFS 2
#define MAX_VFS 7
#define SETTLE_MS 3000
#define IRQ_MS 1000
#define HELD_NS (20 * NS_PER_MS)
/* what the host waits after a function level reset (PCI Express 6.0, 6.6.2) */
#define FLR_MS 100
#define MASTER 0x4
/* the address of a VF's receive ring: kept until its PF is reset, used by nobody here */
#define VF_RING 0x2800
#define JUNK 0x1000
/* in STATUS: the link of the PF, which may change */
#define LINK_UP 0x2
/* a reset of a VF by its user */
#define RESET_MS 1500
#define REVOKE "300"
/*
 * 300 ms for each user, one after the other; 1 s that the kernel waits after it has
 * turned off VFs; 0.6 s that igb waits; and 5 s for a slow machine.
 */
#define TAKE_MS (VFS * 300 + 1600 + 5000)
/* SR-IOV control of igb's PF, and VF Enable in it */
#define SRIOV_CTRL 0x168
#define VFE 0x1
#define RESET_METHOD "/sys/bus/pci/devices/%s/reset_method"

static struct vfio_user user[VFS];
static struct nic_user nic[VFS];
static struct access_log log_[VFS];
static struct shim vf[VFS];
static char pf[PCI_ADDR_LEN];

static void open_vf(int i, const char *policy)
{
	REQUIRE_OK(shim_create(&vf[i], policy));
	REQUIRE_OK(shim_set(&vf[i], "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user[i], vf[i].uuid));
	REQUIRE_OK(nic_user_start(&nic[i], &user[i], NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX));
	nic_user_write(&nic[i], VF_RING, JUNK);
	REQUIRE(nic_user_read(&nic[i], VF_RING) == JUNK, "VF %d: no junk to clear", i);
	log_[i] = (struct access_log) {
		.u = &user[i], .kind = ACCESS_MAP_READ, .region = BAR0,
		.off = NIC_STATUS, .pause_us = 200, .ignore = LINK_UP,
		.value = nic_user_read(&nic[i], NIC_STATUS),
	};
	REQUIRE(log_[i].value != ~0u, "VF %d does not answer", i);
	REQUIRE_OK(access_start(&log_[i]));
}

static void bind_vfs(void)
{
	REQUIRE_OK(sriov_start(PORT, VFS));
	REQUIRE_OK(pci_below(PORT, 0, pf));
	for (int i = 0; i < VFS; i++)
		REQUIRE_OK(shim_bind(&vf[i], PORT, i + 1));
}

/* Two VFs, each with a user that reads a register of its BAR all the time. */
static void start(const char *first, const char *second)
{
	bind_vfs();
	open_vf(0, first);
	open_vf(1, second);
}

/*
 * The user was held or not, saw no wrong value, and has a working VF. That it was not held
 * is told by its group: the machine itself may take a moment from any user.
 */
static void check_vf(int i, bool held)
{
	struct access_log *log = &log_[i];

	access_stop(log);
	CHECK(!log->wrong && !log->ones && !log->faults,
	      "VF %d: of %ju reads %ju wrong (last %#x), %ju all-ones, %ju faults", i,
	      log->count, log->wrong, log->last_wrong, log->ones, log->faults);
	if (held) {
		CHECK(log->longest_ns > HELD_NS, "VF %d: longest wait %ju ns", i,
		      log->longest_ns);
	} else {
		CHECK_NUMBER(vf[i].group, "stats/stalls", 0);
		CHECK(log->longest_ns < patient_ms(FLR_MS) * NS_PER_MS,
		      "VF %d: longest wait %ju ns", i, log->longest_ns);
	}
	CHECK(pci_command(vf[i].addr) & MASTER, "VF %d: COMMAND is %#x", i,
	      pci_command(vf[i].addr));
	CHECK_OK(nic_user_interrupt(&nic[i], IRQ_MS));
	CHECK(shim_number(vf[i].group, "stats/drain_timeouts") == 0, "VF %d: drain_timeouts", i);
}

static void check_pf(void)
{
	CHECK(sriov_is_on(PORT), "the PF has lost its driver");
	CHECK(sriov_number(pf) == VFS, "the PF has %d VFs", sriov_number(pf));
	CHECK(pci_command(pf) & MASTER, "COMMAND of the PF is %#x", pci_command(pf));
}

static void measure_stalls(void)
{
	MEASURE_STALL("stall_a_ms", log_[0].longest_ns);
	MEASURE_STALL("stall_b_ms", log_[1].longest_ns);
}

SCENARIO(sriov_port_error,
	 "fatal error on the port of a PF: VFs, a group each, are held, come back, one event id",
	 .vfs = true)
{
	start("resume", "resume");
	CHECK(vf[0].group != vf[1].group, "both VFs are in group %d", vf[0].group);
	CHECK(vf[0].group != pci_iommu_group(pf) && vf[1].group != pci_iommu_group(pf),
	      "a VF shares group %d with its PF", pci_iommu_group(pf));
	REQUIRE_OK(strike(&vf[0], PORT, "DLP", "open"));
	REQUIRE(shim_wait(vf[1].group, "open", SETTLE_MS), "second VF is not open");
	CHECK(WAIT_FOR(klog_count("device recovery successful"), SETTLE_MS), "host: no success");
	for (int i = 0; i < VFS; i++) {
		check_vf(i, true);
		CHECK(nic_user_read(&nic[i], VF_RING) == 0, "VF %d was not reset", i);
	}
	CHECK(shim_number(vf[0].group, "event") == shim_number(vf[1].group, "event"), "two ids");
	check_pf();
	measure_stalls();
}

/* A function reports an error itself: the kernel tells all functions below the port. */
static void report(const char *addr, uint32_t status)
{
	uint64_t before[VFS];

	for (int i = 0; i < VFS; i++)
		before[i] = shim_number(vf[i].group, "event");
	REQUIRE_OK(aer_fault(addr, status, 0));
	for (int i = 0; i < VFS; i++) {
		CHECK(WAIT_FOR(shim_number(vf[i].group, "event") != before[i], SETTLE_MS),
		      "VF %d was not told", i);
		CHECK(shim_wait(vf[i].group, "open", SETTLE_MS), "VF %d is not open", i);
		took_note(&vf[i]);
	}
	CHECK(shim_number(vf[0].group, "event") == shim_number(vf[1].group, "event"), "two ids");
}

SCENARIO(sriov_function_error,
	 "fatal and non-fatal, reported by the PF itself and by one VF: both VFs come back",
	 .vfs = true)
{
	start("resume", "resume");
	report(pf, AER_FAULT_DLP);
	report(pf, AER_FAULT_POISON_TLP);
	report(vf[1].addr, AER_FAULT_DLP);
	report(vf[1].addr, AER_FAULT_POISON_TLP);
	REQUIRE(aer_wait_idle(SETTLE_MS), "the host is not done");
	REQUIRE_OK(aer_fault_end());
	for (int i = 0; i < VFS; i++) {
		check_vf(i, true);
		CHECK(shim_number(vf[i].group, "stats/recoveries") == 4, "VF %d: recoveries", i);
	}
	check_pf();
	measure_stalls();
}

SCENARIO(sriov_policies,
	 "one VF of type hold, one of type resume: that goes on while the first waits for its reset",
	 .vfs = true)
{
	uint64_t reads;

	start("hold", "resume");
	REQUIRE_OK(strike(&vf[0], PORT, "DLP", "holding"));
	REQUIRE(shim_wait(vf[1].group, "open", SETTLE_MS), "second VF is not open");
	reads = access_count(&log_[0]);
	check_vf(1, true);
	CHECK(access_count(&log_[0]) == reads, "reads while holding");
	/* the host may still hold the function: EAGAIN, as with vfio-pci */
	REQUIRE(WAIT_FOR(!vfio_user_reset(&user[0]), SETTLE_MS), "its reset does not work");
	REQUIRE(shim_wait(vf[0].group, "open", SETTLE_MS), "not open after its reset");
	REQUIRE_OK(vfio_user_bus_master(&user[0], true));
	check_vf(0, true);
	MEASURE_STALL("stall_b_ms", log_[1].longest_ns);
}

SCENARIO(sriov_vf_reset,
	 "a user's reset of its VF: not felt next door; a hot reset: refused, nothing changed",
	 .vfs = true)
{
	start("resume", "resume");
	REQUIRE_OK(vfio_user_reset(&user[0]));
	CHECK_ERRNO(hot_reset(&user[0]), EPERM);
	CHECK(shim_is(vf[0].group, "open"), "first VF is not open");
	CHECK_NUMBER(vf[0].group, "stats/user_resets", 1);
	CHECK(shim_number(vf[1].group, "stats/host_resets") == 0, "second VF was told of a reset");
	CHECK(nic_user_read(&nic[1], VF_RING) == JUNK, "second VF was reset");
	check_vf(0, true);
	check_vf(1, false);
	MEASURE_BOUND("reset_ms", log_[0].longest_ns / NS_PER_MS, RESET_MS);
}

SCENARIO(sriov_pf_reset,
	 "PF reset: no kernel tells its VFs; not gated, and lost until PF and VFs are set up again",
	 .vfs = true)
{
	start("resume", "resume");
	REQUIRE_OK(pci_reset(pf));
	for (int i = 0; i < VFS; i++) {
		access_stop(&log_[i]);
		CHECK(log_[i].wrong || log_[i].ones, "VF %d: no read went wrong: is it told?", i);
		CHECK(shim_number(vf[i].group, "stats/host_resets") == 0, "VF %d was told", i);
		CHECK(!(pci_command(vf[i].addr) & MASTER), "VF %d: COMMAND is %#x", i,
		      pci_command(vf[i].addr));
	}
	MEASURE("wrong_reads", "%ju",
		log_[0].wrong + log_[0].ones + log_[1].wrong + log_[1].ones);

	/* the driver of the PF, which was not told either, then the users */
	REQUIRE_OK(sriov_restart(pf));
	for (int i = 0; i < VFS; i++) {
		REQUIRE_OK(vfio_user_reset(&user[i]));
		REQUIRE_OK(vfio_user_bus_master(&user[i], true));
		CHECK(((nic_user_read(&nic[i], NIC_STATUS) ^ log_[i].value) & ~LINK_UP) == 0,
		      "VF %d: STATUS is %#x, was %#x", i, nic_user_read(&nic[i], NIC_STATUS),
		      log_[i].value);
		CHECK_OK(nic_user_interrupt(&nic[i], IRQ_MS));
	}
	check_pf();
}

static int enable_vfs(bool on)
{
	uint32_t control = pci_config_read(pf, SRIOV_CTRL, 2);

	return pci_config_write(pf, SRIOV_CTRL, 2, on ? control | VFE : control & ~VFE);
}

SCENARIO(sriov_vf_gone,
	 "a VF that its PF does not bring back: failed, not taken for alive; back again: recover",
	 .vfs = true)
{
	int ret;

	bind_vfs();
	REQUIRE_OK(shim_bind_test(&vf[0], PORT, 1));
	open_vf(0, "resume");
	REQUIRE_OK(shim_set(&vf[0], "recovery_timeout_ms", "2000"));
	REQUIRE_OK(shim_test_set("slot_reset_ms", "400"));
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	/* the reset takes VF Enable away, the PF's driver brings it back, before the VF's turn */
	REQUIRE(WAIT_FOR(klog_count("link has been reset"), SETTLE_MS), "no reset");
	REQUIRE(WAIT_FOR(pci_config_read(pf, SRIOV_CTRL, 2) & VFE, SETTLE_MS), "no restore");
	REQUIRE_OK(enable_vfs(false));
	REQUIRE(shim_wait(vf[0].group, "failed", 2000 + 2 * SETTLE_MS), "not failed");
	CHECK_ERRNO(vfio_user_reset(&user[0]), EIO);
	CHECK(shim_is(vf[0].group, "failed"), "not failed any more");

	CHECK(WAIT_FOR(klog_count("device recovery "), SETTLE_MS), "the host is not done");
	REQUIRE_OK(enable_vfs(true));
	/* what a VF may take until it can be accessed (PCI Express 6.0, 9.3.3.3.1) */
	sleep_ms(100);
	ret = sysfs_write("1", SHIM_CLASS "/group%d/recover", vf[0].group);
	/* if the host was later than recovery_timeout_ms, the worker still looks at the VF */
	CHECK(!ret || ret == -EINVAL, "recover: %s", strerror(-ret));
	CHECK(shim_is(vf[0].group, "open"), "not open after recover");
	access_stop(&log_[0]);
	CHECK(log_[0].ones && !log_[0].wrong, "%ju all-ones, %ju wrong", log_[0].ones,
	      log_[0].wrong);
	/* the PF's driver, whose own reset takes the VF's set-up away, may not be done yet */
	CHECK(WAIT_FOR(!nic_user_interrupt(&nic[0], 200), SETTLE_MS), "no interrupt");
	check_pf();
}

static int take_vfs(const char *addr)
{
	return sriov_set(addr, 0);
}

static pid_t hold_vf(int i, const char *revoke, enum grip grip)
{
	REQUIRE_OK(shim_create(&vf[i], "resume"));
	REQUIRE_OK(shim_set(&vf[i], "revoke", revoke));
	REQUIRE_OK(shim_set(&vf[i], "revoke_timeout_ms", REVOKE));
	return holder_fork(grip, vf[i].uuid);
}

static void check_taken(void)
{
	char addr[PCI_ADDR_LEN];

	for (int i = 0; i < VFS; i++) {
		CHECK(!sysfs_exists(SHIM_CLASS "/group%d", vf[i].group), "group of VF %d", i);
		CHECK(waitpid(-1, NULL, WNOHANG) > 0, "user %d is still there", i);
	}
	CHECK(pci_below(PORT, 1, addr) < 0, "%s is still there", addr);
}

SCENARIO(sriov_vfs_taken,
	 "sriov_numvfs=0 under users: waits for one that stays, and kills where revoke=kill",
	 .vfs = true)
{
	struct background b = { .call = take_vfs, .name = pf };
	uint64_t ms;
	pid_t pid;

	bind_vfs();
	pid = hold_vf(0, "wait", GRIP_FILE);
	hold_vf(1, "kill", GRIP_FILE);
	background_start(&b);
	CHECK(background_in(&b, "mdr_device_revoke", SETTLE_MS), "it does not wait");
	CHECK(!atomic_load(&b.done) && sysfs_exists(SHIM_CLASS "/group%d", vf[0].group),
	      "the first user was not waited for");
	kill(pid, SIGKILL);
	ms = background_ms(&b, TAKE_MS);
	check_taken();
	CHECK(klog_count("which did not release it") == 1, "%u users were killed",
	      klog_count("which did not release it"));
	CHECK(sriov_is_on(PORT) && sriov_number(pf) == 0, "the PF has %d VFs", sriov_number(pf));
	MEASURE_BOUND("taken_ms", ms, TAKE_MS);
}

SCENARIO(sriov_pf_unbound,
	 "the PF loses its driver, and so its VFs, under a user that leaves and one that stays",
	 .vfs = true)
{
	struct background b = { .call = pci_unbind, .name = pf };

	/* pci_stop_and_remove_bus_device() asserts it, sriov_disable() has not got it */
	if (sysfs_exists("/proc/lockdep_stats"))
		SKIP("the PF's driver takes VFs away without pci_rescan_remove_lock");
	bind_vfs();
	hold_vf(0, "wait", GRIP_LEAVES);
	hold_vf(1, "kill", GRIP_FILE);
	background_start(&b);
	MEASURE_BOUND("taken_ms", background_ms(&b, TAKE_MS), TAKE_MS);
	check_taken();
	CHECK(klog_count("which did not release it") == 1, "%u users were killed",
	      klog_count("which did not release it"));
}

static long own_resets(void)
{
	return resets_seen("flrs") + resets_seen("resets");
}

static void check_ring(const char *when)
{
	CHECK(vfio_user_read(&user[0], BAR0, VF_RING, 4) == JUNK, "%s the VF was reset", when);
	CHECK(shim_is(vf[0].group, "open"), "%s the VF is closed", when);
}

SCENARIO(sriov_pf_spares_vfs,
	 "a PF of ours that has failed is not reset by recover while its VFs are in use")
{
	struct shim parent;
	long resets;

	REQUIRE_OK(module_load("mdev_recovery_stub"));
	REQUIRE_OK(resets_load());
	REQUIRE_OK(pci_below(PORT, 0, pf));
	/* it makes VFs, and leaves them to the next driver */
	REQUIRE_OK(pci_bind(pf, "mdr-stub"));
	REQUIRE_OK(sriov_set(pf, VFS));
	REQUIRE(pci_wait_below(PORT, VFS + 1, SETTLE_MS), "no VFs");
	REQUIRE_OK(shim_bind(&parent, PORT, 0));
	for (int i = 0; i < VFS; i++)
		REQUIRE_OK(shim_bind(&vf[i], PORT, i + 1));
	REQUIRE_OK(shim_create(&vf[0], "resume"));
	REQUIRE_OK(vfio_user_open(&user[0], vf[0].uuid));
	REQUIRE_OK(vfio_user_write(&user[0], BAR0, VF_RING, 4, JUNK));
	check_ring("at first");

	REQUIRE_OK(pci_config_lose(pf));
	REQUIRE_OK(resets_give_up(pf));
	REQUIRE(shim_is(parent.group, "failed"), "the PF is not failed");
	resets = own_resets();
	CHECK_ERRNO(sysfs_write("1", SHIM_CLASS "/group%d/recover", parent.group), EPERM);
	check_ring("by recover");
	CHECK(own_resets() == resets, "%ld resets", own_resets() - resets);
	CHECK(klog_count("others use its VFs") >= 1, "nothing in the log");

	/* without a user they may be reset with their PF */
	vfio_user_close(&user[0]);
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", parent.group));
	CHECK(shim_is(parent.group, "open"), "not open after recover");
	REQUIRE_OK(mdev_remove(vf[0].uuid));
	REQUIRE_OK(pci_bind(pf, "mdr-stub"));
	REQUIRE_OK(sriov_set(pf, 0));
}

/* Where a slot is all of its bus (7.3), a VF below a hot-plug port has a reset of that slot. */
SCENARIO(sriov_vf_reset_spares_pf,
	 "recover resets a failed VF alone, even with bus in reset_method: PF, next VF untouched",
	 .vfs = true)
{
	uint16_t command;
	long buses, flrs;

	bind_vfs();
	open_vf(1, "resume");
	REQUIRE_OK(resets_load());
	REQUIRE_OK(shim_create(&vf[0], "resume"));
	REQUIRE_OK(vfio_user_open(&user[0], vf[0].uuid));
	REQUIRE_OK(vfio_user_bus_master(&user[0], true));
	REQUIRE_OK(vfio_user_write(&user[0], BAR0, VF_RING, 4, JUNK));
	check_ring("at first");
	MEASURE("bus", "%d", !sysfs_write("bus", RESET_METHOD, vf[0].addr));
	command = pci_command(pf);
	REQUIRE_OK(pci_config_write(vf[0].addr, 0x04, 2, 0));
	REQUIRE_OK(resets_give_up(vf[0].addr));
	REQUIRE(shim_is(vf[0].group, "failed"), "the VF is not failed");

	buses = resets_seen("resets");
	flrs = resets_seen("flrs");
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", vf[0].group));
	CHECK(resets_seen("resets") == buses, "the bus of the PF was reset");
	CHECK(resets_seen("flrs") == flrs + 1, "%ld function level resets",
	      resets_seen("flrs") - flrs);
	CHECK(shim_is(vf[0].group, "open"), "not open after recover");
	CHECK(pci_command(vf[0].addr) & MASTER, "VF 0: COMMAND is %#x", pci_command(vf[0].addr));
	CHECK(pci_command(pf) == command, "COMMAND of the PF is %#x", pci_command(pf));
	CHECK(nic_user_read(&nic[1], VF_RING) == JUNK, "second VF was reset");
	check_vf(1, false);
	check_pf();
	REQUIRE_OK(sysfs_write("default", RESET_METHOD, vf[0].addr));
}

SCENARIO(sriov_vf_outlives_pf,
	 "a VF in the hands of a loop when it and its PF are removed: looked at without the PF",
	 .debug = true)
{
	char addr[PCI_ADDR_LEN];

	REQUIRE_OK(shim_load());
	REQUIRE_OK(moment_load());
	REQUIRE_OK(sriov_start(PORT, VFS));
	REQUIRE_OK(pci_below(PORT, 0, pf));
	REQUIRE_OK(pci_below(PORT, 1, addr));
	REQUIRE_OK(moment_set("keep", addr));
	CHECK_OK(moment_set("keep", "look"));
	REQUIRE_OK(pci_remove(pf));
	/* KASAN notices */
	CHECK_OK(moment_set("keep", "look"));
	REQUIRE_OK(moment_set("keep", "none"));
	REQUIRE_OK(pci_rescan(PORT));
	CHECK(pci_wait_below(PORT, 1, SETTLE_MS), "no function after a rescan");
}

/*
 * No scenario removes VFs in the middle of a recovery, because the kernel deadlocks by
 * itself. A write to sriov_numvfs holds the PF's device lock and wants pci_bus_sem; the
 * AER thread takes them in the opposite order. This shows it without our modules, and
 * runs only if named: the machine is lost.
 */
SCENARIO(kernel_limit_sriov,
	 "VFs taken away from vfio-pci in a recovery (fails where the kernel has the deadlock)",
	 .selftest = true)
{
	struct background b = { .call = take_vfs, .name = pf };
	char addr[PCI_ADDR_LEN];

	REQUIRE_OK(sriov_start(PORT, MAX_VFS));
	REQUIRE_OK(pci_below(PORT, 0, pf));
	for (int i = 1; i <= MAX_VFS; i++) {
		REQUIRE_OK(pci_below(PORT, i, addr));
		REQUIRE_OK(pci_bind(addr, "vfio-pci"));
	}
	background_start(&b);
	for (int i = 0; i < 20; i++) {
		REQUIRE_OK(aer_inject(PORT, "DLP"));
		sleep_ms(5);
	}
	MEASURE_BOUND("taken_ms", background_ms(&b, 2 * TAKE_MS), 2 * TAKE_MS);
}
