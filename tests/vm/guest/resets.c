// SPDX-License-Identifier: GPL-2.0-only
#include "module.h"
#include "resets.h"
#include "sysfs.h"

#define MODULE "mdev_recovery_bus"
#define PARAMETERS "/sys/module/" MODULE "/parameters"

int resets_load(void)
{
	return module_loaded(MODULE) ? 0 : module_load(MODULE);
}

long resets_seen(const char *which)
{
	return sysfs_read_number(PARAMETERS "/%s", which);
}

int resets_watch(const char *addr)
{
	int ret = resets_load();

	return ret ? ret : sysfs_write(addr, PARAMETERS "/watched");
}

int resets_give_up(const char *addr)
{
	int ret = resets_watch(addr);

	return ret ? ret : sysfs_write("1", PARAMETERS "/give_up");
}

int resets_vanish(const char *addr)
{
	int ret = resets_watch(addr);

	return ret ? ret : sysfs_write("1", PARAMETERS "/vanish");
}
