// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "nic_user.h"
#include "scenario.h"
#include "vfio_irq.h"

/* How to make one cause fire, for a kind of device in a kind of interrupt. */
struct recipe {
	unsigned int setup_reg;
	uint32_t setup;
	unsigned int mask_clear_reg;
	unsigned int mask_set_reg;
	unsigned int cause_set_reg;
	unsigned int cause_read_reg;
	uint32_t cause;
};

/* igb: GPIE.multiple_msix and the extended causes, one bit a vector. */
static const struct recipe igb_msix = {
	.setup_reg = 0x1514, .setup = 0x10,
	.mask_clear_reg = 0x1528, .mask_set_reg = 0x1524,
	.cause_set_reg = 0x1520, .cause_read_reg = 0x1580, .cause = 1,
};

/* Link status change, by the plain causes. */
static const struct recipe igb_plain = {
	.setup_reg = 0x1514, .setup = 0,
	.mask_clear_reg = 0x150c, .mask_set_reg = 0x1508,
	.cause_set_reg = 0x1504, .cause_read_reg = 0x1500, .cause = 0x4,
};

/* e1000e: IVAR routes receive queue 0 to vector 0. */
static const struct recipe e1000e_msix = {
	.setup_reg = 0x00e4, .setup = 0x8,
	.mask_clear_reg = 0x00d8, .mask_set_reg = 0x00d0,
	.cause_set_reg = 0x00c8, .cause_read_reg = 0x00c0, .cause = 1u << 20,
};

static const struct recipe e1000e_plain = {
	.setup_reg = 0x00e4, .setup = 0,
	.mask_clear_reg = 0x00d8, .mask_set_reg = 0x00d0,
	.cause_set_reg = 0x00c8, .cause_read_reg = 0x00c0, .cause = 0x4,
};

static const struct recipe *recipe_of(const struct nic_user *n)
{
	bool msix = n->irq_index == VFIO_PCI_MSIX_IRQ_INDEX;

	if (n->kind == NIC_IGB)
		return msix ? &igb_msix : &igb_plain;
	return msix ? &e1000e_msix : &e1000e_plain;
}

uint32_t nic_user_read(struct nic_user *n, unsigned int reg)
{
	return *(volatile uint32_t *)(n->regs + reg);
}

void nic_user_write(struct nic_user *n, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(n->regs + reg) = value;
}

int nic_user_start(struct nic_user *n, struct vfio_user *u, enum nic_kind kind,
		   unsigned int irq_index)
{
	int ret;

	memset(n, 0, sizeof(*n));
	n->u = u;
	n->kind = kind;
	n->irq_index = irq_index;
	n->irq = -1;
	n->regs = vfio_user_map(u, VFIO_PCI_BAR0_REGION_INDEX);
	if (!n->regs)
		return -errno;
	ret = vfio_user_bus_master(u, true);
	if (ret)
		return ret;
	return vfio_irq_enable(u, irq_index, 1, &n->irq);
}

int nic_user_raise(struct nic_user *n, unsigned int ms)
{
	const struct recipe *r = recipe_of(n);
	bool fired;

	nic_user_write(n, r->setup_reg, r->setup);
	nic_user_write(n, r->mask_set_reg, r->cause);
	nic_user_write(n, r->cause_set_reg, r->cause);
	fired = vfio_irq_wait(n->irq, ms, NULL);

	nic_user_write(n, r->mask_clear_reg, ~0u);
	nic_user_read(n, r->cause_read_reg);
	return fired ? 0 : -ETIMEDOUT;
}

int nic_user_interrupt(struct nic_user *n, unsigned int ms)
{
	const struct recipe *r = recipe_of(n);

	/* an earlier cause must not fire in place of this one */
	nic_user_write(n, r->mask_clear_reg, ~0u);
	nic_user_read(n, r->cause_read_reg);
	if (n->irq_index == VFIO_PCI_INTX_IRQ_INDEX)
		vfio_irq_unmask_intx(n->u);
	vfio_irq_wait(n->irq, 0, NULL);
	return nic_user_raise(n, ms);
}

void nic_user_stop(struct nic_user *n)
{
	if (n->irq < 0)
		return;
	vfio_irq_disable(n->u, n->irq_index);
	close(n->irq);
	n->irq = -1;
}

uint32_t nic_status(struct vfio_user *u)
{
	uint32_t status = vfio_user_read(u, VFIO_PCI_BAR0_REGION_INDEX, NIC_STATUS, 4);

	REQUIRE(status && status != ~0u, "%s: STATUS is %#x", u->name, status);
	return status;
}
