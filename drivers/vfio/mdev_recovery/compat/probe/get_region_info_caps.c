// SPDX-License-Identifier: GPL-2.0-only
/* vfio_device_ops.get_region_info_caps; in 7.3, not in 6.12. */
#include <linux/vfio_pci_core.h>

struct vfio_device_ops probe = {
	.get_region_info_caps = vfio_pci_ioctl_get_region_info,
};
