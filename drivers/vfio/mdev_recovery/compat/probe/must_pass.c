// SPDX-License-Identifier: GPL-2.0-only
/* Must compile with every kernel. */
#include <linux/mdev.h>
#include <linux/vfio_pci_core.h>

int probe(struct vfio_device *vdev);
int probe(struct vfio_device *vdev)
{
	return vdev->ops ? 0 : 1;
}
