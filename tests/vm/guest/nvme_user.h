/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver for an NVMe controller's admin queue: real DMA and a real
 * completion interrupt (MSI-X vector 0). Return 0 or -errno.
 */
#ifndef MDR_NVME_USER_H
#define MDR_NVME_USER_H

#include "vfio_user.h"

struct nvme_user {
	struct vfio_user *u;
	volatile uint8_t *regs;
	/* submission queue, completion queue and a data page */
	struct vfio_dma dma;
	int irq;
	unsigned int tail;
	unsigned int head;
	unsigned int phase;
	uint16_t next_id;
};

struct nvme_identity {
	char serial[21];
};

/* Turns on bus mastering and the interrupt, sets up the admin queue. Also after a reset. */
int nvme_user_start(struct nvme_user *n, struct vfio_user *u);
/* Sets up the controller again, with its present memory and interrupt. */
int nvme_user_restart(struct nvme_user *n);
/*
 * Identify controller. -ETIMEDOUT: no interrupt within ms. -EILSEQ: interrupt
 * but no completion. -EIO: the controller refused.
 */
int nvme_user_identify(struct nvme_user *n, struct nvme_identity *id, unsigned int ms);
void nvme_user_stop(struct nvme_user *n);

#endif
