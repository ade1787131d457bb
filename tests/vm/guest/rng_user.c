// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "needs.h"
#include "rng_user.h"
#include "vfio_irq.h"

#define CAPABILITIES	0x34
#define VENDOR		0x09
#define RESET_MS	2000

/* descriptors, what is offered and what is returned: a part of the first page each */
#define DEPTH		8
#define OFFERED		0x400
#define RETURNED	0x800
#define PAGE		4096
/* so much that it is never all zeroes */
#define WANTED		64

static volatile uint8_t *reg(struct rng_user *r, unsigned int off)
{
	return r->regs + off;
}

#define REG8(r, off)	(*(volatile uint8_t *)reg(r, off))
#define REG16(r, off)	(*(volatile uint16_t *)reg(r, off))
#define REG32(r, off)	(*(volatile uint32_t *)reg(r, off))

/* The structure of a type (VIRTIO_PCI_CAP_...): BAR, offset there, and its capability. */
static int find(struct vfio_user *u, unsigned int type, unsigned int *bar,
		unsigned int *offset)
{
	unsigned int cap = vfio_user_read(u, VFIO_CONFIG, CAPABILITIES, 1);

	for (unsigned int i = 0; cap && i < 48; i++) {
		if (vfio_user_read(u, VFIO_CONFIG, cap, 1) == VENDOR &&
		    vfio_user_read(u, VFIO_CONFIG, cap + 3, 1) == type) {
			*bar = vfio_user_read(u, VFIO_CONFIG, cap + 4, 1);
			*offset = vfio_user_read(u, VFIO_CONFIG, cap + 8, 4);
			return *bar < 6 ? (int)cap : -EINVAL;
		}
		cap = vfio_user_read(u, VFIO_CONFIG, cap + 1, 1);
	}
	return -ENODEV;
}

static void set64(struct rng_user *r, unsigned int off, uint64_t value)
{
	REG32(r, off) = value;
	REG32(r, off + 4) = value >> 32;
}

/* Translated by the IOMMU, and of version 1: else the device does not go on. */
static int agree(struct rng_user *r)
{
	uint64_t features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ACCESS_PLATFORM;
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	REG8(r, VIRTIO_PCI_COMMON_STATUS) = 0;
	if (!WAIT_FOR(!REG8(r, VIRTIO_PCI_COMMON_STATUS), RESET_MS))
		return -ETIMEDOUT;
	REG8(r, VIRTIO_PCI_COMMON_STATUS) = status;
	for (unsigned int i = 0; i < 2; i++) {
		REG32(r, VIRTIO_PCI_COMMON_GFSELECT) = i;
		REG32(r, VIRTIO_PCI_COMMON_GF) = features >> 32 * i;
	}
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	REG8(r, VIRTIO_PCI_COMMON_STATUS) = status;
	return REG8(r, VIRTIO_PCI_COMMON_STATUS) == status ? 0 : -EPROTO;
}

int rng_user_restart(struct rng_user *r)
{
	unsigned int bar, offset, step;
	int ret, cap;

	ret = agree(r);
	if (ret)
		return ret;
	memset(r->dma.va, 0, r->dma.size);
	r->index = 0;
	REG16(r, VIRTIO_PCI_COMMON_Q_SELECT) = 0;
	REG16(r, VIRTIO_PCI_COMMON_Q_SIZE) = DEPTH;
	REG16(r, VIRTIO_PCI_COMMON_Q_MSIX) = 0;
	set64(r, VIRTIO_PCI_COMMON_Q_DESCLO, r->dma.iova);
	set64(r, VIRTIO_PCI_COMMON_Q_AVAILLO, r->dma.iova + OFFERED);
	set64(r, VIRTIO_PCI_COMMON_Q_USEDLO, r->dma.iova + RETURNED);
	REG16(r, VIRTIO_PCI_COMMON_Q_ENABLE) = 1;

	cap = find(r->u, VIRTIO_PCI_CAP_NOTIFY_CFG, &bar, &offset);
	if (cap < 0)
		return cap;
	step = vfio_user_read(r->u, VFIO_CONFIG, cap + sizeof(struct virtio_pci_cap), 4);
	offset += step * REG16(r, VIRTIO_PCI_COMMON_Q_NOFF);
	r->bell = (volatile uint16_t *)((uint8_t *)vfio_user_map(r->u, bar) + offset);
	REG8(r, VIRTIO_PCI_COMMON_STATUS) |= VIRTIO_CONFIG_S_DRIVER_OK;
	return 0;
}

int rng_user_start(struct rng_user *r, struct vfio_user *u)
{
	unsigned int bar, offset;
	int ret;

	needs_dma();
	memset(r, 0, sizeof(*r));
	r->u = u;
	r->irq = -1;
	ret = find(u, VIRTIO_PCI_CAP_COMMON_CFG, &bar, &offset);
	if (ret < 0)
		return ret;
	r->regs = vfio_user_map(u, bar);
	if (!r->regs)
		return -errno;
	r->regs += offset;
	ret = vfio_user_dma_map(u, &r->dma, 2 * PAGE);
	if (!ret)
		ret = vfio_user_bus_master(u, true);
	if (!ret)
		ret = vfio_irq_enable(u, VFIO_PCI_MSIX_IRQ_INDEX, 1, &r->irq);
	if (!ret)
		ret = rng_user_restart(r);
	if (ret)
		rng_user_stop(r);
	return ret;
}

int rng_user_fill(struct rng_user *r, unsigned int ms)
{
	volatile struct vring_desc *desc = r->dma.va;
	volatile struct vring_avail *offered = (void *)((char *)r->dma.va + OFFERED);
	volatile struct vring_used *returned = (void *)((char *)r->dma.va + RETURNED);
	static const char nothing[WANTED];
	char *data = (char *)r->dma.va + PAGE;

	memset(data, 0, WANTED);
	desc[0].addr = r->dma.iova + PAGE;
	desc[0].len = WANTED;
	desc[0].flags = VRING_DESC_F_WRITE;
	offered->ring[r->index % DEPTH] = 0;
	__sync_synchronize();
	offered->idx = ++r->index;
	__sync_synchronize();
	*r->bell = 0;

	if (!vfio_irq_wait(r->irq, ms, NULL))
		return -ETIMEDOUT;
	__sync_synchronize();
	if (returned->idx != r->index || !returned->ring[(r->index - 1) % DEPTH].len)
		return -EILSEQ;
	return memcmp(data, nothing, WANTED) ? 0 : -ENODATA;
}

void rng_user_stop(struct rng_user *r)
{
	if (r->irq >= 0) {
		vfio_irq_disable(r->u, VFIO_PCI_MSIX_IRQ_INDEX);
		close(r->irq);
		r->irq = -1;
	}
	if (r->dma.va)
		vfio_user_dma_unmap(r->u, &r->dma);
	r->dma.va = NULL;
}
