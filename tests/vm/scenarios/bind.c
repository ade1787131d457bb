// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every later restore brings back the state of a function at its binding. So a function
 * that has lost its config space gets the kernel's copy first, and is refused if that is
 * lost as well.
 */
#include <errno.h>

#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "slot.h"
#include "slow.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_user.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define BAR0_AT 0x10
#define MEMORY 0x2
#define PORT "rp_igb2"
#define SETTLE_MS 5000
#define NO_ANSWER "does not answer: if it lost power"
#define NOT_CREATED "the function does not answer"
/* more than a burst of the log */
#define CREATES 30
#define NO_COPY "so is the kernel's copy"

static struct vfio_user user;

/* The function works, and what it is given back by a recovery works as well. */
static void check_good(struct shim *s, const char *port)
{
	uint32_t status;

	REQUIRE_OK(shim_create(s, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	status = nic_status(&user);
	vfio_user_close(&user);
	/* with nobody inside, what was found at binding is restored */
	REQUIRE_OK(strike(s, port, "DLP", "open"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS is %#x, was %#x",
	      vfio_user_read(&user, BAR0, NIC_STATUS, 4), status);
	vfio_user_close(&user);
}

SCENARIO(bind_silent,
	 "a function that does not answer is refused, and bound once it has its power back")
{
	struct shim s;

	REQUIRE_OK(slot_power(PORT, false));
	CHECK_ERRNO(shim_bind(&s, PORT, 0), ENODEV);
	CHECK(klog_count(NO_ANSWER) == 1, "%u lines", klog_count(NO_ANSWER));
	CHECK(shim_groups() == 0, "%d groups", shim_groups());
	REQUIRE_OK(slot_power(PORT, true));
	REQUIRE_OK(pci_below(PORT, 0, s.addr));
	CHECK(!pci_config_read(s.addr, BAR0_AT, 4), "it has its BARs: nothing is shown");
	REQUIRE_OK(shim_bind(&s, PORT, 0));
	check_good(&s, PORT);
}

SCENARIO(bind_after_error,
	 "a blocker that went through the reset is bound afterwards: it has its BARs, for good")
{
	struct shim s, late;

	REQUIRE_OK(shim_make(&s, "rp_igb", 0, "resume"));
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "1000"));
	REQUIRE_OK(pci_below("rp_igb", 1, late.addr));
	REQUIRE_OK(aer_inject("rp_igb", "DLP"));
	REQUIRE(klog_wait("device recovery failed", SETTLE_MS, NULL, 0), "not abandoned");
	REQUIRE(WAIT_FOR(shim_is(s.group, "open"), SETTLE_MS), "no own attempt");
	CHECK(!pci_config_read(late.addr, BAR0_AT, 4), "the blocker was not reset");
	REQUIRE_OK(shim_bind(&late, "rp_igb", 1));
	check_good(&late, "rp_igb");
}

SCENARIO(bind_in_recovery,
	 "bound while the host recovers a port above: refused, and bound once that is over")
{
	struct shim s, late;

	REQUIRE_OK(shim_bind_test(&s, "rp_igb", 0));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(shim_bind(&late, "rp_igb", 1));
	REQUIRE_OK(shim_test_set("resume_ms", "2000"));
	REQUIRE_OK(aer_inject("rp_igb", "POISON_TLP"));
	REQUIRE(shim_wait(s.group, "recovering", SETTLE_MS), "not recovering");
	/* the kernel leaves no mark on a function after a non-fatal error */
	REQUIRE_OK(pci_unbind(late.addr));
	CHECK_ERRNO(pci_bind(late.addr, "mdr-pci"), ENODEV);
	CHECK_ERRNO(sysfs_write(late.addr, "/sys/bus/pci/drivers/mdr-pci/bind"), EAGAIN);
	CHECK(shim_is(s.group, "recovering"), "it came too late");
	CHECK(klog_count("the host is recovering a port above") == 2, "nobody said so");
	REQUIRE(shim_wait(s.group, "open", SETTLE_MS), "not open");
	REQUIRE_OK(shim_bind(&late, "rp_igb", 1));
	check_good(&late, "rp_igb");
}

/* What the kernel saves when a function without a driver falls asleep. */
static void spoil_copy(const char *addr)
{
	char now[16] = "";

	REQUIRE_OK(sysfs_write("auto", "/sys/bus/pci/devices/%s/power/control", addr));
	for (int i = 0; i < SETTLE_MS / 10 && strcmp(now, "suspended"); i++) {
		sleep_ms(10);
		sysfs_read(now, sizeof(now), "/sys/bus/pci/devices/%s/power/runtime_status",
			   addr);
	}
	REQUIRE_OK(sysfs_write("on", "/sys/bus/pci/devices/%s/power/control", addr));
	REQUIRE(!strcmp(now, "suspended"), "it stays awake: %s", now);
}

SCENARIO(bind_copy_lost,
	 "blank, and the kernel's copy is blank too: refused; removed and rescanned it is bound")
{
	struct shim s;

	REQUIRE_OK(pci_below(PORT, 0, s.addr));
	REQUIRE_OK(pci_config_lose(s.addr));
	spoil_copy(s.addr);
	CHECK_ERRNO(shim_bind(&s, PORT, 0), ENODEV);
	CHECK(klog_count(NO_COPY) == 1, "%u lines", klog_count(NO_COPY));
	CHECK(shim_groups() == 0, "%d groups", shim_groups());
	REQUIRE_OK(pci_remove(s.addr));
	REQUIRE_OK(pci_rescan(PORT));
	REQUIRE(pci_wait_below(PORT, 1, SETTLE_MS), "it does not come back");
	REQUIRE_OK(shim_bind(&s, PORT, 0));
	check_good(&s, PORT);
}

SCENARIO(bind_misplaced,
	 "a BAR elsewhere than the kernel believes: put right before anything is kept of it")
{
	uint32_t bar;
	struct shim s;

	REQUIRE_OK(shim_bind(&s, PORT, 0));
	REQUIRE_OK(pci_unbind(s.addr));
	bar = pci_config_read(s.addr, BAR0_AT, 4);
	REQUIRE_OK(pci_config_write(s.addr, BAR0_AT, 4, bar ^ 0x10000000));
	CHECK(pci_config_read(s.addr, BAR0_AT, 4) != bar, "it cannot be written");
	REQUIRE_OK(shim_bind(&s, PORT, 0));
	CHECK(pci_config_read(s.addr, BAR0_AT, 4) == bar, "BAR 0 is %#x, was %#x",
	      pci_config_read(s.addr, BAR0_AT, 4), bar);
	check_good(&s, PORT);
}

SCENARIO(bind_create_silent,
	 "no mdev is made for a function that does not answer, and the log is not flooded")
{
	struct shim s;

	REQUIRE_OK(shim_bind(&s, PORT, 0));
	REQUIRE_OK(slow_function(s.addr, "now", 600000));
	for (int i = 0; i < CREATES; i++)
		CHECK_ERRNO(shim_create(&s, "resume"), EAGAIN);
	CHECK(klog_count(NOT_CREATED), "nothing is said");
	CHECK(klog_count(NOT_CREATED) < CREATES, "%u lines", klog_count(NOT_CREATED));
	REQUIRE_OK(slow_end());
	check_good(&s, PORT);
}
