/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Members of vfio_device_ops that not every kernel has. VFIO_OPS_x(function)
 * stands in an initialiser of that structure.
 */
#ifndef MDR_COMPAT_LINUX_VFIO_PCI_CORE_H
#define MDR_COMPAT_LINUX_VFIO_PCI_CORE_H

#include_next <linux/vfio_pci_core.h>

/*
 * Without it GET_REGION_INFO is an ioctl like the others, and nobody calls the
 * function. Can go with 6.12.
 */
#ifdef MDR_HAVE_get_region_info_caps
#define VFIO_OPS_REGION_INFO(function_) .get_region_info_caps = (function_),
#else
#define VFIO_OPS_REGION_INFO(function_)
static inline int
vfio_pci_ioctl_get_region_info(struct vfio_device *vdev,
			       struct vfio_region_info *info,
			       struct vfio_info_cap *caps)
{
	return -ENOTTY;
}
#endif

/* Without it vfio_pci_core_match() knows about tokens. Can go with 6.12. */
#ifdef MDR_HAVE_match_token_uuid
#define VFIO_OPS_MATCH_TOKEN(function_) .match_token_uuid = (function_),
#else
#define VFIO_OPS_MATCH_TOKEN(function_)
#endif

#endif
