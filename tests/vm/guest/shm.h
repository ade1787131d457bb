/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ivshmem device below rp_shm: its BAR 2 is memory that keeps its content, even
 * across resets. The ivshmem device below rp_watch shows the same memory through
 * another port, so a test can see which writes reach the first device.
 */
#ifndef MDR_SHM_H
#define MDR_SHM_H

#include <stdint.h>

#define SHM_PORT "rp_shm"
#define SHM_REGION VFIO_PCI_BAR2_REGION_INDEX

/* The memory as rp_watch shows it; NULL on failure. */
volatile uint32_t *shm_watch(void);

#endif
