// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "needs.h"
#include "nvme_user.h"
#include "vfio_irq.h"

#define REG_CC		0x14
#define REG_CSTS	0x1c
#define REG_AQA		0x24
#define REG_ASQ		0x28
#define REG_ACQ		0x30
#define REG_SQ0TDBL	0x1000
#define REG_CQ0HDBL	0x1004

#define CC_ENABLE	0x00460001	/* 64-byte SQE, 16-byte CQE, 4 KiB pages */
#define CSTS_RDY	0x1
#define READY_MS	5000

#define DEPTH		16
#define PAGE		4096
#define OPC_IDENTIFY	0x06
#define CNS_CONTROLLER	1

struct sqe {
	uint8_t opcode;
	uint8_t flags;
	uint16_t id;
	uint32_t nsid;
	uint64_t rsvd[2];
	uint64_t prp1;
	uint64_t prp2;
	uint32_t cdw10;
	uint32_t cdw11_15[5];
};

struct cqe {
	uint32_t result;
	uint32_t rsvd;
	uint16_t sq_head;
	uint16_t sq_id;
	uint16_t id;
	uint16_t status;
};

static uint32_t reg_read(struct nvme_user *n, unsigned int reg)
{
	return *(volatile uint32_t *)(n->regs + reg);
}

static void reg_write(struct nvme_user *n, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(n->regs + reg) = value;
}

static void reg_write64(struct nvme_user *n, unsigned int reg, uint64_t value)
{
	reg_write(n, reg, value);
	reg_write(n, reg + 4, value >> 32);
}

static bool is_ready(struct nvme_user *n, uint32_t want)
{
	return (reg_read(n, REG_CSTS) & CSTS_RDY) == want;
}

int nvme_user_restart(struct nvme_user *n)
{
	reg_write(n, REG_CC, 0);
	if (!WAIT_FOR(is_ready(n, 0), READY_MS))
		return -ETIMEDOUT;

	memset(n->dma.va, 0, n->dma.size);
	n->tail = 0;
	n->head = 0;
	n->phase = 1;
	reg_write(n, REG_AQA, (DEPTH - 1) << 16 | (DEPTH - 1));
	reg_write64(n, REG_ASQ, n->dma.iova);
	reg_write64(n, REG_ACQ, n->dma.iova + PAGE);
	reg_write(n, REG_CC, CC_ENABLE);
	return WAIT_FOR(is_ready(n, CSTS_RDY), READY_MS) ? 0 : -ETIMEDOUT;
}

int nvme_user_start(struct nvme_user *n, struct vfio_user *u)
{
	int ret;

	needs_dma();
	memset(n, 0, sizeof(*n));
	n->u = u;
	n->irq = -1;
	n->regs = vfio_user_map(u, VFIO_PCI_BAR0_REGION_INDEX);
	if (!n->regs)
		return -errno;
	ret = vfio_user_dma_map(u, &n->dma, 3 * PAGE);
	if (!ret)
		ret = vfio_user_bus_master(u, true);
	if (!ret)
		ret = vfio_irq_enable(u, VFIO_PCI_MSIX_IRQ_INDEX, 1, &n->irq);
	if (!ret)
		ret = nvme_user_restart(n);
	if (ret)
		nvme_user_stop(n);
	return ret;
}

static void submit_identify(struct nvme_user *n)
{
	struct sqe *sqe = (struct sqe *)n->dma.va + n->tail;

	*sqe = (struct sqe) {
		.opcode = OPC_IDENTIFY,
		.id = ++n->next_id,
		.prp1 = n->dma.iova + 2 * PAGE,
		.cdw10 = CNS_CONTROLLER,
	};
	n->tail = (n->tail + 1) % DEPTH;
	__sync_synchronize();
	reg_write(n, REG_SQ0TDBL, n->tail);
}

static int complete(struct nvme_user *n)
{
	volatile struct cqe *cqe =
		(struct cqe *)((char *)n->dma.va + PAGE) + n->head;
	uint16_t status = cqe->status;

	if ((status & 1) != n->phase || cqe->id != n->next_id)
		return -EILSEQ;
	n->head = (n->head + 1) % DEPTH;
	if (!n->head)
		n->phase ^= 1;
	reg_write(n, REG_CQ0HDBL, n->head);
	return status >> 1 ? -EIO : 0;
}

static void copy_text(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	to[len] = 0;
	while (len && to[len - 1] == ' ')
		to[--len] = 0;
}

int nvme_user_identify(struct nvme_user *n, struct nvme_identity *id, unsigned int ms)
{
	char *data = (char *)n->dma.va + 2 * PAGE;
	int ret;

	memset(data, 0, PAGE);
	submit_identify(n);
	if (!vfio_irq_wait(n->irq, ms, NULL))
		return -ETIMEDOUT;
	ret = complete(n);
	if (ret)
		return ret;
	copy_text(id->serial, data + 4, 20);
	return 0;
}

void nvme_user_stop(struct nvme_user *n)
{
	if (n->irq >= 0) {
		vfio_irq_disable(n->u, VFIO_PCI_MSIX_IRQ_INDEX);
		close(n->irq);
		n->irq = -1;
	}
	if (n->dma.va)
		vfio_user_dma_unmap(n->u, &n->dma);
	n->dma.va = NULL;
}
