// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets that a user requests through config space: vfio-pci-core runs them in the
 * middle of the user's write, with the locks of that write held.
 */
#include "access_log.h"
#include "clock.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "uevent.h"

#define PORT "rp_igb2"
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define CAP_LIST 0x34
#define CAP_EXPRESS 0x10
#define EXP_DEVCTL 0x08
#define EXP_DEVCTL_FLR 0x8000
#define MAGIC 0x5a17c0de
#define RESETS 3
#define RESET_MS 1500
#define QUIET_MS 100

static struct vfio_user user;
static struct shim shim;

SCENARIO(config_reset_flr,
	 "a function level reset through config space waits for no access that waits for it")
{
	struct access_log logs[] = {
		{ .u = &user, .kind = ACCESS_PREAD, .region = BAR0, .off = NIC_STATUS },
		{ .u = &user, .kind = ACCESS_MAP_READ, .region = BAR0, .off = NIC_STATUS },
	};
	unsigned int at, devctl;
	struct uevent event;
	int uevents;
	uint64_t start_ns, longest_ns = 0;

	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	at = vfio_user_read(&user, VFIO_CONFIG, CAP_LIST, 1);
	while (at && vfio_user_read(&user, VFIO_CONFIG, at, 1) != CAP_EXPRESS)
		at = vfio_user_read(&user, VFIO_CONFIG, at + 1, 1);
	REQUIRE(at, "no PCI Express capability");
	devctl = vfio_user_read(&user, VFIO_CONFIG, at + EXP_DEVCTL, 2);

	for (unsigned int i = 0; i < 2; i++) {
		logs[i].value = nic_status(&user);
		REQUIRE_OK(access_start(&logs[i]));
	}
	uevents = uevent_listen();
	REQUIRE_OK(uevents < 0 ? uevents : 0);
	for (unsigned int i = 0; i < RESETS; i++) {
		REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, MAGIC));
		start_ns = now_ns();
		CHECK_OK(vfio_user_write(&user, VFIO_CONFIG, at + EXP_DEVCTL, 2,
					 devctl | EXP_DEVCTL_FLR));
		if (now_ns() - start_ns > longest_ns)
			longest_ns = now_ns() - start_ns;
		CHECK(vfio_user_read(&user, BAR0, NIC_SCRATCH, 4) == 0, "no reset");
	}
	for (unsigned int i = 0; i < 2; i++) {
		access_stop(&logs[i]);
		CHECK(!logs[i].wrong && !logs[i].ones && !logs[i].errors && !logs[i].faults,
		      "%u: %ju wrong, %ju ones, %ju errors, %ju faults, last %s", i,
		      logs[i].wrong, logs[i].ones, logs[i].errors, logs[i].faults,
		      strerror(logs[i].last_errno));
	}
	CHECK(!shim_number(shim.group, "stats/drain_timeouts"), "%ju drains timed out",
	      shim_number(shim.group, "stats/drain_timeouts"));
	/* a user that resets over and over must not keep the administrator's tools busy */
	CHECK(!uevent_wait(uevents, "MDR_STATE", NULL, QUIET_MS, &event), "a uevent: %s",
	      uevent_get(&event, "MDR_STATE"));
	CHECK_NUMBER(shim.group, "stats/host_resets", RESETS);
	CHECK(shim_is(shim.group, "open"), "group is not open");
	MEASURE_BOUND("reset_ms", longest_ns / NS_PER_MS, RESET_MS);
	MEASURE("user_resets", "%ju", shim_number(shim.group, "stats/user_resets"));
	MEASURE("host_resets", "%ju", shim_number(shim.group, "stats/host_resets"));
}
