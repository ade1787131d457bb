/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ivshmem device below rp_shm: its BAR 2 is memory that keeps what was
 * written to it, over resets too. The one below rp_watch shows the same memory
 * through another port, so what reaches the first one can be counted.
 */
#ifndef MDR_SHM_H
#define MDR_SHM_H

#include <stdint.h>

#define SHM_PORT "rp_shm"
#define SHM_REGION VFIO_PCI_BAR2_REGION_INDEX

/* The memory as rp_watch shows it; NULL if that cannot be had. */
volatile uint32_t *shm_watch(void);

#endif
