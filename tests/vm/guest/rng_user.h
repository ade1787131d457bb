/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver for a virtio entropy source: real DMA, with a real interrupt (MSI-X vector 0)
 * for each buffer that the device has filled. Return 0 or -errno.
 */
#ifndef MDR_RNG_USER_H
#define MDR_RNG_USER_H

#include "vfio_user.h"

struct rng_user {
	struct vfio_user *u;
	volatile uint8_t *regs;
	/* where the device is told of buffers */
	volatile uint16_t *bell;
	/* the queue, and a data page */
	struct vfio_dma dma;
	int irq;
	uint16_t index;
};

/* Turns on bus mastering and the interrupt, sets up the queue. */
int rng_user_start(struct rng_user *r, struct vfio_user *u);
/* Sets up the device again after a reset, with its present memory and interrupt. */
int rng_user_restart(struct rng_user *r);
/*
 * Has a buffer filled. -ETIMEDOUT: no interrupt within ms. -EILSEQ: interrupt, but the
 * device returned no buffer. -ENODATA: it returned one in which nothing is.
 */
int rng_user_fill(struct rng_user *r, unsigned int ms);
void rng_user_stop(struct rng_user *r);

#endif
