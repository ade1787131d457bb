// SPDX-License-Identifier: GPL-2.0-only
/*
 * The profiles, the callout and the notifier with the real mdevctl on the real kernel.
 * tests/mdevctl covers what needs no kernel.
 */
#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "klog.h"
#include "mdev.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_irq.h"

#define PORT "rp_igb2"
#define UUID "b2b0d1d4-6f2a-4d8e-9a30-0c4f5a1f7e11"
#define UUID2 "b2b0d1d4-6f2a-4d8e-9a30-0c4f5a1f7e12"
#define PROFILES "/usr/share/mdev-recovery/profiles"
#define CALLOUT "/usr/lib/mdevctl/scripts.d/callouts/mdev-recovery"
#define SCRATCH "/tmp/profile.json"
#define SETTLE_MS 5000

static struct vfio_user user;
static char said[8192];

static const char *setting(const char *uuid, const char *name)
{
	static char value[32];

	if (sysfs_read(value, sizeof(value), MDEV_DIR "/%s/recovery/%s", uuid, name) < 0)
		return "missing";
	return value;
}

#define CHECK_SETTING(uuid, name, value) \
	CHECK(!strcmp(setting(uuid, name), value), "%s is %s", name, setting(uuid, name))
#define CHECK_SAYS(text) CHECK(strstr(said, text), "it said: %.200s", said)
#define CHECK_QUIET() CHECK(!strstr(said, "mdev-recovery: "), "it said: %.200s", said)

static bool running(const char *uuid)
{
	return sysfs_exists(MDEV_DIR "/%s", uuid);
}

/* Writes a profile of its own to SCRATCH. */
static void write_profile(const char *type, const char *start, const char *attrs)
{
	FILE *f = fopen(SCRATCH, "we");

	REQUIRE(f, "no file");
	fprintf(f, "{\"mdev_type\":\"%s\",\"start\":\"%s\",\"attrs\":[%s]}", type, start, attrs);
	fclose(f);
}

static int define(const char *uuid, const char *parent, const char *file)
{
	return mdevctl_try(said, sizeof(said), "define --uuid %s --parent %s --jsonfile %s",
			   uuid, parent, file);
}

/* Definitions are kept on the machine's disk, which all its scenarios share. */
static void forget_definitions(void)
{
	REQUIRE(!system("busybox rm -rf /etc/mdevctl.d/0*"), "rm");
}

/* The system log: the socket that logger(1) writes to. */
static int log_listen(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	unlink(addr.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	return fd;
}

/* Does a line have all of these words? Earlier lines are lost. */
static bool log_has(int fd, const char *a, const char *b)
{
	char line[1024];
	ssize_t len;

	while ((len = recv(fd, line, sizeof(line) - 1, 0)) > 0) {
		line[len] = 0;
		if (strstr(line, a) && strstr(line, b))
			return true;
	}
	return false;
}

SCENARIO(mdevctl_profile,
	 "a profile is defined, listed and started; the mdev has its settings, the log a line")
{
	struct shim s;
	int log = log_listen();

	forget_definitions();
	REQUIRE(log >= 0, "no /dev/log");
	REQUIRE_OK(shim_bind(&s, "rp_nvme", 0));
	REQUIRE(!define(UUID, s.addr, PROFILES "/nvme.json"), "%.300s", said);
	CHECK_QUIET();
	REQUIRE(!mdevctl_try(said, sizeof(said), "list -d"), "%s", said);
	CHECK_SAYS(UUID " 0000:");
	CHECK_SAYS("mdr-pci-resume auto\n");
	REQUIRE(!mdevctl_try(said, sizeof(said), "start --uuid " UUID), "%.300s", said);
	CHECK_QUIET();
	CHECK_SETTING(UUID, "stall_timeout_ms", "10000");
	CHECK_SETTING(UUID, "breaker_max", "5");
	CHECK_SETTING(UUID, "breaker_window_ms", "600000");
	CHECK_SETTING(UUID, "dead_access", "ones");
	REQUIRE(!mdevctl_try(said, sizeof(said), "list -d"), "%s", said);
	CHECK_SAYS("auto (active)");
	REQUIRE(!mdevctl_try(said, sizeof(said), "list --verbose"), "%s", said);
	CHECK_SAYS("{\"recovery/breaker_window_ms\":\"600000\"}");
	CHECK_SAYS("{\"recovery/revoke\":\"wait\"}");
	CHECK(log_has(log, "mdev-recovery: define of mdev " UUID, "done"), "not in the log");
	CHECK(log_has(log, "mdev-recovery: start of mdev " UUID, "done; group"), "not in the log");
	REQUIRE(!mdevctl_try(said, sizeof(said), "stop --uuid " UUID), "%.300s", said);
	CHECK(!running(UUID), "it is still there");
	REQUIRE(!mdevctl_try(said, sizeof(said), "undefine --uuid " UUID), "%s", said);
	CHECK(!sysfs_exists("/etc/mdevctl.d/%s/" UUID, s.addr), "still defined");
}

SCENARIO(mdevctl_profiles_all, "the kernel takes every profile as it is shipped")
{
	unsigned int count = 0;
	struct dirent *e;
	struct shim s;
	DIR *dir;

	REQUIRE_OK(shim_bind(&s, PORT, 0));
	dir = opendir(PROFILES);
	REQUIRE(dir, "no profiles");
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		CHECK(!mdevctl_try(said, sizeof(said), "start -u " UUID " -p %s --jsonfile "
				   PROFILES "/%s", s.addr, e->d_name),
		      "%s: %.200s", e->d_name, said);
		CHECK_QUIET();
		CHECK_OK(mdev_remove(UUID));
		count++;
	}
	closedir(dir);
	CHECK(count == 8, "%u profiles", count);
	MEASURE("profiles", "%u", count);
}

SCENARIO(mdevctl_modify_live,
	 "settings of an mdev in use change live, all of them or none; its definition with them")
{
	struct shim s;

	forget_definitions();
	REQUIRE_OK(shim_bind(&s, PORT, 0));
	REQUIRE(!define(UUID, s.addr, PROFILES "/resume.json"), "%.300s", said);
	REQUIRE_OK(mdevctl("start --uuid " UUID));
	REQUIRE_OK(vfio_user_open(&user, UUID));
	CHECK_SETTING(UUID, "stall_timeout_ms", "2000");

	REQUIRE(!mdevctl_try(said, sizeof(said), "modify -u " UUID
			     " --live --defined --jsonfile " PROFILES "/nvme.json"),
		"%.300s", said);
	CHECK_QUIET();
	CHECK_SETTING(UUID, "stall_timeout_ms", "10000");
	CHECK_SETTING(UUID, "breaker_window_ms", "600000");
	REQUIRE(!mdevctl_try(said, sizeof(said), "list -d --dumpjson -u " UUID), "%s", said);
	CHECK_SAYS("\"recovery/stall_timeout_ms\": \"10000\"");

	write_profile("mdr-pci-resume", "auto",
		      "{\"recovery/stall_timeout_ms\":\"1\"},{\"recovery/breaker_max\":\"64\"}");
	CHECK(mdevctl_try(said, sizeof(said), "modify -u " UUID " --live --jsonfile " SCRATCH),
	      "not refused");
	CHECK_SAYS("recovery/breaker_max: '64' is not a number from 0 to 63");
	CHECK_SETTING(UUID, "stall_timeout_ms", "10000");
	CHECK(!klog_count("not a number from"), "the kernel was asked");

	/* this callout does not know the bound, so the kernel decides */
	REQUIRE(!system("mv " CALLOUT " /tmp/callout && cp /callout-loose " CALLOUT), "cp");
	CHECK(mdevctl_try(said, sizeof(said), "modify -u " UUID " --live --jsonfile " SCRATCH),
	      "not refused");
	REQUIRE(!system("mv /tmp/callout " CALLOUT), "mv");
	CHECK_SAYS("the kernel refuses recovery/breaker_max=64");
	CHECK(klog_count("not a number from") == 1, "the kernel was not asked");
	CHECK_SETTING(UUID, "stall_timeout_ms", "10000");
	CHECK_SETTING(UUID, "breaker_window_ms", "600000");

	vfio_user_close(&user);
	REQUIRE_OK(mdevctl("stop --uuid " UUID));
}

SCENARIO(mdevctl_define_running, "an mdev made by hand becomes a definition with its settings")
{
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "hold"));
	REQUIRE_OK(shim_set(&s, "hold_timeout_ms", "777"));
	REQUIRE_OK(mdevctl("define --uuid %s", s.uuid));
	REQUIRE_OK(mdevctl("stop --uuid %s", s.uuid));
	CHECK(!running(s.uuid), "it is still there");
	REQUIRE_OK(mdevctl("start --uuid %s", s.uuid));
	CHECK_SETTING(s.uuid, "hold_timeout_ms", "777");
	CHECK_SETTING(s.uuid, "breaker_max", "0");
	REQUIRE_OK(mdevctl("undefine --uuid %s", s.uuid));
}

/* Not by pci_bind(), which would unbind the present driver. */
static void check_refused(const char *addr, const char *why)
{
	CHECK(define(UUID, addr, PROFILES "/resume.json"), "%s is not refused", addr);
	CHECK_SAYS(why);
	CHECK(!sysfs_exists("/etc/mdevctl.d/%s/" UUID, addr), "defined all the same");
}

SCENARIO(mdevctl_refuses,
	 "a function bound elsewhere, to nothing, or in no IOMMU group is refused, with the reason")
{
	char addr[PCI_ADDR_LEN];
	struct shim s;

	forget_definitions();
	REQUIRE_OK(pci_below(PORT, 0, addr));
	check_refused(addr, "is bound to no driver, and not to mdr-pci");
	REQUIRE_OK(pci_bind(addr, "vfio-pci"));
	check_refused(addr, "is bound to vfio-pci, and not to mdr-pci");
	REQUIRE_OK(shim_bind(&s, PORT, 0));
	CHECK(!define(UUID, addr, PROFILES "/resume.json"), "%.300s", said);
	CHECK_QUIET();
	REQUIRE_OK(pci_unbind(addr));
	CHECK(mdevctl_try(said, sizeof(said), "start --uuid " UUID), "started");
	CHECK_SAYS("is bound to no driver");
	forget_definitions();

	REQUIRE_OK(pci_below("rp_noiommu", 0, addr));
	check_refused(addr, "is in no IOMMU group");
	check_refused("0000:7f:00.0", "this host has no such PCI function");
}

SCENARIO(mdevctl_warns, "blockers, and a port whose errors the kernel does not hear of, are named")
{
	const char *port = pci_port_addr(PORT);
	char service[32], blocker[PCI_ADDR_LEN];
	struct shim s, sibling;
	int ret;

	forget_definitions();
	REQUIRE_OK(pci_below("rp_igb", 1, blocker));
	REQUIRE_OK(shim_bind(&s, "rp_igb", 0));
	CHECK(!define(UUID, s.addr, PROFILES "/resume.json"), "%.300s", said);
	CHECK_SAYS("these have no error handler");
	CHECK_SAYS(blocker);
	REQUIRE_OK(shim_bind(&sibling, "rp_igb", 1));
	CHECK(!mdevctl_try(said, sizeof(said), "start --uuid " UUID), "%.300s", said);
	CHECK_QUIET();
	forget_definitions();

	REQUIRE_OK(shim_bind(&s, PORT, 0));
	snprintf(service, sizeof(service), "%s:pcie002", port);
	REQUIRE_OK(sysfs_write(service, "/sys/bus/pci_express/drivers/aer/unbind"));
	ret = define(UUID, s.addr, PROFILES "/resume.json");
	REQUIRE_OK(sysfs_write(service, "/sys/bus/pci_express/drivers/aer/bind"));
	CHECK(!ret, "%.300s", said);
	CHECK_SAYS("has no AER service");
	CHECK_SAYS(port);
}

SCENARIO(mdevctl_autostart,
	 "with udev, binding the parent starts its mdev if that is to start by itself")
{
	struct shim s, other;
	int log = log_listen();
	uint64_t begin;
	pid_t udevd;

	forget_definitions();
	REQUIRE(log >= 0, "no /dev/log");
	REQUIRE_OK(shim_bind(&other, "rp_igb", 0));
	write_profile("mdr-pci-resume", "manual", "");
	REQUIRE(!define(UUID2, other.addr, SCRATCH), "%.300s", said);
	REQUIRE_OK(shim_bind(&s, PORT, 0));
	REQUIRE(!define(UUID, s.addr, PROFILES "/recovery-aware.json"), "%.300s", said);
	REQUIRE_OK(pci_unbind(other.addr));
	REQUIRE_OK(pci_unbind(s.addr));

	udevd = mdev_start_udevd();
	REQUIRE(udevd > 0, "no udevd");
	REQUIRE_OK(shim_bind(&other, "rp_igb", 0));
	begin = now_ns();
	REQUIRE_OK(shim_bind(&s, PORT, 0));
	CHECK(WAIT_FOR(running(UUID), SETTLE_MS), "it is not started");
	MEASURE_BOUND("started_ms", (now_ns() - begin) / NS_PER_MS, SETTLE_MS);
	CHECK(WAIT_FOR(log_has(log, "mdev-recovery: start of mdev " UUID, "done"), SETTLE_MS),
	      "not in the log");
	CHECK_SETTING(UUID, "stall_timeout_ms", "100");
	CHECK_SETTING(UUID, "reset_elision", "pristine");
	CHECK(!running(UUID2), "the manual one is started");
	kill(udevd, SIGTERM);
}

static int stop_mdev(const char *uuid)
{
	return mdevctl_try(said, sizeof(said), "stop --uuid %s", uuid);
}

SCENARIO(mdevctl_stop_in_recovery,
	 "mdevctl stop during a recovery waits for the user, and the next start gets it whole")
{
	struct background stop = { .call = stop_mdev, .name = UUID };
	uint64_t begin;
	uint32_t status;
	struct shim s, slow;
	int req;

	forget_definitions();
	REQUIRE_OK(shim_bind(&s, "rp_igb", 0));
	REQUIRE_OK(shim_bind_test(&slow, "rp_igb", 1));
	write_profile("mdr-pci-resume", "manual",
		      "{\"recovery/breaker_max\":\"0\"},{\"recovery/stall_timeout_ms\":\"20000\"}");
	REQUIRE(!define(UUID, s.addr, SCRATCH), "%.300s", said);
	REQUIRE_OK(mdevctl("start --uuid " UUID));
	REQUIRE_OK(vfio_user_open(&user, UUID));
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_REQ_IRQ_INDEX, 1, &req));
	status = nic_status(&user);

	/* mdevctl takes a while to begin with */
	REQUIRE_OK(strike_slow(&s, "rp_igb", "4000"));
	background_start(&stop);
	REQUIRE(vfio_irq_wait(req, SETTLE_MS, NULL), "the user is not asked to leave");
	CHECK(!atomic_load(&stop.done), "it did not wait for the user");
	CHECK(shim_is(s.group, "recovering"), "the host was faster: nothing is shown");
	vfio_user_close(&user);
	begin = now_ns();
	REQUIRE(WAIT_FOR(atomic_load(&stop.done), SETTLE_MS), "mdevctl stop does not end");
	MEASURE_BOUND("stopped_ms", (now_ns() - begin) / NS_PER_MS, SETTLE_MS);
	CHECK(!stop.ret, "%.300s", said);
	CHECK(!running(UUID), "it is still there");
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "the group is not open");

	REQUIRE_OK(mdevctl("start --uuid " UUID));
	REQUIRE_OK(vfio_user_open(&user, UUID));
	CHECK(vfio_user_read(&user, VFIO_PCI_BAR0_REGION_INDEX, NIC_STATUS, 4) == status,
	      "STATUS changed");
	vfio_user_close(&user);
}
