// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "module.h"
#include "slow.h"
#include "sysfs.h"

#define MODULE "mdev_recovery_slow"
#define PARAMETERS "/sys/module/" MODULE "/parameters"

static bool is_loaded(void)
{
	return module_loaded(MODULE) || !module_load(MODULE);
}

int slow_function(const char *addr, const char *kind, unsigned int ms)
{
	char text[48];

	if (!is_loaded())
		return -ENOEXEC;
	snprintf(text, sizeof(text), "%s %s %u", addr, kind, ms);
	return sysfs_write(text, PARAMETERS "/slow");
}

long slow_accesses(void)
{
	return sysfs_read_number(PARAMETERS "/slow_accesses");
}

int slow_block(const char *addr)
{
	return is_loaded() ? sysfs_write(addr, PARAMETERS "/blocked") : -ENOEXEC;
}

int slow_unblock(void)
{
	return sysfs_write("none", PARAMETERS "/blocked");
}

int slow_give_up(unsigned int ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", ms);
	return is_loaded() ? sysfs_write(text, PARAMETERS "/give_up_ms") : -ENOEXEC;
}

int slow_end(void)
{
	int ret;

	if (!module_loaded(MODULE))
		return 0;
	ret = slow_unblock();
	if (!ret)
		ret = sysfs_write("0", PARAMETERS "/give_up_ms");
	return ret ? ret : sysfs_write("none", PARAMETERS "/slow");
}
