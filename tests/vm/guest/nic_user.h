/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of a driver for igb and e1000e that makes the device raise a real
 * interrupt, through its registers. Return 0 or -errno.
 */
#ifndef MDR_NIC_USER_H
#define MDR_NIC_USER_H

#include "vfio_user.h"

/* A register of both; its value is constant while the device works. */
#define NIC_STATUS	0x0008
/* A register that keeps what is written to it (32 bits) until a reset clears it. */
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

/* Turns on bus mastering, and one vector of irq_index with its eventfd. */
int nic_user_start(struct nic_user *n, struct vfio_user *u, enum nic_kind kind,
		   unsigned int irq_index);
/* Makes the device raise it; -ETIMEDOUT if the eventfd does not fire within ms. */
int nic_user_interrupt(struct nic_user *n, unsigned int ms);
/* The same, without unmasking INTx before. */
int nic_user_raise(struct nic_user *n, unsigned int ms);
void nic_user_stop(struct nic_user *n);

/* STATUS; ends the scenario if the device does not answer. */
uint32_t nic_status(struct vfio_user *u);

uint32_t nic_user_read(struct nic_user *n, unsigned int reg);
void nic_user_write(struct nic_user *n, unsigned int reg, uint32_t value);

#endif
