// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two functions of one group, where the recovery does not end for both at once: a user
 * leaves, a function is removed, or one of them is reset by itself. The other one gets what
 * its type promises.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "access_log.h"
#include "background.h"
#include "clock.h"
#include "hot_reset.h"
#include "klog.h"
#include "moment.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_irq.h"
#include "vfio_status.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_e1000e"
#define SETTLE_MS 5000
#define LONG_MS "600000"
#define MASTER 0x4

static struct vfio_user user[2];
static struct access_log log_[2];
static struct shim s[2];

/* Both with a user; the first test ones are bound to the tests' own driver. */
static void open2(const char *p0, const char *p1, int test)
{
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(i < test ? shim_bind_test(&s[i], PORT, i) : shim_bind(&s[i], PORT, i));
		REQUIRE_OK(shim_create(&s[i], i ? p1 : p0));
		REQUIRE_OK(shim_set(&s[i], "recovery_timeout_ms", "1000"));
		REQUIRE_OK(vfio_user_open_in(&user[i], s[i].uuid, i ? user[0].space : NULL));
		log_[i].value = nic_status(&user[i]);
	}
}

static int recover(void)
{
	return sysfs_write("1", SHIM_CLASS "/group%d/recover", s[0].group);
}

/* The hold has ended, so a timeout that is written now ends nothing. */
static void check_stays_open(void)
{
	CHECK(shim_wait(s[1].group, "open", 1000), "not open, though nobody is to reset");
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_set(&s[i], "hold_timeout_ms", "0"));
	CHECK(!shim_wait(s[1].group, "evicting", 500), "the other one is evicted");
}

SCENARIO(pair_hold_leaves, "hold user of two closes: the other, of type resume, goes on")
{
	open2("hold", "resume", 0);
	REQUIRE_OK(shim_set(&s[0], "hold_timeout_ms", LONG_MS));
	REQUIRE_OK(strike(&s[1], PORT, "DLP", "holding"));
	close(user[0].device);
	user[0].device = -1;
	check_stays_open();
}

SCENARIO(pair_hold_leaves_both, "one of two hold users resets, the other closes: open")
{
	open2("hold", "hold", 0);
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_set(&s[i], "hold_timeout_ms", LONG_MS));
	REQUIRE_OK(strike(&s[1], PORT, "DLP", "holding"));
	REQUIRE_OK(vfio_user_reset(&user[1]));
	REQUIRE(shim_is(s[1].group, "holding"), "not holding");
	close(user[0].device);
	user[0].device = -1;
	check_stays_open();
}

SCENARIO(pair_hold_leaves_longer,
	 "the hold user with the shorter timeout closes: the other has its own, as last written")
{
	open2("hold", "hold", 0);
	REQUIRE_OK(shim_set(&s[0], "hold_timeout_ms", "5000"));
	REQUIRE_OK(shim_set(&s[1], "hold_timeout_ms", LONG_MS));
	REQUIRE_OK(strike(&s[1], PORT, "DLP", "holding"));
	close(user[0].device);
	user[0].device = -1;
	CHECK(!shim_wait(s[1].group, "evicting", 6000), "evicted by the timeout of the other");
	CHECK(shim_is(s[1].group, "holding"), "not holding");

	REQUIRE_OK(shim_set(&s[1], "hold_timeout_ms", "5000"));
	CHECK(shim_wait(s[1].group, "evicting", SETTLE_MS), "not evicted");
	CHECK_NUMBER(s[1].group, "stats/hold_timeouts", 1);
}

SCENARIO(pair_remove_failed_hold, "failed one removed: the other, of type hold, is held")
{
	open2("resume", "hold", 1);
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "failed"));
	close(user[0].device);
	user[0].device = -1;
	REQUIRE_OK(pci_unbind(s[0].addr));
	CHECK(shim_wait(s[1].group, "holding", 1000), "not holding");
	CHECK(!shim_is(s[1].group, "open"), "open without a reset of the hold user");
}

static struct nic_user nic;

static void intx_start(void)
{
	REQUIRE_OK(nic_user_start(&nic, &user[1], NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX));
	REQUIRE_OK(nic_user_interrupt(&nic, SETTLE_MS));
	REQUIRE_OK(vfio_irq_unmask_intx(&user[1]));
}

static void intx_check(void)
{
	note("COMMAND of the other is %#x", pci_command(s[1].addr));
	CHECK(!(pci_command(s[1].addr) & 0x400), "INTx is disabled in COMMAND");
	REQUIRE_OK(vfio_user_bus_master(&user[1], true));
	CHECK_OK(nic_user_raise(&nic, SETTLE_MS));
}

/* The first one is not well after an error: the group has failed, the second has INTx. */
static void fail_with_intx(void)
{
	open2("resume", "resume", 1);
	intx_start();
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "failed"));
}

SCENARIO(pair_remove_failed_intx, "failed one removed: INTx of the other works")
{
	fail_with_intx();
	close(user[0].device);
	user[0].device = -1;
	REQUIRE_OK(pci_unbind(s[0].addr));
	REQUIRE(shim_wait(s[1].group, "open", 1000), "not open");
	intx_check();
}

SCENARIO(pair_reset_failed_intx, "failed, then reset by one user: INTx of the other works")
{
	fail_with_intx();
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	REQUIRE_OK(vfio_user_reset(&user[0]));
	REQUIRE(shim_wait(s[1].group, "open", 1000), "not open");
	intx_check();
}

SCENARIO(pair_recover_failed_intx, "failed, then recover: INTx of the other works")
{
	fail_with_intx();
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	REQUIRE_OK(recover());
	REQUIRE(shim_wait(s[1].group, "open", 1000), "not open");
	intx_check();
}

static int reset_first(const char *name)
{
	return pci_reset(name);
}

SCENARIO(pair_reset_in_own_attempt,
	 "a reset from outside while the shim's own attempt waits: the gate stays closed")
{
	struct background r = { .call = reset_first };
	long before;
	int ret;

	if (!shim_test_gives_up())
		SKIP("this kernel does not say that it gives up");
	open2("resume", "resume", 2);
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_set(&s[i], "recovery_timeout_ms", "20000"));
	REQUIRE_OK(shim_test_set("ill", s[1].addr));
	REQUIRE_OK(shim_test_set("ill_resets", "9"));
	before = shim_test_count("restores");
	ret = shim_test_recover(PORT, "frozen", "fail", 0);
	if (ret == -EOPNOTSUPP)
		SKIP("nothing finds pcie_do_recovery()");
	REQUIRE_OK(ret);
	REQUIRE(WAIT_FOR(shim_test_count("restores") >= before + 2, SETTLE_MS), "no restores");
	REQUIRE(shim_wait(s[0].group, "recovering", SETTLE_MS), "not recovering");
	REQUIRE_OK(shim_test_set("reset_done_ms", "2500"));
	r.name = s[0].addr;
	background_start(&r);
	REQUIRE(background_in(&r, "test_reset_done", SETTLE_MS), "no reset is run");
	REQUIRE_OK(shim_test_set("ill_resets", "0"));
	CHECK(!shim_wait(s[0].group, "open", 1500) || atomic_load(&r.done),
	      "the gate is open in the middle of a reset from outside");
	REQUIRE(WAIT_FOR(atomic_load(&r.done), SETTLE_MS), "the reset does not end");
	CHECK(shim_wait(s[0].group, "open", SETTLE_MS), "not open in the end");
}

/* The attempt ends well while a reset of the first function goes on, which undoes that. */
SCENARIO(pair_reset_undoes_own_attempt,
	 "a reset from outside undoes the shim's own attempt: failed, and no other attempt")
{
	struct background r = { .call = reset_first };
	long before;

	open2("resume", "resume", 2);
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_set(&s[i], "recovery_timeout_ms", "60000"));
		REQUIRE_OK(vfio_user_bus_master(&user[i], true));
	}
	/*
	 * For each function in slot_reset, and once more after it: the attempt begins at once.
	 * If the host still has the second one then, the first one fails again in the attempt,
	 * and both are reset and restored once more.
	 */
	REQUIRE_OK(shim_test_set("restore_fails", "4"));
	REQUIRE_OK(shim_test_set("ill", s[1].addr));
	REQUIRE_OK(shim_test_set("ill_resets", "99"));
	before = shim_test_count("restores");
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	/* it waits for the second one, and the first one is well */
	REQUIRE(WAIT_FOR(shim_test_count("restores") >= before + 6 &&
			 pci_command(s[0].addr) & MASTER, SETTLE_MS),
		"%ld restores", shim_test_count("restores") - before);
	CHECK(klog_count("resetting it again") == 1, "%u attempts",
	      klog_count("resetting it again"));
	REQUIRE_OK(shim_test_set("reset_done_ms", "5000"));
	r.name = s[0].addr;
	background_start(&r);
	REQUIRE(background_in(&r, "test_reset_done", SETTLE_MS), "no reset is run");
	REQUIRE_OK(shim_test_set("restore_error", "-5"));
	REQUIRE_OK(shim_test_set("ill_resets", "0"));
	/* the last step of its restore, and of the attempt */
	REQUIRE(WAIT_FOR(pci_command(s[1].addr) & MASTER, SETTLE_MS), "the attempt does not end");
	REQUIRE(!atomic_load(&r.done), "the reset was faster: nothing is shown");
	REQUIRE(WAIT_FOR(atomic_load(&r.done), 2 * SETTLE_MS), "the reset does not end");
	CHECK(shim_wait(s[0].group, "failed", SETTLE_MS), "not failed");
	CHECK(klog_count("resetting it again") == 1, "%u attempts for one event",
	      klog_count("resetting it again"));
	REQUIRE_OK(shim_test_set("reset_done_ms", "0"));
	REQUIRE_OK(shim_test_set("restore_error", "0"));
	CHECK_OK(recover());
	CHECK(shim_is(s[0].group, "open"), "not open after recover");
}

SCENARIO(pair_unbind_in_sync,
	 "a function that a worker has in hand is unbound: the worker is done before it is gone")
{
	struct background b = { .call = pci_unbind };
	long before;

	REQUIRE_OK(moment_load());
	open2("resume", "resume", 0);
	before = moment_count("synced");
	REQUIRE_OK(moment_set("sync_ms", "1500"));
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	REQUIRE(WAIT_FOR(moment_count("syncs") > before, SETTLE_MS), "no device is in hand");
	b.name = s[0].addr;
	background_start(&b);
	REQUIRE(background_in(&b, "mdr_device_revoke", SETTLE_MS), "it does not wait for its user");
	close(user[0].device);
	user[0].device = -1;
	background_ms(&b, SETTLE_MS);
	CHECK_OK(b.ret);
	/* the module of its parent driver might be unloaded now */
	CHECK(moment_count("synced") > before, "a worker still has it");
	REQUIRE_OK(moment_set("sync_ms", "0"));
	CHECK(shim_wait(s[1].group, "open", SETTLE_MS), "not open");
	CHECK(vfio_user_read(&user[1], BAR0, NIC_STATUS, 4) == log_[1].value, "STATUS changed");
}

SCENARIO(pair_reset_fails_mapped, "a user's reset fails the group: the other's map is away")
{
	volatile uint32_t *map;
	uint32_t value;

	open2("resume", "resume", 1);
	map = vfio_user_map(&user[1], BAR0);
	REQUIRE(map, "no map");
	value = map[NIC_STATUS / 4];
	REQUIRE_OK(shim_test_set("restore_error", "-5"));
	CHECK(vfio_user_reset(&user[0]), "the reset succeeds");
	REQUIRE(shim_wait(s[0].group, "failed", SETTLE_MS), "not failed");
	CHECK(vfio_user_read(&user[1], BAR0, NIC_STATUS, 4) == ~0u, "pread reaches it");
	CHECK(map[NIC_STATUS / 4] == ~0u, "the mapping reaches it: %#x (was %#x)",
	      map[NIC_STATUS / 4], value);
	REQUIRE_OK(shim_test_set("restore_error", "0"));
	log_[1].u = &user[1];
	log_[1].kind = ACCESS_MAP_READ;
	log_[1].region = BAR0;
	log_[1].off = NIC_STATUS;
	log_[1].pause_us = 50;
	REQUIRE_OK(access_start(&log_[1]));
	CHECK_OK(recover());
	access_stop(&log_[1]);
	CHECK(log_[1].ones > 0, "recover was too fast: nothing is shown");
	CHECK(!log_[1].wrong, "%ju of %ju reads through the mapping were wrong", log_[1].wrong,
	      log_[1].count);
}

/* The second function stays ill, and so the group is failed; the first user has answered. */
static void answer_in_failed(void)
{
	open2("hold", "hold", 2);
	REQUIRE_OK(shim_test_set("ill", s[1].addr));
	REQUIRE_OK(shim_test_set("ill_resets", "1000"));
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "failed"));
	REQUIRE_OK(vfio_user_reset(&user[0]));
	CHECK(shim_is(s[0].group, "failed"), "not failed any more");
	REQUIRE_OK(shim_test_set("ill_resets", "0"));
}

static void check_next(int i, uint32_t next)
{
	struct mdr_status status;

	REQUIRE_OK(vfio_status(&user[i], &status));
	CHECK(status.next == next, "user %d: next is %u", i, status.next);
}

SCENARIO(pair_failed_hold_recovered,
	 "a user has reset its function in failed, then recover does: it has to answer once more")
{
	answer_in_failed();
	CHECK_OK(recover());
	CHECK(shim_is(s[0].group, "holding"), "not holding");
	check_next(0, MDR_NEXT_RESET);
	REQUIRE_OK(vfio_user_reset(&user[1]));
	CHECK(shim_is(s[0].group, "holding"), "the other one's reset opened the gate");
	REQUIRE_OK(vfio_user_reset(&user[0]));
	CHECK(shim_is(s[0].group, "open"), "not open after both resets");
}

SCENARIO(pair_failed_hold_left,
	 "a user has reset its function in failed, and the other leaves with its own: it goes on")
{
	answer_in_failed();
	vfio_user_close(&user[1]);
	REQUIRE_OK(pci_unbind(s[1].addr));
	CHECK(shim_wait(s[0].group, "open", SETTLE_MS), "not open");
	check_next(0, MDR_NEXT_NOTHING);
}

SCENARIO(pair_late_hold, "host late after recover: a hold user is told to reset again")
{
	struct mdr_status status = {};
	int ret;

	open2("hold", "resume", 2);
	REQUIRE_OK(shim_set(&s[0], "recovery_timeout_ms", "200"));
	REQUIRE_OK(shim_set(&s[0], "hold_timeout_ms", "20000"));
	ret = shim_test_recover(PORT, "frozen", "ok", 6000);
	if (ret == -EOPNOTSUPP)
		SKIP("nothing finds pcie_do_recovery()");
	REQUIRE_OK(ret);
	REQUIRE(shim_wait(s[0].group, "failed", SETTLE_MS), "not failed");
	REQUIRE_OK(shim_set(&s[0], "recovery_timeout_ms", "20000"));
	REQUIRE_OK(shim_set(&s[1], "recovery_timeout_ms", "20000"));
	REQUIRE_OK(recover());
	REQUIRE(shim_is(s[0].group, "holding"), "not holding");
	REQUIRE_OK(vfio_user_reset(&user[0]));
	REQUIRE(shim_is(s[0].group, "open"), "not open");
	REQUIRE(shim_wait(s[0].group, "holding", 8000), "not holding again");
	REQUIRE_OK(vfio_status(&user[0], &status));
	CHECK(status.next == MDR_NEXT_RESET, "next is %u, the user is not told to reset",
	      status.next);
}

SCENARIO(pair_remove_pending,
	 "the function that a group waits for, since the host forgot it, is unbound: it opens")
{
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(i ? shim_bind_test(&s[i], PORT, i) : shim_bind(&s[i], PORT, i));
	REQUIRE_OK(shim_create(&s[0], "resume"));
	REQUIRE_OK(shim_set(&s[0], "recovery_timeout_ms", "60000"));
	REQUIRE_OK(vfio_user_open(&user[0], s[0].uuid));
	log_[0].value = nic_status(&user[0]);
	REQUIRE_OK(shim_test_set("drop_resume", "1"));
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "recovering"));
	REQUIRE(WAIT_FOR(klog_count("device recovery successful"), SETTLE_MS), "not done");
	CHECK(shim_is(s[0].group, "recovering"), "it does not wait for the other");
	CHECK_OK(pci_unbind(s[1].addr));
	CHECK(shim_wait(s[0].group, "open", SETTLE_MS), "it still waits");
	CHECK(vfio_user_read(&user[0], BAR0, NIC_STATUS, 4) == log_[0].value, "STATUS changed");
	REQUIRE_OK(shim_test_set("drop_resume", "0"));
}

SCENARIO(pair_reset_in_late_restore,
	 "a reset of one function ends the late restore of the other, which is slow: made again")
{
	open2("resume", "resume", 2);
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_set(&s[i], "recovery_timeout_ms", "500"));
	REQUIRE_OK(shim_test_set("resume_ms", "800"));
	REQUIRE_OK(shim_test_set("ill", s[1].addr));
	REQUIRE_OK(shim_test_set("ill_resets", "99"));
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "failed"));
	REQUIRE(klog_wait("device recovery successful", SETTLE_MS, NULL, 0),
		"the host is not done");
	/* the worker waits for the second one, and a reset takes over */
	CHECK_OK(vfio_user_reset(&user[0]));
	REQUIRE(shim_is(s[0].group, "failed"), "not failed any more: nothing is shown");
	REQUIRE_OK(shim_test_set("ill_resets", "0"));
	CHECK(shim_wait(s[0].group, "open", 6000), "nobody looks at the other again");
	for (int i = 0; i < 2; i++)
		CHECK(vfio_user_read(&user[i], BAR0, NIC_STATUS, 4) == log_[i].value,
		      "function %d: STATUS changed", i);
}

static int recover_group(const char *name)
{
	return sysfs_write("1", SHIM_CLASS "/%s/recover", name);
}

/* The reset begins when nothing is left to restore, so its end decides for both. */
SCENARIO(pair_evict_in_host_reset,
	 "recover of two of type evict ends in a reset from outside: the users are asked to leave")
{
	struct background r = { .call = recover_group }, o = { .call = reset_first };
	char name[16];
	long before;

	REQUIRE_OK(moment_load());
	open2("evict", "evict", 2);
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s[0], PORT, "DLP", "failed"));
	REQUIRE(klog_wait("device recovery successful", SETTLE_MS, NULL, 0),
		"the host is not done");
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	REQUIRE_OK(shim_test_set("reset_done_ms", "3000"));
	before = moment_count("syncs");
	REQUIRE_OK(moment_set("sync_ms", "2000"));
	snprintf(name, sizeof(name), "group%d", s[0].group);
	r.name = name;
	background_start(&r);
	/* the second one is in hand: the first one can be reset */
	REQUIRE(WAIT_FOR(moment_count("syncs") == before + 2, 2 * SETTLE_MS),
		"recover does not get so far");
	o.name = s[0].addr;
	background_start(&o);
	background_ms(&r, SETTLE_MS);
	CHECK_OK(r.ret);
	REQUIRE(!atomic_load(&o.done), "the reset was faster: nothing is shown");
	background_ms(&o, 2 * SETTLE_MS);
	CHECK_OK(o.ret);
	REQUIRE_OK(moment_set("sync_ms", "0"));
	/* the worker makes INTx match first, which the moment has kept the reset from */
	CHECK(shim_wait(s[0].group, "evicting", 2 * SETTLE_MS), "its users are not asked to leave");
	for (int i = 0; i < 2; i++)
		vfio_user_close(&user[i]);
	CHECK(shim_wait(s[0].group, "open", SETTLE_MS), "not open without a user");
}
