// SPDX-License-Identifier: GPL-2.0-only
/*
 * Config space and resets: those that a user requests through it run in the middle of the
 * user's write, with the locks of that write held; in those from outside it is blocked.
 */
#include <stdatomic.h>
#include <string.h>

#include "access_log.h"
#include "background.h"
#include "clock.h"
#include "moment.h"
#include "nic_user.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "sysfs.h"
#include "trace.h"
#include "uevent.h"

#define PORT "rp_igb2"
/* two functions, one group */
#define PAIR "rp_e1000e"
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

#define COMMAND 0x04
#define COMMAND_SERR 0x100
/* a write to COMMAND takes that long, with memory_lock of vfio-pci-core held */
#define WRITE "300"
#define WRITE_MS 300
#define SLOW_MS 300
#define SETTLE_MS 5000

static uint32_t command;

static int write_command(const char *unused)
{
	(void)unused;
	return vfio_user_write(&user, VFIO_CONFIG, COMMAND, 2, command ^ COMMAND_SERR);
}

static int reset_host(const char *addr)
{
	return pci_reset(addr);
}

SCENARIO(config_reset_command,
	 "a reset from outside in the middle of a write to COMMAND: nobody waits a second")
{
	struct background write = { .call = write_command }, reset = { .call = reset_host };
	struct access_log log = { .u = &user, .kind = ACCESS_PREAD, .off = NIC_STATUS };
	int64_t drain_ns;

	REQUIRE_OK(moment_load());
	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	log.value = nic_status(&user);
	command = vfio_user_read(&user, VFIO_CONFIG, COMMAND, 2);
	REQUIRE_OK(moment_set("command_ms", WRITE));
	REQUIRE_OK(trace_start(NULL));
	reset.name = shim.addr;
	/* inside, it waits for the write */
	REQUIRE_OK(access_start(&log));
	background_start(&write);
	REQUIRE(WAIT_FOR(moment_count("commands") > 0, SETTLE_MS), "no write");
	background_start(&reset);
	background_ms(&write, SETTLE_MS);
	background_ms(&reset, SETTLE_MS);
	REQUIRE_OK(moment_set("command_ms", "0"));
	access_stop(&log);
	trace_stop();
	drain_ns = trace_longest_drain();
	trace_end();
	REQUIRE(moment_count("late_commands") == 1, "%ld writes met the closed gate",
		moment_count("late_commands"));
	CHECK_OK(write.ret);
	CHECK_OK(reset.ret);
	CHECK(!log.wrong && !log.ones && !log.errors, "%ju wrong, %ju ones, %ju errors", log.wrong,
	      log.ones, log.errors);
	CHECK_NUMBER(shim.group, "stats/drain_timeouts", 0);
	/* it came before the reset, which keeps config space */
	CHECK(pci_command(shim.addr) == (command ^ COMMAND_SERR), "COMMAND is %#x, not %#x",
	      pci_command(shim.addr), command ^ COMMAND_SERR);
	MEASURE_BOUND("drain_ms", drain_ns / NS_PER_MS, WRITE_MS + SLOW_MS);
}

SCENARIO(config_reset_bus,
	 "a user in config space of one function does not hold up a reset of the bus from outside")
{
	struct access_log log = {
		.u = &user, .kind = ACCESS_PREAD, .region = VFIO_CONFIG, .off = COMMAND,
		.ignore = 0xffff0000,
	};
	struct shim first;

	REQUIRE_OK(shim_bind_test(&first, PAIR, 0));
	REQUIRE_OK(shim_bind_test(&shim, PAIR, 1));
	REQUIRE(first.group == shim.group, "groups %d and %d", first.group, shim.group);
	if (!sysfs_exists("/sys/bus/pci/devices/%s/reset_subordinate", pci_port_addr(PAIR)))
		SKIP("this kernel resets no bus with several functions for an administrator");
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	log.value = vfio_user_command(&user);
	REQUIRE_OK(access_start(&log));
	/* config space of both is blocked, and the gate still open */
	REQUIRE_OK(shim_test_set("reset_prepare_ms", "200"));
	CHECK_OK(sysfs_write("1", "/sys/bus/pci/devices/%s/reset_subordinate",
			     pci_port_addr(PAIR)));
	access_stop(&log);
	CHECK(!log.wrong && !log.ones && !log.errors, "%ju wrong (%#x), %ju all-ones, %ju errors",
	      log.wrong, log.last_wrong, log.ones, log.errors);
	CHECK(log.longest_ns > 200 * NS_PER_MS, "nobody was in config space: nothing is shown");
	CHECK_NUMBER(shim.group, "stats/host_resets", 2);
	CHECK_NUMBER(shim.group, "stats/drain_timeouts", 0);
	CHECK(shim_is(shim.group, "open"), "not open");
}
