// SPDX-License-Identifier: GPL-2.0-only
/*
 * A recovery in which an allocation fails: of the kernel's thread that recovers a port, of
 * the shim's worker that ends a recovery, or of an administrator's call. The first fails,
 * then the second, until none is left. The device comes back each time: only an
 * administrator is told ENOMEM, and may try again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aer_thread.h"
#include "clock.h"
#include "fail_nth.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_user.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define PAIR_PORT "rp_e1000e"
#define HOST "irq/*-aerdrv"
#define WORKER "kworker/u*"
#define IDLE_MS 15000
#define SETTLE_MS 5000
#define JUNK 0x55
#define MASTER 0x4
/* A worker does other work as well, whose allocations are counted with ours. */
#define MOST 60

static struct vfio_user user;
static struct shim shim;
static uint32_t status;

/* An error, and the threads in whose work an allocation fails. */
struct trial {
	const char *threads;
	const char *port;
	const char *error;
	/* the device is not reset, so what its user wrote is there afterwards */
	bool kept;
};

static void start_user(const char *port)
{
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	REQUIRE(vfio_user_map(&user, BAR0), "no mapping below %s", port);
	status = nic_status(&user);
	REQUIRE_OK(fail_nth_init(FAIL_NTH_NOT_ACPI));
}

static uint32_t load(unsigned int reg)
{
	return *(volatile uint32_t *)((char *)user.regions[BAR0].map + reg);
}

static void check_whole(const struct trial *t, unsigned int n, uint64_t recoveries)
{
	uint64_t now = shim_number(shim.group, "stats/recoveries");

	CHECK(now == recoveries + 1, "%u: %ju recoveries", n, now - recoveries);
	CHECK(load(NIC_STATUS) == status, "%u: STATUS is %#x", n, load(NIC_STATUS));
	CHECK(pci_command(shim.addr) & MASTER, "%u: COMMAND is %#x", n, pci_command(shim.addr));
	CHECK(load(NIC_SCRATCH) == (t->kept ? JUNK : 0), "%u: the register has %#x", n,
	      load(NIC_SCRATCH));
}

/* One error; false if the threads have not allocated so often. */
static bool try(const struct trial *t, unsigned int n)
{
	uint64_t recoveries = shim_number(shim.group, "stats/recoveries");
	bool failed;

	REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, JUNK));
	REQUIRE(fail_nth_arm_threads(t->threads, n), "no thread %s", t->threads);
	REQUIRE_OK(strike(&shim, t->port, t->error, "open"));
	REQUIRE(aer_wait_idle(IDLE_MS), "the host is not done");
	failed = fail_nth_disarm_threads();
	check_whole(t, n, recoveries);
	return failed;
}

static void sweep(const struct trial *t)
{
	unsigned int n = 1;

	while (n <= MOST && try(t, n))
		n++;
	CHECK(n > 1 && n <= MOST, "%u allocations have failed", n - 1);
	MEASURE("failed", "%u", n - 1);
}

SCENARIO(fail_nth_host_fatal,
	 "a fatal error is recovered from, whatever allocation of the host fails",
	 .debug = true, .limit_s = 120)
{
	static const struct trial t = { HOST, PORT, "DLP", false };

	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	start_user(PORT);
	sweep(&t);
}

SCENARIO(fail_nth_host_nonfatal,
	 "a non-fatal error is recovered from, whatever allocation of the host fails",
	 .debug = true, .limit_s = 120)
{
	static const struct trial t = { HOST, PORT, "POISON_TLP", true };

	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	start_user(PORT);
	sweep(&t);
}

SCENARIO(fail_nth_host_pair,
	 "two functions of a group are recovered, whatever allocation of the host fails",
	 .debug = true, .limit_s = 120)
{
	static const struct trial t = { HOST, PAIR_PORT, "DLP", false };
	struct shim other;

	REQUIRE_OK(shim_make(&shim, PAIR_PORT, 0, "resume"));
	REQUIRE_OK(shim_bind(&other, PAIR_PORT, 1));
	start_user(PAIR_PORT);
	sweep(&t);
}

SCENARIO(fail_nth_worker_fatal,
	 "a fatal error is recovered from, whatever allocation of the worker fails",
	 .debug = true, .limit_s = 120)
{
	static const struct trial t = { WORKER, PORT, "DLP", false };

	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	start_user(PORT);
	sweep(&t);
	CHECK_NUMBER(shim.group, "stats/failures", 0);
}

SCENARIO(fail_nth_worker_nonfatal,
	 "a device that needs no reset gets none, whatever allocation of the worker fails",
	 .debug = true, .limit_s = 120)
{
	static const struct trial t = { WORKER, PORT, "POISON_TLP", true };

	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	start_user(PORT);
	sweep(&t);
	CHECK_NUMBER(shim.group, "stats/failures", 0);
}

SCENARIO(fail_nth_worker_attempt,
	 "the shim's own attempt brings a device back, whatever allocation of the worker fails",
	 .debug = true, .limit_s = 180)
{
	static const struct trial t = { WORKER, PORT, "DLP", false };
	unsigned int n = 1;

	REQUIRE_OK(shim_bind_test(&shim, PORT, 0));
	REQUIRE_OK(shim_test_set("hooks", "1"));
	REQUIRE_OK(pci_bind(shim.addr, "mdr-test"));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(shim_set(&shim, "recovery_timeout_ms", "1000"));
	start_user(PORT);
	REQUIRE_OK(shim_test_set("ill", shim.addr));
	do {
		/* not well until the shim resets it */
		REQUIRE_OK(shim_test_set("ill_resets", "1"));
	} while (try(&t, n) && ++n <= MOST);
	CHECK(n > 1 && n <= MOST, "%u allocations have failed", n - 1);
	CHECK_NUMBER(shim.group, "stats/failures", 0);
	MEASURE("failed", "%u", n - 1);
}

static int recover(int fd)
{
	return pwrite(fd, "1", 1, 0) < 0 ? -errno : 0;
}

/* One error too many: failed, with the function as the host has left it. */
static void trip(void)
{
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	REQUIRE(aer_wait_idle(IDLE_MS), "the host is not done");
	REQUIRE_OK(strike(&shim, PORT, "DLP", "failed"));
	REQUIRE(aer_wait_idle(IDLE_MS), "the host is not done");
}

SCENARIO(fail_nth_recover,
	 "recover gives ENOMEM or works, whatever allocation fails, and works the next time",
	 .debug = true, .limit_s = 180)
{
	unsigned int n = 0, refused = 0;
	char path[64];
	bool failed;
	int fd, ret;

	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&shim, "breaker_max", "1"));
	start_user(PORT);
	snprintf(path, sizeof(path), SHIM_CLASS "/group%d/recover", shim.group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	REQUIRE(fd >= 0, "no %s", path);
	do {
		trip();
		fail_nth_arm(++n);
		ret = recover(fd);
		failed = fail_nth_disarm();
		if (ret) {
			CHECK(failed && ret == -ENOMEM, "%u: %s", n, strerror(-ret));
			CHECK(shim_is(shim.group, "failed"), "%u: not failed any more", n);
			REQUIRE_OK(recover(fd));
			refused++;
		}
		CHECK(shim_is(shim.group, "open"), "%u: not open after recover", n);
		CHECK(load(NIC_STATUS) == status, "%u: STATUS is %#x", n, load(NIC_STATUS));
	} while (failed && n < MOST);
	CHECK(!failed && n > 1, "%u allocations have failed", n);
	MEASURE("failed", "%u", n - 1);
	MEASURE("refused", "%u", refused);
}
