// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors that reach the kernel through the firmware, which has kept AER for
 * itself: no interrupt of a root port, but GHES with the address of a function.
 */
#include <errno.h>
#include <string.h>

#include "access_log.h"
#include "klog.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define SETTLE_MS 5000

static struct vfio_user user;

/* Strike a function with an error while its user reads without a pause. */
static void tell(const char *severity)
{
	struct access_log log = {
		.u = &user, .kind = ACCESS_MAP_READ, .region = BAR0,
		.off = NIC_STATUS, .pause_us = 200,
	};
	char cause[32] = "";
	uint64_t before;
	struct shim s;
	int ret;

	REQUIRE_OK(shim_bind_test(&s, "rp_igb2", 0));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	log.value = vfio_user_read(&user, BAR0, NIC_STATUS, 4);
	before = shim_number(s.group, "event");
	REQUIRE_OK(access_start(&log));
	ret = shim_test_firmware(&s, severity);
	if (ret == -EOPNOTSUPP)
		SKIP("this kernel takes no errors from the firmware");
	REQUIRE_OK(ret);
	CHECK(klog_wait("device recovery successful", SETTLE_MS, NULL, 0),
	      "not in the kernel log");
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "group is not open");
	access_stop(&log);
	CHECK(!log.wrong && !log.ones && !log.faults, "%ju wrong, %ju ones, %ju faults",
	      log.wrong, log.ones, log.faults);
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == log.value, "STATUS is %#x, was %#x",
	      vfio_user_read(&user, BAR0, NIC_STATUS, 4), log.value);
	CHECK(pci_command(s.addr) & 0x2, "COMMAND is %#x", pci_command(s.addr));
	CHECK(shim_number(s.group, "event") > before, "event is %ju", before);
	shim_status(s.group, "cause", cause, sizeof(cause));
	CHECK(!strcmp(cause, severity), "cause is %s", cause);
	MEASURE("recovery_ms", "%ju", shim_recovery_ms(s.group));
}

SCENARIO(firmware_fatal, "a fatal error that the firmware reports is recovered like one of AER")
{
	tell("fatal");
}

SCENARIO(firmware_nonfatal,
	 "a non-fatal error that the firmware reports is recovered like one of AER")
{
	tell("nonfatal");
}
