// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "module.h"
#include "notifier.h"
#include "sysfs.h"

#define MODULE "mdev_recovery_notifier"
#define PARAMETER "/sys/module/" MODULE "/parameters/%s"

int notifier_watch(const volatile void *start, size_t size)
{
	int ret = module_load(MODULE);
	char range[64];

	if (ret)
		return ret;
	snprintf(range, sizeof(range), "%lx %zx", (unsigned long)start, size);
	return sysfs_write(range, PARAMETER, "watch");
}

int notifier_hold(bool hold)
{
	return sysfs_write(hold ? "1" : "0", PARAMETER, "hold");
}

long notifier_calls(void)
{
	return sysfs_read_number(PARAMETER, "calls");
}
