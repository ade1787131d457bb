// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <libmdr.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "igb.h"

#define REG_CTRL	0x0000
#define CTRL_SET_LINK_UP	0x40
#define REG_STATUS	0x0008
#define STATUS_LINK_UP	0x2
#define REG_MDIC	0x0020
#define MDIC_RESTART	0x04201340	/* write the PHY's control: negotiate again */
#define REG_RCTL	0x0100
#define RCTL_RUN	0x0400805a	/* on, promiscuous, MAC loopback, without CRC */
#define REG_TCTL	0x0400
#define TCTL_RUN	0xa		/* on, pad short frames */
#define RX		0xc000		/* queue 0, and that of transmission: */
#define TX		0xe000
#define RING_LOW	0x00
#define RING_HIGH	0x04
#define RING_SIZE	0x08
#define RING_HEAD	0x10
#define RING_TAIL	0x18
#define RING_CONTROL	0x28
#define RING_ENABLE	0x02000000
#define REG_SRRCTL	0xc00c
#define SRRCTL_PLAIN	0x02000002	/* advanced descriptors, one buffer of 2 KiB */

#define LINK_MS		3000
#define RING		64		/* descriptors; a ring is never full */
#define DESCRIPTOR	16		/* bytes */
#define IOVA		0x100000

/* Layout of the memory: the rings, then frames to send and to receive. */
#define TX_RING		0
#define RX_RING		0x1000
#define TX_FRAMES	0x2000
#define RX_FRAMES	(TX_FRAMES + IGB_FRAMES * IGB_FRAME_SIZE)
#define RX_FRAME_SIZE	2048
#define MEMORY_SIZE	(RX_FRAMES + RING * RX_FRAME_SIZE)

/* Advanced data descriptor: whole frame, insert CRC, report status. */
#define TX_COMMAND	0x2b300000
#define RX_DONE		0x3		/* and the end of a frame */

/* The last two words depend on the ring, and on whether driver or device wrote them. */
struct descriptor {
	uint64_t address;
	uint32_t low, high;
};

static uint32_t get(const struct igb *igb, unsigned int reg)
{
	return *(volatile uint32_t *)(igb->registers + reg);
}

static void put(const struct igb *igb, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(igb->registers + reg) = value;
}

static volatile struct descriptor *descriptor(const struct igb *igb, size_t ring, unsigned int n)
{
	return (volatile struct descriptor *)(igb->memory + ring) + n % RING;
}

static int region(int device, uint32_t index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info) { .argsz = sizeof(*info), .index = index };
	return ioctl(device, VFIO_DEVICE_GET_REGION_INFO, info) < 0 ? -errno : 0;
}

int igb_open(struct igb *igb, const struct mdr_device *mdr_device)
{
	int device = mdr_device_fd(mdr_device), ret;
	struct vfio_region_info info;
	void *mapping;

	*igb = (struct igb) { .device = device };
	ret = region(device, VFIO_PCI_CONFIG_REGION_INDEX, &info);
	igb->config = info.offset;
	if (!ret)
		ret = region(device, VFIO_PCI_BAR0_REGION_INDEX, &info);
	if (ret)
		return ret;
	mapping = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, info.offset);
	if (mapping == MAP_FAILED)
		return -errno;
	igb->registers = mapping;
	igb->registers_size = info.size;
	mapping = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapping == MAP_FAILED)
		return -errno;
	igb->memory = mapping;
	return mdr_device_map(mdr_device, mapping, MEMORY_SIZE, IOVA);
}

void igb_close(struct igb *igb)
{
	if (igb->memory)
		munmap(igb->memory, MEMORY_SIZE);
	if (igb->registers)
		munmap((void *)igb->registers, igb->registers_size);
}

/* DMA is off after a reset of the function. */
static int bus_master(const struct igb *igb)
{
	uint16_t command;

	if (pread(igb->device, &command, sizeof(command), igb->config + 4) != sizeof(command))
		return -EIO;
	command |= 0x6;
	if (pwrite(igb->device, &command, sizeof(command), igb->config + 4) != sizeof(command))
		return -EIO;
	return 0;
}

static int wait_for_link(const struct igb *igb)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	put(igb, REG_CTRL, get(igb, REG_CTRL) | CTRL_SET_LINK_UP);
	if (get(igb, REG_STATUS) & STATUS_LINK_UP)
		return 0;
	put(igb, REG_MDIC, MDIC_RESTART);
	for (int i = 0; i < LINK_MS; i++) {
		if (get(igb, REG_STATUS) & STATUS_LINK_UP)
			return 0;
		nanosleep(&ms, NULL);
	}
	return -ENETDOWN;
}

static void start_ring(const struct igb *igb, unsigned int queue, size_t ring)
{
	put(igb, queue + RING_CONTROL, 0);
	put(igb, queue + RING_LOW, IOVA + ring);
	put(igb, queue + RING_HIGH, 0);
	put(igb, queue + RING_SIZE, RING * DESCRIPTOR);
	put(igb, queue + RING_HEAD, 0);
	put(igb, queue + RING_TAIL, 0);
	put(igb, queue + RING_CONTROL, RING_ENABLE);
}

int igb_start(struct igb *igb)
{
	int ret = bus_master(igb);

	if (ret)
		return ret;
	put(igb, REG_RCTL, 0);
	put(igb, REG_TCTL, 0);
	ret = wait_for_link(igb);
	if (ret)
		return ret;
	memset(igb->memory, 0, MEMORY_SIZE);
	igb->used = 0;
	for (unsigned int n = 0; n < RING; n++)
		descriptor(igb, RX_RING, n)->address = IOVA + RX_FRAMES + n * RX_FRAME_SIZE;
	put(igb, REG_SRRCTL, SRRCTL_PLAIN);
	start_ring(igb, TX, TX_RING);
	start_ring(igb, RX, RX_RING);
	put(igb, REG_RCTL, RCTL_RUN);
	put(igb, REG_TCTL, TCTL_RUN);
	put(igb, RX + RING_TAIL, RING - 1);
	return 0;
}

uint8_t *igb_frame_out(struct igb *igb, unsigned int index)
{
	return igb->memory + TX_FRAMES + index * IGB_FRAME_SIZE;
}

void igb_send(struct igb *igb, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		volatile struct descriptor *tx = descriptor(igb, TX_RING, igb->used + i);

		tx->address = IOVA + TX_FRAMES + i * IGB_FRAME_SIZE;
		tx->low = TX_COMMAND | IGB_FRAME_SIZE;
		tx->high = IGB_FRAME_SIZE << 14;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	put(igb, TX + RING_TAIL, (igb->used + count) % RING);
}

const uint8_t *igb_frame_in(struct igb *igb, unsigned int index)
{
	unsigned int n = igb->used + index;
	volatile struct descriptor *rx = descriptor(igb, RX_RING, n);

	if ((rx->low & RX_DONE) != RX_DONE)
		return NULL;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return igb->memory + RX_FRAMES + n % RING * RX_FRAME_SIZE;
}

void igb_next(struct igb *igb, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		unsigned int n = igb->used + i;
		volatile struct descriptor *rx = descriptor(igb, RX_RING, n);

		rx->address = IOVA + RX_FRAMES + n % RING * RX_FRAME_SIZE;
		rx->low = 0;
		rx->high = 0;
	}
	igb->used += count;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	put(igb, RX + RING_TAIL, (igb->used + RING - 1) % RING);
}
