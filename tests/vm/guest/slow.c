// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "module.h"
#include "slow.h"
#include "sysfs.h"

#define MODULE "mdev_recovery_slow"
#define PARAMETERS "/sys/module/" MODULE "/parameters"

int slow_function(const char *addr, const char *kind, unsigned int ms)
{
	char text[48];

	if (!module_loaded(MODULE) && module_load(MODULE))
		return -ENOEXEC;
	snprintf(text, sizeof(text), "%s %s %u", addr, kind, ms);
	return sysfs_write(text, PARAMETERS "/slow");
}

long slow_accesses(void)
{
	return sysfs_read_number(PARAMETERS "/slow_accesses");
}

int slow_end(void)
{
	return module_loaded(MODULE) ? sysfs_write("none", PARAMETERS "/slow") : 0;
}
