// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenarios that fail on purpose, each in a way that the harness must notice.
 * tests/vm/selftest runs them one by one and expects the failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "clock.h"
#include "klog.h"
#include "module.h"
#include "monitor.h"
#include "scenario.h"
#include "sysfs.h"

SCENARIO(selftest_check, "a check that does not hold is a failure", .selftest = true)
{
	CHECK(1 + 1 == 3, "arithmetic");
}

SCENARIO(selftest_warning, "a warning in the kernel log is a failure", .selftest = true)
{
	klog_say("<4>WARNING: CPU: 0 PID: 1 at planted.c:1 planted+0x0/0x0");
}

SCENARIO(selftest_hang, "a scenario that hangs is a failure", .selftest = true, .limit_s = 2)
{
	for (;;)
		pause();
}

SCENARIO(selftest_crash, "a scenario that dies is a failure", .selftest = true)
{
	abort();
}

SCENARIO(selftest_exit, "a scenario that exits in its middle is a failure", .selftest = true)
{
	_exit(0);
}

SCENARIO(selftest_panic, "a machine that panics is a failure", .selftest = true)
{
	sysfs_write("c", "/proc/sysrq-trigger");
}

SCENARIO(selftest_power_off, "a machine that ends without its results is a failure",
	 .selftest = true)
{
	reboot(RB_POWER_OFF);
}

SCENARIO(selftest_reset, "a machine that is reset is a failure", .selftest = true)
{
	sysfs_write("b", "/proc/sysrq-trigger");
}

/*
 * The watchdog of the chipset (TCO of the ICH9), where the firmware puts it: time
 * in units of 0.6 s, strikes, and the bit without which the second one resets.
 */
#define TCO_RELOAD 0x660
#define TCO_STATUS2 0x666
#define TCO_TIMER 0x672
#define TCO_SECOND_STRIKE 0x2
#define GCS_PAGE 0xfed1f000
#define GCS_WORD (0x410 / 4)
#define GCS_NO_REBOOT 0x20

SCENARIO(selftest_watchdog, "the chipset's watchdog strikes twice, and the machine goes on",
	 .selftest = true)
{
	volatile uint32_t *page;
	int fd = open("/dev/mem", O_RDWR | O_SYNC);

	REQUIRE(fd >= 0, "/dev/mem: %s", strerror(errno));
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, GCS_PAGE);
	REQUIRE(page != MAP_FAILED, "mmap: %s", strerror(errno));
	REQUIRE(!ioperm(TCO_RELOAD, 0x20, 1), "ioperm: %s", strerror(errno));
	page[GCS_WORD] &= ~GCS_NO_REBOOT;
	CHECK(!(page[GCS_WORD] & GCS_NO_REBOOT), "the chipset keeps it from resetting");
	outw(4, TCO_TIMER);
	outw(0, TCO_RELOAD);
	CHECK(WAIT_FOR(inw(TCO_STATUS2) & TCO_SECOND_STRIKE, 20000), "it never strikes twice");
	sleep_ms(1000);
}

SCENARIO(selftest_lockup, "a machine that does not answer any more is a failure",
	 .selftest = true, .limit_s = 100000)
{
	for (;;)
		pause();
}

SCENARIO(selftest_still, "a machine whose processors sleep for good is a failure",
	 .selftest = true, .limit_s = 100000)
{
	monitor("stop");
}

SCENARIO(selftest_skip, "a skip is told as a skip", .selftest = true)
{
	SKIP("on purpose");
}

SCENARIO(selftest_pass, "a scenario that holds passes", .selftest = true)
{
	MEASURE("answer", "%d", 42);
}

/* What only a debug kernel notices; see module/mdev_recovery_plant.c. */
static void plant(const char *what)
{
	if (!module_loaded("mdev_recovery_plant"))
		REQUIRE_OK(module_load("mdev_recovery_plant"));
	CHECK_OK(sysfs_write(what, "/sys/module/mdev_recovery_plant/parameters/plant"));
}

SCENARIO(selftest_plant_leak, "memory that is lost is found by debug_no_leak", .selftest = true)
{
	plant("leak");
}

SCENARIO(selftest_plant_use, "memory used after it was freed ends the machine", .selftest = true)
{
	plant("use");
}

SCENARIO(selftest_plant_locks, "locks taken in both orders are a failure", .selftest = true)
{
	plant("locks");
}

SCENARIO(selftest_plant_sleep, "sleeping where one must not is a failure", .selftest = true)
{
	plant("sleep");
}
