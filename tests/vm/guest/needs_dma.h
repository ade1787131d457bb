/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDR_NEEDS_DMA_H
#define MDR_NEEDS_DMA_H

/* Skips the scenario if the machine's IOMMU does not translate DMA (mdr.dma=0). */
void needs_dma(void);

#endif
