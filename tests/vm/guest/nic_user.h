/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of a driver for igb and e1000e as it takes to make the device raise
 * an interrupt by itself, over registers. Return 0 or -errno.
 */
#ifndef MDR_NIC_USER_H
#define MDR_NIC_USER_H

#include "vfio_user.h"

/* A register both have, of constant value while the device is well. */
#define NIC_STATUS	0x0008
/* One that holds what is written to it (32 bits) until a reset clears it. */
#define NIC_SCRATCH	0x5800

enum nic_kind { NIC_IGB, NIC_E1000E };

struct nic_user {
	struct vfio_user *u;
	enum nic_kind kind;
	volatile uint8_t *regs;
	/* VFIO_PCI_INTX_IRQ_INDEX, ..._MSI_..., ..._MSIX_... */
	unsigned int irq_index;
	int irq;
};

/* Bus mastering on, one vector of irq_index with its eventfd. */
int nic_user_start(struct nic_user *n, struct vfio_user *u, enum nic_kind kind,
		   unsigned int irq_index);
/* The device raises it; -ETIMEDOUT if the eventfd does not fire within ms. */
int nic_user_interrupt(struct nic_user *n, unsigned int ms);
void nic_user_stop(struct nic_user *n);

uint32_t nic_user_read(struct nic_user *n, unsigned int reg);
void nic_user_write(struct nic_user *n, unsigned int reg, uint32_t value);

#endif
