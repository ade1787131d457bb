// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "needs_dma.h"
#include "scenario.h"
#include "sysfs.h"

void needs_dma(void)
{
	char cmdline[2048];

	if (sysfs_read(cmdline, sizeof(cmdline), "/proc/cmdline") > 0 &&
	    strstr(cmdline, "mdr.dma=0"))
		SKIP("the IOMMU of this machine does not translate DMA");
}
