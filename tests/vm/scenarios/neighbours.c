// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other functions below the same port: one bound to vfio-pci, and one without a driver,
 * which makes the kernel abandon the recovery of all of them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "access_log.h"
#include "aer_thread.h"
#include "background.h"
#include "clock.h"
#include "hot_reset.h"
#include "klog.h"
#include "mdev.h"
#include "module.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "slow.h"
#include "strike.h"
#include "took.h"
#include "sysfs.h"
#include "vfio_irq.h"

#define ECAP_AER 0x0001
#define AER_UNCOR_STATUS 0x04
#define AER_POISON 0x1000
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb"
#define SETTLE_MS 3000
#define QUIET_MS 50
/* what a busy machine adds */
#define SLOW_MS 1500
#define RECOVERY_MS "1000"
/* a close that goes on when the host comes */
#define CLOSE "1500"
#define CLOSE_MS 1500
/* on top of it, on a busy machine */
#define BUSY_MS 1500

static struct vfio_user user, other;

SCENARIO(neighbour_vfio_pci,
	 "next to a function of vfio-pci ours recovers; the vfio-pci function is lost as usual")
{
	struct access_log log = {
		.u = &user, .kind = ACCESS_MAP_READ, .region = BAR0,
		.off = NIC_STATUS, .pause_us = 200,
	};
	char addr[PCI_ADDR_LEN];
	uint32_t lost;
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(pci_below(PORT, 1, addr));
	REQUIRE_OK(pci_bind(addr, "vfio-pci"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(vfio_user_open(&other, addr));
	log.value = nic_status(&user);
	REQUIRE_OK(access_start(&log));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	sleep_ms(30);
	access_stop(&log);

	CHECK(!log.wrong && !log.ones && !log.faults,
	      "of %ju reads %ju wrong, %ju all-ones, %ju faults", log.count, log.wrong,
	      log.ones, log.faults);
	lost = *(volatile uint32_t *)((char *)vfio_user_map(&other, BAR0) + NIC_STATUS);
	CHECK(lost != log.value, "vfio-pci still reads %#x: it recovered?", lost);
	CHECK(pci_command(addr) == 0, "COMMAND of vfio-pci is %#x", pci_command(addr));
	MEASURE_STALL("stall_ms", log.longest_ns);
	MEASURE("ours", "%#x", vfio_user_read(&user, BAR0, NIC_STATUS, 4));
	MEASURE("vfio_pci", "%#x", lost);
}

/*
 * A function of ours that is open, next to one without a driver; then an error.
 * The kernel abandons the recovery, and the shim's own attempt works or not.
 */
static void strike_beside_blocker(struct shim *s, struct access_log *log, int *err,
				  bool works)
{
	char addr[PCI_ADDR_LEN], blocks[64], blockers[64];
	uint64_t start;

	REQUIRE_OK(shim_bind_test(s, PORT, 0));
	REQUIRE_OK(shim_create(s, "resume"));
	REQUIRE_OK(pci_below(PORT, 1, addr));
	shim_status(s->group, "blockers", blockers, sizeof(blockers));
	snprintf(blocks, sizeof(blocks), "%s %s", addr, pci_port_addr(PORT));
	CHECK(!strcmp(blockers, blocks), "blockers are '%s', not '%s'", blockers, blocks);
	CHECK(klog_count("have no error handler") == 1, "%u warnings",
	      klog_count("have no error handler"));
	REQUIRE_OK(shim_set(s, "recovery_timeout_ms", RECOVERY_MS));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_ERR_IRQ_INDEX, 1, err));
	*log = (struct access_log) {
		.u = &user, .kind = ACCESS_MAP_READ, .region = BAR0,
		.off = NIC_STATUS, .pause_us = 200,
	};
	log->value = nic_status(&user);
	REQUIRE_OK(access_start(log));

	start = now_ns();
	REQUIRE_OK(shim_test_set("unhealthy", works ? "0" : "1"));
	REQUIRE_OK(strike(s, PORT, "DLP", works ? "open" : "failed"));
	MEASURE_BOUND("decided_after_ms", (now_ns() - start) / NS_PER_MS, 4000 + SLOW_MS);
	CHECK(klog_wait("device recovery failed", SETTLE_MS, NULL, 0),
	      "the kernel did not abandon the recovery");
	/* a device that is well when a late host says that it is done comes back */
	sleep_ms(works ? 0 : QUIET_MS);
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
}

SCENARIO(neighbour_blocks_recovery,
	 "beside a function without a driver the kernel abandons: the shim's own attempt saves it")
{
	struct access_log log;
	struct shim s;
	int err;

	strike_beside_blocker(&s, &log, &err, true);
	sleep_ms(QUIET_MS);
	access_stop(&log);
	CHECK(!log.ones && !log.wrong && !log.faults,
	      "%ju all-ones, %ju wrong (last %#x), %ju faults", log.ones, log.wrong,
	      log.last_wrong, log.faults);
	CHECK(!vfio_irq_wait(err, 0, NULL), "ERR fired");
	CHECK_NUMBER(s.group, "stats/own_resets", 1);
	CHECK_NUMBER(s.group, "stats/failures", 0);
	MEASURE_BOUND("stall_ms", log.longest_ns / NS_PER_MS, 1000 + SLOW_MS);
}

/*
 * Does the port of an abandoned walk still say that it had the error? What fatal errors
 * leave there the kernel clears in no case.
 */
static bool port_is_poisoned(const char *id)
{
	const char *port = pci_port_addr(id);
	uint32_t head;

	for (unsigned int at = 0x100; at; at = head >> 20) {
		head = pci_config_read(port, at, 4);
		if ((head & 0xffff) == ECAP_AER)
			return pci_config_read(port, at + AER_UNCOR_STATUS, 4) & AER_POISON;
	}
	REQUIRE(false, "%s has no AER", port);
	return false;
}

static void abandon_nonfatal(const char *port, const char *below)
{
	struct shim s;

	REQUIRE_OK(shim_bind(&s, below, 0));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", RECOVERY_MS));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(aer_inject(port, "POISON_TLP"));
	/* 6.12 does not say that it gives up */
	REQUIRE(WAIT_FOR(shim_is(s.group, "failed") ||
			 shim_number(s.group, "stats/own_resets"), 4000 + SLOW_MS),
		"not decided");
	if (shim_is(s.group, "failed")) {
		CHECK(port_is_poisoned(port), "the kernel clears it: nothing is shown");
		REQUIRE_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group));
	}
	REQUIRE(shim_wait(s.group, "open", SETTLE_MS), "not open");
	CHECK(!port_is_poisoned(port), "the status of %s still has the error", port);
}

SCENARIO(neighbour_abandoned_status,
	 "a non-fatal error that the kernel abandons: its port is not blamed for the next one")
{
	abandon_nonfatal(PORT, PORT);
}

SCENARIO(neighbour_abandoned_status_switch,
	 "the same at a switch: the port is not the root port")
{
	abandon_nonfatal("sw_up", "sw_a");
}

SCENARIO(neighbour_fails_recovery,
	 "where that fails too all is failed: ERR once, waiters released; recover heals")
{
	struct access_log log;
	uint64_t fired = 0;
	struct shim s;
	int err;

	strike_beside_blocker(&s, &log, &err, false);
	CHECK(vfio_irq_wait(err, SETTLE_MS, &fired), "ERR did not fire");
	sleep_ms(QUIET_MS);
	CHECK(fired == 1 && !vfio_irq_wait(err, 0, NULL), "ERR fired more than once");
	access_stop(&log);
	CHECK(log.ones > 0 && !log.wrong && !log.faults,
	      "%ju all-ones, %ju wrong (last %#x), %ju faults", log.ones, log.wrong,
	      log.last_wrong, log.faults);
	CHECK_NUMBER(s.group, "stats/failures", 1);
	MEASURE_BOUND("released_after_ms", log.longest_ns / NS_PER_MS, 1000 + SLOW_MS);

	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group));
	CHECK(shim_is(s.group, "open"), "not open after recover");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == log.value, "STATUS is %#x, was %#x",
	      vfio_user_read(&user, BAR0, NIC_STATUS, 4), log.value);
	CHECK_ERRNO(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group), EINVAL);
	MEASURE("after_recover", "%#x", vfio_user_read(&user, BAR0, NIC_STATUS, 4));
}

SCENARIO(neighbour_user_reset_in_failed,
	 "in failed a user's reset that proves the function alive opens the gate again")
{
	volatile uint32_t *map;
	struct access_log log;
	struct nic_user nic;
	struct shim s;
	int err;

	strike_beside_blocker(&s, &log, &err, false);
	access_stop(&log);
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(shim_is(s.group, "open"), "not open after the reset");
	map = vfio_user_map(&user, BAR0);
	CHECK(map[NIC_STATUS / 4] == log.value, "STATUS is %#x, was %#x",
	      map[NIC_STATUS / 4], log.value);
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX));
	CHECK_OK(nic_user_interrupt(&nic, SETTLE_MS));
	MEASURE("user_resets", "%ju", shim_number(s.group, "stats/user_resets"));
}

SCENARIO(neighbour_parked,
	 "a blocker bound to mdr-pci without an mdev is none any more, and the recovery succeeds")
{
	struct shim s, parked;
	char blockers[64];

	REQUIRE_OK(shim_bind(&parked, PORT, 1));
	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	shim_status(s.group, "blockers", blockers, sizeof(blockers));
	CHECK(!blockers[0], "blockers are '%s'", blockers);
	CHECK(!klog_count("have no error handler"), "warned of none");
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK(shim_wait(parked.group, "open", SETTLE_MS), "the parked one is not open");
	MEASURE_RECOVERY("recovery_ms", &s);
}

SCENARIO(neighbour_hot_reset_in_failed,
	 "in failed a hot reset, too, opens the gate only with the device restored")
{
	volatile uint32_t *map;
	struct access_log log;
	char addr[PCI_ADDR_LEN];
	struct shim s;
	int err;

	strike_beside_blocker(&s, &log, &err, false);
	access_stop(&log);
	/* a hot reset requires that the user owns all functions below the port */
	REQUIRE_OK(pci_below(PORT, 1, addr));
	REQUIRE_OK(pci_bind(addr, "vfio-pci"));
	REQUIRE_OK(vfio_user_open_in(&other, addr, user.space));
	REQUIRE_OK(hot_reset(&user));
	CHECK(shim_is(s.group, "open"), "not open after the hot reset");
	map = vfio_user_map(&user, BAR0);
	CHECK(map[NIC_STATUS / 4] == log.value, "STATUS is %#x, was %#x",
	      map[NIC_STATUS / 4], log.value);
	CHECK(pci_command(s.addr) & 0x2, "COMMAND is %#x", pci_command(s.addr));
}

static int hot_reset_user(const char *name)
{
	(void)name;
	return hot_reset(&user);
}

SCENARIO(neighbour_error_in_hot_reset,
	 "an error while a hot reset waits for a slow function of another group: none fails")
{
	struct vfio_user *users[] = { &user, &other };
	struct background r = { .call = hot_reset_user };
	uint32_t status[2];
	struct shim s[2];
	int err[2];

	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_make(&s[i], PORT, i, "resume"));
		REQUIRE_OK(vfio_user_open_in(users[i], s[i].uuid, i ? user.space : NULL));
		REQUIRE_OK(vfio_irq_enable(users[i], VFIO_PCI_ERR_IRQ_INDEX, 1, &err[i]));
		status[i] = nic_status(users[i]);
	}
	REQUIRE_OK(slow_function(s[1].addr, "ones", 3000));
	background_start(&r);
	REQUIRE(shim_wait(s[1].group, "resetting", SETTLE_MS), "no hot reset");
	/* on a kernel of any speed: the function is slow for 3 s */
	sleep_ms(1000);
	REQUIRE(!atomic_load(&r.done), "it does not wait");
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	REQUIRE(WAIT_FOR(atomic_load(&r.done), SETTLE_MS), "the hot reset does not end");
	CHECK(r.ret == -EAGAIN, "the hot reset gave %d", r.ret);
	for (int i = 0; i < 2; i++) {
		CHECK(shim_wait(s[i].group, "open", 3 * SETTLE_MS), "%d is not open", i);
		CHECK(vfio_user_read(users[i], BAR0, NIC_STATUS, 4) == status[i],
		      "%d: STATUS changed", i);
		CHECK(!vfio_irq_wait(err[i], 0, NULL), "%d: ERR fired", i);
		CHECK_NUMBER(s[i].group, "stats/failures", 0);
		CHECK_NUMBER(s[i].group, "stats/drain_timeouts", 0);
	}
}

SCENARIO(neighbour_hot_reset_slow,
	 "a hot reset waits for a slow function of another group, which is whole afterwards")
{
	struct vfio_user *users[] = { &user, &other };
	uint32_t status[2];
	struct shim s[2];
	uint64_t begin;

	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_make(&s[i], PORT, i, "resume"));
		REQUIRE_OK(vfio_user_open_in(users[i], s[i].uuid, i ? user.space : NULL));
		REQUIRE_OK(vfio_user_bus_master(users[i], true));
		status[i] = nic_status(users[i]);
	}
	REQUIRE(s[0].group != s[1].group, "both are in group %d", s[0].group);
	REQUIRE_OK(slow_function(s[1].addr, "ones", SLOW_MS));
	begin = now_ms();
	CHECK_OK(hot_reset(&user));
	CHECK(now_ms() - begin >= SLOW_MS, "it waits for nobody");
	for (int i = 0; i < 2; i++) {
		CHECK(shim_is(s[i].group, "open"), "%d is not open", i);
		CHECK(vfio_user_read(users[i], BAR0, NIC_STATUS, 4) == status[i],
		      "%d: STATUS changed", i);
		CHECK((pci_command(s[i].addr) & 0x6) == 0x6, "%d: COMMAND is %#x", i,
		      pci_command(s[i].addr));
		CHECK_NUMBER(s[i].group, "stats/failures", 0);
	}
}

SCENARIO(neighbour_hot_reset_silent,
	 "a function of another group that was silent before a hot reset is not waited for")
{
	struct vfio_user *users[] = { &user, &other };
	struct shim s[2];
	uint32_t status;

	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_make(&s[i], PORT, i, "resume"));
		REQUIRE_OK(vfio_user_open_in(users[i], s[i].uuid, i ? user.space : NULL));
	}
	status = nic_status(&user);
	REQUIRE_OK(slow_function(s[1].addr, "now", 600000));
	CHECK_OK(hot_reset(&user));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	for (int i = 0; i < 2; i++) {
		CHECK(shim_is(s[i].group, "open"), "%d is not open", i);
		CHECK_NUMBER(s[i].group, "stats/failures", 0);
	}
	slow_end();
}

SCENARIO(neighbour_wants_reset,
	 "a neighbour wants a reset after a non-fatal error, the host makes none: ours is let be")
{
	struct nic_user nic;
	struct shim s, next;
	uint32_t scratch;
	long restores;

	REQUIRE_OK(shim_make(&next, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&next, "nonfatal_action", "reset"));
	REQUIRE_OK(shim_bind_test(&s, PORT, 1));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(vfio_user_open(&other, next.uuid));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_IGB, VFIO_PCI_MSIX_IRQ_INDEX));
	REQUIRE_OK(nic_user_interrupt(&nic, SETTLE_MS));
	REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, 0x5a5a));
	REQUIRE_OK(vfio_user_write(&other, BAR0, NIC_SCRATCH, 4, 0x5a5a));
	restores = shim_test_count("restores");

	REQUIRE_OK(strike(&next, PORT, "POISON_TLP", "open"));
	REQUIRE(shim_wait(s.group, "open", SETTLE_MS), "not open");
	CHECK(shim_test_count("slot_resets") > 0, "slot_reset was not called: nothing is shown");
	CHECK(vfio_user_read(&other, BAR0, NIC_SCRATCH, 4) == 0, "its reset is missing");
	scratch = vfio_user_read(&user, BAR0, NIC_SCRATCH, 4);
	/* 7.3 resets the bus, 6.12 nothing */
	CHECK(scratch == (shim_test_gives_up() ? 0 : 0x5a5a), "the register has %#x", scratch);
	CHECK(shim_test_count("restores") - restores == (scratch == 0), "%ld restores",
	      shim_test_count("restores") - restores);
	/* without the driver's help if the device was left alone */
	if (scratch)
		CHECK_OK(nic_user_raise(&nic, SETTLE_MS));
	MEASURE("was_reset", "%d", !scratch);
}

SCENARIO(neighbour_reset_counts,
	 "a reset that a neighbour wanted counts for the breaker of what the host resets with it")
{
	struct shim s, next;
	bool counts;

	REQUIRE_OK(shim_make(&next, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&next, "nonfatal_action", "reset"));
	REQUIRE_OK(shim_make(&s, PORT, 1, "resume"));
	REQUIRE_OK(shim_set(&s, "breaker_max", "1"));
	REQUIRE_OK(shim_set(&s, "breaker_window_ms", "600000"));
	/* 7.3 resets the bus, 6.12 nothing */
	counts = shim_test_gives_up();
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(strike(&next, PORT, "POISON_TLP", "open"));
		REQUIRE(aer_wait_idle(SETTLE_MS), "the host is not done");
		CHECK(shim_wait(s.group, i && counts ? "failed" : "open", SETTLE_MS),
		      "wrong after error %d", i + 1);
	}
	MEASURE("counted", "%d", counts);
}

static int close_other(const char *name)
{
	(void)name;
	vfio_user_close(&other);
	return 0;
}

SCENARIO(neighbour_closed_silent,
	 "a non-fatal error while a silent neighbour is being closed: the host does not give up")
{
	struct background closing = { .call = close_other, .name = "the silent one" };
	struct shim s, silent;
	uint32_t status;

	REQUIRE_OK(shim_bind_vendor(&silent, PORT, 1));
	REQUIRE_OK(shim_create(&silent, "resume"));
	REQUIRE_OK(vfio_user_open(&other, silent.uuid));
	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	REQUIRE_OK(slow_function(silent.addr, "ones", 600000));
	REQUIRE_OK(pci_config_write(silent.addr, 0x04, 2, 0));
	REQUIRE(WAIT_FOR(pci_command(silent.addr) == 0xffff, SETTLE_MS), "it answers");

	REQUIRE_OK(shim_vendor_set("close_ms", CLOSE));
	background_start(&closing);
	REQUIRE(background_in(&closing, "vendor_close", SETTLE_MS), "it is not being closed");
	/* a fatal one makes the others ask for a reset, which outvotes one that is lost */
	REQUIRE_OK(aer_inject(PORT, "POISON_TLP"));
	REQUIRE(klog_wait("device recovery ", 2 * SETTLE_MS, NULL, 0), "the host is not done");
	CHECK(klog_count("device recovery successful") == 1, "the host has given up");
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "not open");
	CHECK_NUMBER(s.group, "stats/own_resets", 0);
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	MEASURE_BOUND("closed_ms", background_ms(&closing, 2 * SETTLE_MS), CLOSE_MS + BUSY_MS);
	REQUIRE_OK(slow_end());
}

static void check_blocks(const char *driver)
{
	char addr[PCI_ADDR_LEN], expected[64], now[256];
	unsigned int warnings;
	struct shim s;

	REQUIRE_OK(pci_below(PORT, 1, addr));
	REQUIRE_OK(pci_bind(addr, driver));
	warnings = klog_count("have no error handler");
	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	snprintf(expected, sizeof(expected), "%s %s", addr, pci_port_addr(PORT));
	shim_status(s.group, "blockers", now, sizeof(now));
	CHECK(!strcmp(now, expected), "beside %s blockers are '%s', not '%s'", driver, now,
	      expected);
	CHECK(klog_count("have no error handler") == warnings + 1, "no warning of %s", driver);
	REQUIRE_OK(pci_bind(addr, "mdr-pci"));
	shim_status(s.group, "blockers", now, sizeof(now));
	CHECK(!now[0], "blockers are '%s'", now);
	REQUIRE_OK(mdev_remove(s.uuid));
}

SCENARIO(neighbour_without_handlers,
	 "a neighbour whose driver has no error handlers, or none for errors, is a blocker")
{
	REQUIRE_OK(module_load("mdev_recovery_stub"));
	check_blocks("mdr-stub");
	check_blocks("mdr-stub-reset");
}
