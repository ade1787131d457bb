/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupts of a VFIO device, as eventfds. Return 0 or more, or -errno. */
#ifndef MDR_VFIO_IRQ_H
#define MDR_VFIO_IRQ_H

#include <stdbool.h>

#include "vfio_user.h"

/* The number of vectors of an index (VFIO_PCI_INTX_IRQ_INDEX ...). */
int vfio_irq_count(struct vfio_user *u, unsigned int index);

/* One new eventfd for each of count vectors, from vector 0 on. */
int vfio_irq_enable(struct vfio_user *u, unsigned int index, unsigned int count,
		    int *eventfds);
int vfio_irq_disable(struct vfio_user *u, unsigned int index);

int vfio_irq_mask_intx(struct vfio_user *u);
/* The kernel masks INTx when it fires. */
int vfio_irq_unmask_intx(struct vfio_user *u);
/* From now on, whenever the eventfd is signalled; -1: not any more. */
int vfio_irq_unmask_intx_by(struct vfio_user *u, int eventfd);

/* Fires the eventfd from software, without the device. */
int vfio_irq_loopback(struct vfio_user *u, unsigned int index, unsigned int vector);

/* Does it fire within ms? If so, also how often it has fired so far. */
bool vfio_irq_wait(int eventfd, unsigned int ms, uint64_t *count);

#endif
