// SPDX-License-Identifier: GPL-2.0-only
/* Must not compile with any kernel. */
#include <linux/vfio.h>

int probe(struct vfio_device *vdev);
int probe(struct vfio_device *vdev)
{
	return vdev->there_is_no_such_member;
}
