// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "hot_reset.h"

int hot_reset(struct vfio_user *u)
{
	struct {
		struct vfio_pci_hot_reset head;
		int32_t groups[4];
	} arg = { .head = { .count = u->space->nr_groups } };

	arg.head.argsz = offsetof(typeof(arg), groups) + 4 * arg.head.count;
	for (unsigned int i = 0; i < arg.head.count; i++)
		arg.groups[i] = u->space->groups[i].fd;
	return ioctl(u->device, VFIO_DEVICE_PCI_HOT_RESET, &arg) ? -errno : 0;
}
