// SPDX-License-Identifier: GPL-2.0-only
/*
 * reset_elision=pristine: a reset is left out only if nothing at all has passed the
 * gate since the host's own reset. After one access the reset is carried out.
 */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "slow.h"
#include "strike.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
/* two functions, one group */
#define PAIR_PORT "rp_e1000e"
#define JUNK 0x55
#define CLASS_REVISION 0x08
#define MASTER 0x4
#define RESET_MS 1500
#define SETTLE_MS 5000

static struct vfio_user user;
static struct shim shim;
static uint32_t status;

static void start(const char *policy, const char *elision)
{
	REQUIRE_OK(shim_make(&shim, PORT, 0, policy));
	REQUIRE_OK(shim_set(&shim, "reset_elision", elision));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	status = nic_status(&user);
	REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, JUNK));
	/* mapped and present, so that only the zap stops loads */
	REQUIRE(vfio_user_map(&user, BAR0), "mmap");
	CHECK(*(volatile uint32_t *)((char *)vfio_user_map(&user, BAR0) + NIC_SCRATCH) == JUNK,
	      "no junk to clear");
}

/* Runs the user's reset; returns its duration in milliseconds. */
static uint64_t reset(uint64_t elided, uint64_t real)
{
	uint64_t begin = now_ns();

	REQUIRE_OK(vfio_user_reset(&user));
	begin = (now_ns() - begin) / NS_PER_MS;
	CHECK(shim_number(shim.group, "stats/elided_resets") == elided, "elided are %ju, not %ju",
	      shim_number(shim.group, "stats/elided_resets"), elided);
	CHECK(shim_number(shim.group, "stats/user_resets") == real, "real are %ju, not %ju",
	      shim_number(shim.group, "stats/user_resets"), real);
	CHECK(shim_is(shim.group, "open"), "not open after the reset");
	return begin;
}

static void check_device(void)
{
	CHECK(vfio_user_read(&user, BAR0, NIC_SCRATCH, 4) == 0, "SCRATCH is %#x",
	      vfio_user_read(&user, BAR0, NIC_SCRATCH, 4));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

SCENARIO(elision_hold,
	 "hold: the reset that answers the host's is left out, its effect is there all the same")
{
	uint64_t elided_ms, real_ms;
	uint16_t command;

	start("hold", "pristine");
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	elided_ms = reset(1, 0);
	command = pci_command(shim.addr);
	CHECK(!(command & MASTER), "COMMAND is %#x", command);
	/* still as the host left it */
	reset(2, 0);
	check_device();

	/* that was an access: this reset is a real one, and so is the next */
	real_ms = reset(2, 1);
	CHECK(pci_command(shim.addr) == command, "COMMAND is %#x, %#x after the elided one",
	      pci_command(shim.addr), command);
	reset(2, 2);
	check_device();
	MEASURE_BOUND("elided_ms", elided_ms, RESET_MS);
	MEASURE_BOUND("real_ms", real_ms, RESET_MS);
}

SCENARIO(elision_undrained,
	 "an access that the drain of the error gave up on may come late: the reset is a real one")
{
	struct waiter slow = {
		.u = &user, .kind = WAITER_PREAD, .region = VFIO_CONFIG, .off = CLASS_REVISION,
	};

	start("hold", "pristine");
	REQUIRE_OK(slow_block(shim.addr));
	REQUIRE_OK(waiter_start(&slow));
	REQUIRE(waiter_in(&slow, "pci_wait_cfg", SETTLE_MS), "nobody is inside");
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	REQUIRE(WAIT_FOR(shim_number(shim.group, "stats/drain_timeouts"), SETTLE_MS),
		"the drain does not wait for it, or for ever");
	REQUIRE_OK(slow_unblock());
	REQUIRE(waiter_ended(&slow, SETTLE_MS), "it does not end");
	REQUIRE(shim_wait(shim.group, "holding", SETTLE_MS), "not holding");
	reset(0, 1);
	check_device();
}

SCENARIO(elision_undrained_one,
	 "a drain gave up on an access, that of the next function did not: the reset is a real one")
{
	struct waiter slow = {
		.u = &user, .kind = WAITER_PREAD, .region = VFIO_CONFIG, .off = CLASS_REVISION,
	};
	struct shim other;

	REQUIRE_OK(shim_bind_test(&shim, PAIR_PORT, 0));
	REQUIRE_OK(shim_bind_test(&other, PAIR_PORT, 1));
	REQUIRE(shim.group == other.group, "groups %d and %d", shim.group, other.group);
	REQUIRE_OK(shim_create(&shim, "hold"));
	REQUIRE_OK(shim_set(&shim, "reset_elision", "pristine"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	/* the access ends between the two drains */
	REQUIRE_OK(shim_test_set("prepare_ms", "1000"));
	REQUIRE_OK(slow_block(shim.addr));
	REQUIRE_OK(waiter_start(&slow));
	REQUIRE(waiter_in(&slow, "pci_wait_cfg", SETTLE_MS), "nobody is inside");
	REQUIRE_OK(aer_inject(PAIR_PORT, "DLP"));
	REQUIRE(WAIT_FOR(shim_number(shim.group, "stats/drain_timeouts"), SETTLE_MS),
		"the drain does not wait for it, or for ever");
	REQUIRE_OK(slow_unblock());
	REQUIRE(waiter_ended(&slow, SETTLE_MS), "it does not end");
	REQUIRE(shim_wait(shim.group, "holding", 2 * SETTLE_MS), "not holding");
	CHECK_NUMBER(shim.group, "stats/drain_timeouts", 1);
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK_NUMBER(shim.group, "stats/elided_resets", 0);
	CHECK_NUMBER(shim.group, "stats/user_resets", 1);
	CHECK(shim_is(shim.group, "open"), "not open after the reset");
}

SCENARIO(elision_dead_access_is_none,
	 "what met the closed gate and got all-ones has not touched the device")
{
	struct waiter w[] = {
		{ .u = &user, .kind = WAITER_PREAD, .region = BAR0, .off = NIC_STATUS },
		{ .u = &user, .kind = WAITER_STORE, .region = BAR0, .off = NIC_SCRATCH,
		  .value = JUNK },
	};

	start("hold", "pristine");
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "0"));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(waiter_prepare(&w[i]));
		waiter_run(&w[i]);
		CHECK(!w[i].error, "access %d: error %d", i, w[i].error);
	}
	CHECK(w[0].value == ~0u, "STATUS is %#x at the closed gate", w[0].value);
	reset(1, 0);
	check_device();
}

SCENARIO(elision_one_access,
	 "resume: elided if nothing passed the opened gate; after one access of any kind real")
{
	struct waiter w[] = {
		{ .kind = WAITER_PREAD, .region = BAR0, .off = NIC_STATUS },
		{ .kind = WAITER_PWRITE, .region = BAR0, .off = NIC_SCRATCH },
		{ .kind = WAITER_LOAD, .region = BAR0, .off = NIC_STATUS },
		{ .kind = WAITER_STORE, .region = BAR0, .off = NIC_SCRATCH },
		{ .kind = WAITER_PREAD, .region = VFIO_CONFIG, .off = CLASS_REVISION },
	};
	int n = sizeof(w) / sizeof(w[0]);
	uint16_t command;

	start("resume", "pristine");
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	command = pci_command(shim.addr);
	reset(1, 0);
	CHECK(pci_command(shim.addr) == command, "COMMAND is %#x, was %#x",
	      pci_command(shim.addr), command);
	check_device();
	for (int i = 0; i < n; i++) {
		REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
		w[i].u = &user;
		w[i].value = JUNK;
		REQUIRE_OK(waiter_prepare(&w[i]));
		waiter_run(&w[i]);
		CHECK(!w[i].error, "access %d: error %d", i, w[i].error);
		reset(1, i + 1);
		CHECK(pci_command(shim.addr) == command, "COMMAND is %#x, was %#x",
		      pci_command(shim.addr), command);
		check_device();
	}
}

SCENARIO(elision_never, "by default no reset is left out")
{
	start("hold", "never");
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	reset(0, 1);
	check_device();
	/* enabling it later is too late: earlier accesses were not watched */
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	reset(0, 2);
	REQUIRE_OK(shim_set(&shim, "reset_elision", "pristine"));
	reset(0, 3);
	CHECK_ERRNO(shim_set(&shim, "reset_elision", "always"), EINVAL);
	check_device();
}

SCENARIO(elision_nonfatal_is_real,
	 "after an error that came without a reset of the device the user's reset is a real one")
{
	start("hold", "pristine");
	REQUIRE_OK(strike(&shim, PORT, "POISON_TLP", "holding"));
	reset(0, 1);
	check_device();
}

/* Two functions of one group, each behind a port of its own: an error of both, then of one. */
static void reset_by_one_port(const char *policy, const char *state)
{
	struct shim other, parked;
	struct vfio_user u;

	REQUIRE_OK(shim_make(&shim, "deep_a", 0, policy));
	REQUIRE_OK(shim_make(&other, "deep_b", 0, policy));
	REQUIRE(shim.group == other.group, "groups %d and %d", shim.group, other.group);
	REQUIRE_OK(shim_bind(&parked, "deeper_a", 0));
	REQUIRE_OK(shim_set(&other, "reset_elision", "pristine"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_open_in(&u, other.uuid, user.space));
	REQUIRE_OK(strike(&shim, "rp_deep", "DLP", state));
	if (!strcmp(state, "open")) {
		REQUIRE_OK(vfio_user_write(&u, BAR0, NIC_SCRATCH, 4, JUNK));
		REQUIRE(vfio_user_read(&u, BAR0, NIC_SCRATCH, 4) == JUNK, "no junk to clear");
	}
	REQUIRE_OK(strike(&shim, "deep_a", "DLP", state));
	/* what this one resets keeps its registers: QEMU's e1000e has no FLR */
	REQUIRE_OK(vfio_user_reset(&u));
	CHECK(shim_number(shim.group, "stats/elided_resets") == 0, "the reset was left out");
	CHECK(shim_number(shim.group, "stats/user_resets") == 1, "no reset was made");
	vfio_user_close(&u);
}

SCENARIO(elision_other_port,
	 "a reset for an earlier error is none for this one: behind another port nothing was reset")
{
	reset_by_one_port("resume", "open");
}

SCENARIO(elision_other_port_held,
	 "nor if the gate has not opened between the two errors")
{
	reset_by_one_port("hold", "holding");
}

SCENARIO(elision_blank_before,
	 "an error resets what had lost its config space before, which does not count as its reset")
{
	static const char * const actions[] = { "continue", "reset" };
	unsigned int real = 0;
	uint16_t command;

	start("resume", "pristine");
	command = pci_command(shim.addr);
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_set(&shim, "nonfatal_action", actions[i]));
		REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, JUNK));
		REQUIRE_OK(pci_config_lose(shim.addr));
		REQUIRE_OK(strike(&shim, PORT, "POISON_TLP", "open"));
		CHECK(pci_command(shim.addr) == command, "%s: COMMAND is %#x, was %#x",
		      actions[i], pci_command(shim.addr), command);
		reset(0, ++real);
		check_device();
	}
	/* no reset of the user's: the host, or the shim, has made one */
	REQUIRE_OK(shim_set(&shim, "nonfatal_action", "continue"));
	REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, JUNK));
	REQUIRE_OK(pci_config_lose(shim.addr));
	REQUIRE_OK(strike(&shim, PORT, "POISON_TLP", "open"));
	check_device();
}
