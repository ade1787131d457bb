// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "vfio_irq.h"

#define MAX_VECTORS 32

struct irq_set {
	struct vfio_irq_set head;
	int eventfds[MAX_VECTORS];
};

static int set_irqs(struct vfio_user *u, struct irq_set *set, unsigned int index,
		    unsigned int start, unsigned int count, uint32_t flags)
{
	set->head.argsz = sizeof(set->head);
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		set->head.argsz += count * sizeof(set->eventfds[0]);
	set->head.flags = flags;
	set->head.index = index;
	set->head.start = start;
	set->head.count = count;
	return ioctl(u->device, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
}

int vfio_irq_count(struct vfio_user *u, unsigned int index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(u->device, VFIO_DEVICE_GET_IRQ_INFO, &info))
		return -errno;
	return info.count;
}

int vfio_irq_enable(struct vfio_user *u, unsigned int index, unsigned int count,
		    int *eventfds)
{
	struct irq_set set;
	unsigned int i;
	int ret = 0;

	if (count > MAX_VECTORS)
		return -E2BIG;
	for (i = 0; i < count && !ret; i++) {
		eventfds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (eventfds[i] < 0)
			ret = -errno;
	}
	if (!ret) {
		memcpy(set.eventfds, eventfds, count * sizeof(*eventfds));
		ret = set_irqs(u, &set, index, 0, count,
			       VFIO_IRQ_SET_DATA_EVENTFD |
			       VFIO_IRQ_SET_ACTION_TRIGGER);
	}
	while (ret && i--)
		close(eventfds[i]);
	return ret;
}

int vfio_irq_disable(struct vfio_user *u, unsigned int index)
{
	struct irq_set set;

	return set_irqs(u, &set, index, 0, 0,
			VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER);
}

int vfio_irq_mask_intx(struct vfio_user *u)
{
	struct irq_set set;

	return set_irqs(u, &set, VFIO_PCI_INTX_IRQ_INDEX, 0, 1,
			VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK);
}

int vfio_irq_unmask_intx(struct vfio_user *u)
{
	struct irq_set set;

	return set_irqs(u, &set, VFIO_PCI_INTX_IRQ_INDEX, 0, 1,
			VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK);
}

int vfio_irq_unmask_intx_by(struct vfio_user *u, int eventfd)
{
	struct irq_set set;

	set.eventfds[0] = eventfd;
	return set_irqs(u, &set, VFIO_PCI_INTX_IRQ_INDEX, 0, 1,
			VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK);
}

int vfio_irq_loopback(struct vfio_user *u, unsigned int index, unsigned int vector)
{
	struct irq_set set;

	return set_irqs(u, &set, index, vector, 1,
			VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER);
}

bool vfio_irq_wait(int eventfd, unsigned int ms, uint64_t *count)
{
	struct pollfd p = { .fd = eventfd, .events = POLLIN };
	uint64_t fired;

	if (poll(&p, 1, patient_ms(ms)) != 1)
		return false;
	if (read(eventfd, &fired, sizeof(fired)) != sizeof(fired))
		return false;
	if (count)
		*count = fired;
	return true;
}
