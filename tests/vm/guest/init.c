// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the test machine: mounts, loads modules, runs the scenarios and powers off.
 * It reports every failure on the result channel; a machine that ends without all its
 * results has failed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "clock.h"
#include "klog.h"
#include "module.h"
#include "monitor.h"
#include "pci.h"
#include "suite.h"
#include "sysfs.h"
#include "tap.h"

static const char * const modules[] = { "vfio_iommu_type1", "vfio-pci", "mdev" };

#define HUNG_TASK_S 15

static char cmdline[2048];

unsigned int patience = 1;

static int mount_all(void)
{
	static const char * const fs[][2] = {
		{ "proc", "/proc" }, { "sysfs", "/sys" }, { "devtmpfs", "/dev" },
		{ "tmpfs", "/tmp" }, { "tmpfs", "/run" },
		{ "tracefs", "/sys/kernel/tracing" },
		{ "debugfs", "/sys/kernel/debug" },
	};

	for (size_t i = 0; i < sizeof(fs) / sizeof(fs[0]); i++)
		if (mount(fs[i][0], fs[i][1], fs[i][0], 0, NULL) && errno != EBUSY)
			return -errno;
	return 0;
}

/* The value of key= on the kernel's command line; "" if it is missing. */
static void argument(const char *key, char *value, size_t size)
{
	size_t len = strlen(key);
	const char *p = cmdline;

	value[0] = 0;
	while ((p = strstr(p, key))) {
		if ((p == cmdline || p[-1] == ' ') && p[len] == '=') {
			p += len + 1;
			snprintf(value, size, "%.*s", (int)strcspn(p, " "), p);
			return;
		}
		p += len;
	}
}

static int load_modules(void)
{
	int ret = 0;

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]) && !ret; i++)
		ret = module_load(modules[i]);
	if (!ret && module_exists("mdev_recovery_pci"))
		ret = module_load("mdev_recovery_pci");
	return ret;
}

/* The kernel must report a hung task before the machine's time is over. */
static void tune_kernel(void)
{
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%u", HUNG_TASK_S * patience);
	sysfs_write(seconds, "/proc/sys/kernel/hung_task_timeout_secs");
	sysfs_write("on", "/proc/sys/kernel/printk_devkmsg");
	/*
	 * igb resets its adapter, and the VFs with it, if the link fails while it has
	 * something to send: so the kernel sends nothing by itself.
	 */
	sysfs_write("1", "/proc/sys/net/ipv6/conf/all/disable_ipv6");
	sysfs_write("1", "/proc/sys/net/ipv6/conf/default/disable_ipv6");
}

static void step(const char *what, int ret)
{
	if (ret >= 0)
		return;
	tap_line("Bail out! cannot %s: %s", what, strerror(-ret));
	reboot(RB_POWER_OFF);
	exit(1);
}

int main(void)
{
	struct suite suite = { 0 };
	char ports[1024], demo[8], monitor[8], debug[8], factor[8], share[16];
	char seconds[16];

	setenv("PATH", "/sbin:/bin:/usr/sbin:/usr/bin", 1);
	step("open the result port", tap_open());
	step("mount", mount_all());
	step("read the command line",
	     sysfs_read(cmdline, sizeof(cmdline), "/proc/cmdline"));
	argument("mdr.ports", ports, sizeof(ports));
	argument("mdr.only", suite.only, sizeof(suite.only));
	argument("mdr.demo", demo, sizeof(demo));
	argument("mdr.monitor", monitor, sizeof(monitor));
	suite.demo = demo[0] == '1';
	argument("mdr.debug", debug, sizeof(debug));
	suite.debug = debug[0] == '1';
	argument("mdr.share", share, sizeof(share));
	if (sscanf(share, "%u/%u", &suite.share, &suite.shares) != 2)
		suite.shares = 1;
	argument("mdr.long", seconds, sizeof(seconds));
	suite.long_s = atoi(seconds);
	argument("mdr.patience", factor, sizeof(factor));
	if (atoi(factor) > 1)
		patience = atoi(factor);
	tune_kernel();

	step("understand mdr.ports", pci_ports_parse(ports));
	/* the host decides when answers come, so not where instructions are counted */
	if (monitor[0] != '0')
		step("reach the monitor", monitor_init());
	step("load modules", load_modules());
	step("look at the machine", clean_init());
	step("run scenarios", suite_run(&suite));

	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
