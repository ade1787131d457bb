// SPDX-License-Identifier: GPL-2.0-only
#include "module.h"
#include "moment.h"
#include "sysfs.h"

#define MODULE "mdev_recovery_moment"
#define PARAMETER "/sys/module/" MODULE "/parameters/%s"

/* Anew each time: probes end with the module that they are in, and other scenarios reload it. */
int moment_load(void)
{
	int ret = module_loaded(MODULE) ? module_unload(MODULE) : 0;

	return ret ? ret : module_load(MODULE);
}

int moment_set(const char *parameter, const char *value)
{
	return sysfs_write(value, PARAMETER, parameter);
}

long moment_count(const char *parameter)
{
	return sysfs_read_number(PARAMETER, parameter);
}
