/* SPDX-License-Identifier: GPL-2.0-only */
/* What a scenario needs: each of these skips it, and says why, if that is not there. */
#ifndef MDR_NEEDS_H
#define MDR_NEEDS_H

/* An IOMMU that translates DMA (mdr.dma=0 says that it does not). */
void needs_dma(void);

/* Page table entries that map 2 MiB of a BAR. */
void needs_huge_pages(void);

/* A slot that the kernel empties when asked to. */
void needs_unplug(void);

#endif
