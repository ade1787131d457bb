// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function of a group is removed by surprise while the group recovers. The kernel knows
 * that it is gone before it unbinds the driver, and tells it nothing from then on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "background.h"
#include "client.h"
#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "nic_user.h"
#include "resets.h"
#include "scenario.h"
#include "sysfs.h"
#include "vfio_irq.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define SETTLE_MS 5000
#define QUIET_MS 200
#define INTX_DISABLE 0x400
#define SUCCESSFUL "device recovery successful"

static struct client stays = { .port = "deep_a", .test = true };
static struct client goes = { .port = "deep_b", .test = true, .with = &stays };

static void start(void)
{
	struct shim parked;

	client_start(&stays);
	client_start(&goes);
	client_park("deeper_a", &parked);
	REQUIRE(stays.s.group == goes.s.group, "groups %d and %d", stays.s.group, goes.s.group);
}

static void check_goes_on(void)
{
	CHECK(shim_wait(stays.s.group, "open", SETTLE_MS), "not open");
	CHECK(vfio_user_read(&stays.u, BAR0, NIC_STATUS, 4) == stays.log.value, "STATUS changed");
	CHECK(pci_command(stays.s.addr) == stays.command, "COMMAND is %#x, was %#x",
	      pci_command(stays.s.addr), stays.command);
}

static int remove_it(const char *addr)
{
	return pci_remove(addr);
}

/* What pciehp does next; it waits for the user. */
static void remove_what_is_gone(void)
{
	struct background removal = { .call = remove_it, .name = goes.s.addr };

	background_start(&removal);
	REQUIRE(background_in(&removal, "mdr_device_revoke", SETTLE_MS), "it does not wait");
	check_goes_on();
	access_stop(&goes.log);
	vfio_user_close(&goes.u);
	background_ms(&removal, SETTLE_MS);
	CHECK_OK(removal.ret);
	REQUIRE_OK(resets_watch("none"));
	client_stop_lost(&stays);
	REQUIRE_OK(pci_rescan("deep_b"));
}

SCENARIO(gone_in_walk,
	 "a function vanishes in the middle of the host's walk: the other one of its group goes on")
{
	long before;

	start();
	before = shim_test_count("slot_resets");
	REQUIRE_OK(shim_test_set("slot_reset_ms", "1500"));
	REQUIRE_OK(aer_inject("rp_deep", "DLP"));
	/* the first function's, with its lock held */
	REQUIRE(WAIT_FOR(shim_test_count("slot_resets") > before, SETTLE_MS), "no slot_reset");
	REQUIRE_OK(resets_vanish(goes.s.addr));
	REQUIRE(WAIT_FOR(klog_count(SUCCESSFUL), SETTLE_MS), "the host is not done");
	CHECK(shim_test_count("slot_resets") == before + 1, "both were told: nothing is shown");
	check_goes_on();
	CHECK_NUMBER(stays.s.group, "stats/failures", 0);
	CHECK_NUMBER(stays.s.group, "stats/recoveries", 1);
	REQUIRE_OK(shim_test_set("slot_reset_ms", "0"));
	remove_what_is_gone();
}

SCENARIO(gone_in_restore,
	 "a function that a group waits for vanishes: the other one goes on, without a reset")
{
	long resets;

	REQUIRE_OK(resets_load());
	start();
	REQUIRE_OK(shim_test_set("ill", goes.s.addr));
	REQUIRE_OK(shim_test_set("ill_resets", "1000"));
	REQUIRE_OK(aer_inject("rp_deep", "DLP"));
	REQUIRE(WAIT_FOR(klog_count(SUCCESSFUL), SETTLE_MS), "the host is not done");
	REQUIRE(shim_is(stays.s.group, "recovering"), "it does not wait");
	resets = resets_seen("flrs") + resets_seen("resets");
	REQUIRE_OK(resets_vanish(goes.s.addr));
	check_goes_on();
	CHECK(resets_seen("flrs") + resets_seen("resets") == resets, "the other one was reset");
	CHECK_NUMBER(stays.s.group, "stats/failures", 0);
	remove_what_is_gone();
}

SCENARIO(gone_before_resume,
	 "the host does not come back to a function that vanishes: its unbinding is enough")
{
	stays.test = false;
	start();
	REQUIRE_OK(shim_test_set("drop_resume", "1"));
	REQUIRE_OK(aer_inject("rp_deep", "DLP"));
	REQUIRE(WAIT_FOR(klog_count(SUCCESSFUL), SETTLE_MS), "the host is not done");
	REQUIRE(shim_is(stays.s.group, "recovering"), "it does not wait");
	REQUIRE_OK(resets_vanish(goes.s.addr));
	remove_what_is_gone();
}

/* The group fails for a function that is not well, and then that is gone. */
static void fail_and_vanish(void)
{
	REQUIRE_OK(shim_set(&stays.s, "recovery_timeout_ms", "500"));
	REQUIRE_OK(shim_test_set("ill", goes.s.addr));
	REQUIRE_OK(shim_test_set("ill_resets", "1000"));
	REQUIRE_OK(aer_inject("rp_deep", "DLP"));
	client_check_lost(&stays, 2 * SETTLE_MS);
	REQUIRE_OK(resets_vanish(goes.s.addr));
}

SCENARIO(gone_in_failed,
	 "the function that fails a group vanishes: recover brings the other one back")
{
	start();
	fail_and_vanish();
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", stays.s.group));
	check_goes_on();
	remove_what_is_gone();
}

SCENARIO(gone_then_reset,
	 "the function that fails a group vanishes, and the other one is reset: INTx is on again")
{
	int intx;

	start();
	REQUIRE_OK(vfio_irq_enable(&stays.u, VFIO_PCI_INTX_IRQ_INDEX, 1, &intx));
	stays.command = pci_command(stays.s.addr);
	REQUIRE(!(stays.command & INTX_DISABLE), "COMMAND is %#x", stays.command);
	fail_and_vanish();
	REQUIRE_OK(pci_reset(stays.s.addr));
	check_goes_on();
	remove_what_is_gone();
}

SCENARIO(gone_untold,
	 "given up without a reset, while the one to be told next is being unbound: it is reset")
{
	struct background unbinding = { .call = pci_unbind, .name = goes.s.addr };
	char again[64];
	int ret;

	if (!shim_test_gives_up())
		SKIP("this kernel does not say that it gives up");
	start();
	/* at the gate it could not leave */
	access_stop(&goes.log);
	ret = shim_test_recover("rp_deep", "frozen", "fail", 1500);
	if (ret == -EOPNOTSUPP)
		SKIP("this kernel's recovery cannot be called");
	REQUIRE_OK(ret);
	REQUIRE(shim_wait(stays.s.group, "recovering", SETTLE_MS), "not recovering");
	background_start(&unbinding);
	REQUIRE(background_in(&unbinding, "mdr_device_revoke", SETTLE_MS), "it does not wait");
	/* the walk has given the first up, and waits for the lock of the other one */
	sleep_ms(patient_ms(2500));
	REQUIRE(shim_is(stays.s.group, "recovering"), "it does not wait for the other one");
	vfio_user_close(&goes.u);
	background_ms(&unbinding, SETTLE_MS);
	CHECK_OK(unbinding.ret);
	check_goes_on();
	snprintf(again, sizeof(again), "group%d: event %ju: not restored", stays.s.group,
		 (uintmax_t)shim_number(stays.s.group, "event"));
	CHECK(klog_count(again) == 1, "let in without a reset");
	client_stop(&stays);
}

SCENARIO(gone_then_given_up,
	 "the host gives up on a function that has vanished: the other one of its group goes on")
{
	start();
	REQUIRE_OK(pci_config_lose(goes.s.addr));
	REQUIRE_OK(resets_vanish(goes.s.addr));
	/* 7.3 does so in each walk that it abandons */
	REQUIRE_OK(resets_give_up(goes.s.addr));
	CHECK_NUMBER(stays.s.group, "event", 0);
	client_check_whole(&stays, QUIET_MS);
	remove_what_is_gone();
}

SCENARIO(gone_blocks,
	 "a function that has vanished blocks non-fatal errors: it is listed; the other comes back")
{
	char expected[64], now[256];

	start();
	REQUIRE_OK(shim_set(&stays.s, "recovery_timeout_ms", "1000"));
	REQUIRE_OK(resets_vanish(goes.s.addr));
	snprintf(expected, sizeof(expected), "%s %s", goes.s.addr, pci_port_addr("rp_deep"));
	shim_status(stays.s.group, "blockers", now, sizeof(now));
	CHECK(!strcmp(now, expected), "blockers are '%s', not '%s'", now, expected);
	REQUIRE_OK(aer_inject("rp_deep", "POISON_TLP"));
	REQUIRE(WAIT_FOR(klog_count("device recovery failed"), SETTLE_MS), "it does not block");
	/* 6.12 does not say that it gives up, and nothing shows that no reset comes */
	REQUIRE(WAIT_FOR(shim_is(stays.s.group, "failed") ||
			 shim_number(stays.s.group, "stats/recoveries"), SETTLE_MS), "not decided");
	if (shim_is(stays.s.group, "failed"))
		CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", stays.s.group));
	remove_what_is_gone();
}
