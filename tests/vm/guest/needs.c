// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "kernel.h"
#include "needs.h"
#include "scenario.h"
#include "sysfs.h"

void needs_dma(void)
{
	char cmdline[2048];

	if (sysfs_read(cmdline, sizeof(cmdline), "/proc/cmdline") > 0 &&
	    strstr(cmdline, "mdr.dma=0"))
		SKIP("the IOMMU of this machine does not translate DMA");
}

void needs_huge_pages(void)
{
	if (kernel_is_realtime())
		SKIP("a kernel with PREEMPT_RT has no huge pages");
}

/*
 * If every interrupt handler is a thread, irq_wake_thread() wakes the thread of
 * pciehp_isr(), which finds no event, in place of the thread of pciehp_ist(), which would
 * act. A request to empty the slot then waits for ever.
 */
void needs_unplug(void)
{
	if (kernel_is_realtime())
		SKIP("pciehp of a kernel with PREEMPT_RT empties no slot");
}
