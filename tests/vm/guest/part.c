// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "module.h"
#include "part.h"
#include "pci.h"
#include "sysfs.h"

#define MODULE "mdev_recovery_part"
#define PARAMETER "/sys/module/" MODULE "/parameters/%s"

int part_load(void)
{
	return module_loaded(MODULE) ? 0 : module_load(MODULE);
}

int part_set(const char *part, const char *addr, unsigned int value)
{
	char text[PCI_ADDR_LEN + 12];

	snprintf(text, sizeof(text), "%s %u", addr, value);
	return sysfs_write(text, PARAMETER, part);
}

int part_end(const char *part)
{
	return sysfs_write("none", PARAMETER, part);
}

long part_get(const char *part)
{
	return sysfs_read_number(PARAMETER, part);
}
