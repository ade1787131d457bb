// SPDX-License-Identifier: GPL-2.0-only
/*
 * Type resume: the user waits at the gate while the host recovers, and then continues
 * with a working device.
 */
#include "access_log.h"
#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "nic_user.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "took.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define RECOVERY_MS 5000

static struct vfio_user user;

SCENARIO(resume_fatal_mapped_bar,
	 "a user spinning on a mapped BAR is held during a fatal error, then reads the right value")
{
	struct access_log log = {
		.u = &user, .kind = ACCESS_MAP_READ, .region = BAR0, .off = NIC_STATUS,
	};
	uint64_t recovery_ns;
	uint16_t command;
	struct shim s;

	REQUIRE_OK(shim_make(&s, "rp_igb2", 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	command = vfio_user_command(&user);
	log.value = nic_status(&user);
	REQUIRE_OK(access_start(&log));
	REQUIRE_OK(aer_inject("rp_igb2", "DLP"));
	CHECK(klog_wait("device recovery successful", RECOVERY_MS, NULL, 0),
	      "not in the kernel log");
	CHECK(shim_wait(s.group, "open", RECOVERY_MS), "group is not open");
	sleep_ms(50);
	access_stop(&log);

	recovery_ns = shim_number(s.group, "stats/recovery_ns_last");
	took_note(&s);
	CHECK(!log.wrong && !log.ones && !log.faults,
	      "%ju reads wrong, last %#x; %ju all-ones, %ju faults", log.wrong, log.last_wrong,
	      log.ones, log.faults);
	/* it never pauses, so it was at the gate nearly all the time */
	CHECK(log.longest_ns > recovery_ns / 2, "held for %ju ns of %ju", log.longest_ns,
	      recovery_ns);
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == log.value, "STATUS changed");
	CHECK(vfio_user_command(&user) == command, "COMMAND is %#x, was %#x",
	      vfio_user_command(&user), command);
	MEASURE_STALL("stall_ms", log.longest_ns);
	MEASURE_RECOVERY("recovery_ms", &s);
	MEASURE("reads", "%ju", log.count);
}
