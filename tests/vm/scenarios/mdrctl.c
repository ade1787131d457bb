// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl on the real kernel: what its tests on fake roots cannot show.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aer_thread.h"
#include "clock.h"
#include "mdev.h"
#include "module.h"
#include "nic_user.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "task.h"

#define SETTLE_MS 15000
#define UNSAVED_MS 1000
#define UUID "b2b0d1d4-6f2a-4d8e-9a30-0c4f5a1f7e13"

static char said[8192];

/* Runs mdrctl; what it says is in said. Return: its exit code. */
static int ctl(const char *format, ...)
{
	char command[512] = "mdrctl ";
	va_list args;
	size_t len;
	FILE *p;

	va_start(args, format);
	vsnprintf(command + 7, sizeof(command) - 16, format, args);
	va_end(args);
	strcat(command, " 2>&1");
	p = popen(command, "re");
	REQUIRE(p, "popen");
	len = fread(said, 1, sizeof(said) - 1, p);
	said[len] = 0;
	return WEXITSTATUS(pclose(p));
}

#define CHECK_SAYS(text) CHECK(strstr(said, text), "it said: %.400s", said)

/* Starts mdrctl watch, which writes the next two changes to /tmp/watch; when it listens. */
static pid_t watch_start(void)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0, "fork");
	if (!pid) {
		if (freopen("/tmp/watch", "w", stdout) && dup2(1, 2) == 2)
			execlp("mdrctl", "mdrctl", "watch", "--json", "--count=2", NULL);
		_exit(127);
	}
	REQUIRE(task_in(pid, "do_select", SETTLE_MS), "mdrctl watch does not wait for changes");
	return pid;
}

static void watch_ends(pid_t pid)
{
	int status = -1;

	CHECK(WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid, SETTLE_MS) && !status,
	      "mdrctl watch: %#x", status);
}

SCENARIO(mdrctl_life,
	 "mdrctl binds a function, gives it an mdev, tells of its error, and takes all back")
{
	char was[32], now[32], text[128];
	struct shim s = { .driver = "mdr-pci" };
	pid_t watch;

	REQUIRE(!system("busybox rm -rf /etc/mdevctl.d/0*"), "rm");
	REQUIRE_OK(shim_load());
	REQUIRE_OK(pci_below("rp_nvme", 0, s.addr));
	REQUIRE_OK(pci_driver(s.addr, was, sizeof(was)));

	REQUIRE(!ctl("bind %s", s.addr), "%.400s", said);
	CHECK_SAYS("bound to mdr-pci, was bound to ");
	s.group = pci_iommu_group(s.addr);
	REQUIRE(!ctl("create --uuid=" UUID " --profile=hold --manual %s", s.addr), "%.400s", said);
	CHECK_SAYS(UUID ": created on ");
	CHECK(!ctl("list"), "%.400s", said);
	CHECK_SAYS(UUID);
	CHECK(ctl("recover %d", s.group) == 1, "%.400s", said);
	CHECK_SAYS("is open, and not failed");

	watch = watch_start();
	REQUIRE_OK(strike(&s, "rp_nvme", "DLP", "open"));
	watch_ends(watch);
	CHECK(!system("grep -q '\"state\":\"closing\".*\"cause\":\"fatal\"' /tmp/watch"),
	      "watch did not say it");
	CHECK(!ctl("status " UUID), "%.400s", said);
	CHECK_SAYS("cause     fatal");
	CHECK_SAYS("counter   recoveries 1\n");
	CHECK(!ctl("metrics"), "%.400s", said);
	snprintf(text, sizeof(text),
		 "mdev_recovery_recoveries_total{group=\"group%d\"} 1\n", s.group);
	CHECK_SAYS(text);
	ctl("doctor %s", s.addr);
	CHECK_SAYS("the kernel has AER at root port ");
	CHECK_SAYS("is alone in IOMMU group ");

	CHECK(!ctl("set " UUID " stall_timeout_ms=10000"), "%.400s", said);
	CHECK(!ctl("settings " UUID), "%.400s", said);
	CHECK_SAYS("stall_timeout_ms     10000     2000      0 to 3600000 ms\n");
	CHECK(!ctl("reset %s", s.addr), "%.400s", said);
	CHECK_NUMBER(s.group, "stats/host_resets", 1);
	CHECK(ctl("unbind %s", s.addr) == 1, "%.400s", said);
	CHECK_SAYS("has the mdev " UUID);
	CHECK(!ctl("remove " UUID), "%.400s", said);
	CHECK(!ctl("unbind %s", s.addr), "%.400s", said);
	CHECK(!pci_driver(s.addr, now, sizeof(now)) && strcmp(now, "mdr-pci"), "is %s's", now);
	CHECK(!ctl("list"), "%.400s", said);
	CHECK(!strstr(said, s.addr), "it said: %.400s", said);
}

/* Claims a disk, until the file is closed. */
static int claim_disk(void)
{
	glob_t disks;
	int fd = -1;

	if (!glob("/dev/nvme*n1", 0, NULL, &disks))
		fd = open(disks.gl_pathv[0], O_RDONLY | O_EXCL | O_CLOEXEC);
	globfree(&disks);
	return fd;
}

SCENARIO(mdrctl_claimed_disk,
	 "mdrctl leaves a function alone whose disk somebody has claimed, as ZFS and btrfs do")
{
	char addr[PCI_ADDR_LEN], driver[32];
	int disk = -1;

	REQUIRE_OK(shim_load());
	REQUIRE_OK(module_load("nvme"));
	REQUIRE_OK(pci_below("rp_nvme", 0, addr));
	REQUIRE_OK(pci_bind(addr, "nvme"));
	REQUIRE(WAIT_FOR((disk = claim_disk()) >= 0, SETTLE_MS), "no disk: %s", strerror(errno));
	CHECK(ctl("bind %s", addr) == 1, "%.400s", said);
	CHECK_SAYS("n1 is claimed, as by ZFS or btrfs");
	CHECK(pci_driver(addr, driver, sizeof(driver)) > 0 && !strcmp(driver, "nvme"), "is %s's",
	      driver);
	close(disk);
	CHECK(!ctl("bind %s", addr), "%.400s", said);
	CHECK_OK(module_unload("nvme"));
}

/* the host is done by then: one that comes late would recover the group by itself */
#define FAIL_MS 1500

SCENARIO(mdrctl_recover,
	 "mdrctl tells of a group that has failed, and recovers it as soon as the device answers")
{
	struct shim s = { .driver = "mdr-test" };
	struct vfio_user user;
	uint32_t status;

	REQUIRE_OK(shim_test_load());
	REQUIRE_OK(pci_below("rp_igb2", 0, s.addr));
	REQUIRE(!ctl("bind --driver=mdr-test %s", s.addr), "%.400s", said);
	s.group = pci_iommu_group(s.addr);
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE(!ctl("set %s recovery_timeout_ms=%u", s.uuid, FAIL_MS * patience), "%.400s",
		said);
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);

	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s, "rp_igb2", "DLP", "failed"));
	/* who tries to recover it meanwhile is told to come back */
	REQUIRE(aer_wait_idle(SETTLE_MS), "the host is not done");
	CHECK(ctl("status %s", s.uuid) == 5, "%.400s", said);
	CHECK_SAYS(": failed\n");
	CHECK_SAYS("; then: mdrctl recover group");
	CHECK(ctl("doctor %s", s.uuid) == 5, "%.400s", said);
	CHECK_SAYS("is failed (cause ");
	/* by each of its names */
	CHECK(ctl("recover %s", s.uuid) == 1, "%.400s", said);
	CHECK_SAYS("not recovered: the device, or a bridge above it, does not answer");
	CHECK_SAYS("next: suspect the hardware");
	CHECK(shim_is(s.group, "failed"), "not failed any more");
	CHECK(vfio_user_read(&user, VFIO_PCI_BAR0_REGION_INDEX, NIC_STATUS, 4) == ~0u,
	      "the user has access");

	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	CHECK(!ctl("recover %s", s.addr), "%.400s", said);
	CHECK_SAYS(": recovered, open\n");
	CHECK(shim_is(s.group, "open"), "not open");
	CHECK(vfio_user_read(&user, VFIO_PCI_BAR0_REGION_INDEX, NIC_STATUS, 4) == status,
	      "STATUS changed");
	CHECK(!ctl("status %d", s.group), "%.400s", said);
	CHECK(ctl("recover group%d", s.group) == 1, "%.400s", said);
	CHECK_SAYS("is open, and not failed: nothing was done");
	CHECK_NUMBER(s.group, "stats/recoveries", 1);
}

/* Of what history says, each event in a line of its own. */
static bool history_has(int group, const char *text)
{
	char name[32];
	const char *line;

	snprintf(name, sizeof(name), "group%d", group);
	if (ctl("history"))
		return false;
	for (line = strtok(said, "\n"); line; line = strtok(NULL, "\n"))
		if (strstr(line, name) && strstr(line, text))
			return true;
	return false;
}

static bool bound(const char *addr)
{
	char now[32];

	return pci_driver(addr, now, sizeof(now)) > 0 && !strcmp(now, "mdr-pci");
}

SCENARIO(mdrctl_udev,
	 "with udev, a saved function is bound when it appears, and history tells of its error",
	 .limit_s = 60)
{
	struct shim s = { .driver = "mdr-pci" };
	pid_t udevd;

	REQUIRE(!system("busybox rm -rf /etc/mdevctl.d/0* /var/lib/mdev-recovery"), "rm");
	REQUIRE_OK(shim_load());
	REQUIRE_OK(pci_below("rp_nvme", 0, s.addr));
	udevd = mdev_start_udevd();
	REQUIRE(udevd > 0, "no udevd");
	REQUIRE(!ctl("bind --persistent %s", s.addr), "%.400s", said);
	s.group = pci_iommu_group(s.addr);
	REQUIRE(!ctl("create --uuid=" UUID " --profile=resume --manual %s", s.addr), "%.400s",
		said);
	CHECK(!ctl("history"), "%.400s", said);
	CHECK(!*said, "before the error it said: %.400s", said);
	REQUIRE_OK(strike(&s, "rp_nvme", "DLP", "open"));
	CHECK(WAIT_FOR(history_has(s.group, "open"), SETTLE_MS), "it said: %.400s", said);
	CHECK(history_has(s.group, "fatal"), "it said: %.400s", said);
	/* no agent runs here */
	CHECK(ctl("retry") == 3, "%.400s", said);
	CHECK_SAYS("does not run");
	CHECK(!ctl("completion bash"), "%.400s", said);
	CHECK_SAYS("complete -F");

	REQUIRE(!ctl("remove " UUID), "%.400s", said);
	REQUIRE_OK(pci_remove(s.addr));
	REQUIRE_OK(pci_rescan("rp_nvme"));
	CHECK(WAIT_FOR(bound(s.addr), SETTLE_MS), "the saved function is not bound");
	CHECK(!ctl("unbind --persistent %s", s.addr), "%.400s", said);
	REQUIRE_OK(pci_remove(s.addr));
	REQUIRE_OK(pci_rescan("rp_nvme"));
	CHECK(!WAIT_FOR(bound(s.addr), UNSAVED_MS), "it is bound, but no longer saved");
	kill(udevd, SIGTERM);
}

/* The number behind "key": in what was said, from there on; -1 if there is none. */
static long number_after(const char *from, const char *key)
{
	const char *p = from ? strstr(from, key) : NULL;

	return p ? strtol(p + strlen(key), NULL, 10) : -1;
}

static const char * const phases[] = {
	"closing", "draining", "host", "restoring", "finishing",
};

/* All phases of a fatal error, in their order, without a gap. Return: their sum. */
static long check_phases(void)
{
	const char *p = strstr(said, "\"phases\"");
	long sum = 0;
	char name[32];

	for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		snprintf(name, sizeof(name), "\"name\":\"%s\"", phases[i]);
		p = p ? strstr(p, name) : NULL;
		CHECK(p, "no %s in its place: %s", phases[i], said);
		CHECK(number_after(p, "\"after_us\":") == sum, "%s begins at %ld, not %ld",
		      phases[i], number_after(p, "\"after_us\":"), sum);
		sum += number_after(p, "\"took_us\":");
	}
	return sum;
}

SCENARIO(mdrctl_timeline,
	 "mdrctl timeline records a fatal error: its phases in order, as long as the driver says")
{
	struct shim s = { .driver = "mdr-pci" };
	long whole, host, driver, start;

	REQUIRE(!system("busybox rm -rf /etc/mdevctl.d/0*"), "rm");
	REQUIRE_OK(shim_load());
	REQUIRE_OK(pci_below("rp_nvme", 0, s.addr));
	REQUIRE(!ctl("bind %s", s.addr), "%.400s", said);
	s.group = pci_iommu_group(s.addr);

	CHECK(ctl("timeline") == 1, "%.400s", said);
	CHECK_SAYS("recoveries are not recorded");
	REQUIRE(!ctl("timeline --record=on"), "%.400s", said);
	CHECK(!ctl("timeline"), "%.400s", said);
	CHECK_SAYS("There is no recovery in the trace.");
	REQUIRE_OK(strike(&s, "rp_nvme", "DLP", "open"));
	/* to begin what has begun forgets nothing */
	REQUIRE(!ctl("timeline --record=on"), "%.400s", said);

	CHECK(!ctl("timeline %s --json", s.addr), "%.400s", said);
	CHECK_SAYS("\"cause\":\"error_fatal\"");
	CHECK_SAYS("\"whole\":true");
	CHECK_SAYS("\"end\":\"open\"");
	whole = number_after(said, "\"took_us\":");
	host = number_after(said, "\"host_us\":");
	driver = shim_number(s.group, "stats/recovery_ns_last") / 1000;
	CHECK(check_phases() == whole, "the phases are not the whole, %ld us", whole);
	/* a busy machine may take its time between the driver's clock and a tracepoint */
	CHECK(host < driver + 1000 && host > driver - driver / 10, "%ld us, the driver says %ld",
	      host, driver);
	CHECK(host <= whole && whole - host < driver / 10, "%ld us of %ld", host, whole);
	MEASURE("off_us", "%ld", host - driver);

	/* to look takes nothing away */
	start = number_after(said, "\"start_us\":");
	CHECK(!ctl("timeline %s --json >/tmp/timeline.json", s.addr), "%.400s", said);
	CHECK(!ctl("timeline --json --file=/tmp/timeline.json"), "%.400s", said);
	CHECK(number_after(said, "\"start_us\":") == start, "it began at %ld: %s", start, said);
	CHECK(check_phases() == whole, "the phases are no longer the whole, %ld us", whole);
	CHECK(!ctl("timeline %d --svg=/tmp/timeline.svg", s.group), "%.400s", said);
	CHECK(!system("grep -q 'fatal error</text>' /tmp/timeline.svg"), "nothing is drawn");

	CHECK(!ctl("timeline --record=off"), "%.400s", said);
	CHECK(access("/sys/kernel/tracing/instances/mdev_recovery", F_OK), "it is there still");
	CHECK(ctl("timeline") == 1, "%.400s", said);
	CHECK(!ctl("unbind %s", s.addr), "%.400s", said);
}

#define RING "/sys/kernel/tracing/instances/mdev_recovery"
#define RESETS 120

SCENARIO(mdrctl_timeline_overwritten,
	 "mdrctl timeline, again and again while its ring is overwritten, shows what is there",
	 .limit_s = 180)
{
	struct shim s = { .driver = "mdr-pci" };
	long shown;

	REQUIRE(!system("busybox rm -rf /etc/mdevctl.d/0* /tmp/failed"), "rm");
	REQUIRE_OK(shim_load());
	REQUIRE_OK(pci_below("rp_nvme", 0, s.addr));
	REQUIRE(!ctl("bind %s", s.addr), "%.400s", said);
	s.group = pci_iommu_group(s.addr);
	REQUIRE(!ctl("timeline --record=on"), "%.400s", said);
	REQUIRE_OK(sysfs_write("8", RING "/buffer_size_kb"));
	REQUIRE(!system("(while mdrctl timeline; do :; done; echo >/tmp/failed) >/dev/null 2>&1 &"),
		"sh");
	for (int i = 0; i < RESETS; i++)
		REQUIRE_OK(pci_reset(s.addr));
	CHECK(access("/tmp/failed", F_OK), "a look has failed");

	CHECK(!ctl("timeline --last=1 --json"), "%.400s", said);
	CHECK_SAYS("\"cause\":\"host_reset_begin\"");
	CHECK_SAYS("\"whole\":true");
	CHECK_SAYS("\"end\":\"open\"");
	CHECK(!ctl("timeline --last=%d --json | grep -c '\"group\":'", RESETS), "%.400s", said);
	shown = strtol(said, NULL, 10);
	CHECK(shown > 20 && shown < RESETS, "%ld are shown", shown);
	MEASURE("shown", "%ld", shown);
	/* not while the other one looks */
	CHECK(WAIT_FOR(!ctl("timeline --record=off"), SETTLE_MS), "%.400s", said);
	CHECK(!ctl("unbind %s", s.addr), "%.400s", said);
}
