/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Members of structures that not every kernel has. VFIO_OPS_x(function)
 * stands in an initialiser of vfio_device_ops.
 */
#ifndef MDR_COMPAT_LINUX_VFIO_PCI_CORE_H
#define MDR_COMPAT_LINUX_VFIO_PCI_CORE_H

#include_next <linux/vfio_pci_core.h>
#include <linux/pm_runtime.h>

/*
 * Without it GET_REGION_INFO is an ioctl like the others, and nobody calls the
 * function. Can go with 6.12.
 */
#ifdef MDR_HAVE_get_region_info_caps
#define VFIO_OPS_REGION_INFO(function_) .get_region_info_caps = (function_),
static inline int vfio_ops_region_info(const struct vfio_device_ops *ops,
				       struct vfio_device *vdev,
				       struct vfio_region_info *info,
				       struct vfio_info_cap *caps)
{
	return ops->get_region_info_caps ?
	       ops->get_region_info_caps(vdev, info, caps) : -EINVAL;
}
#else
#define VFIO_OPS_REGION_INFO(function_)
static inline int vfio_ops_region_info(const struct vfio_device_ops *ops,
				       struct vfio_device *vdev,
				       struct vfio_region_info *info,
				       struct vfio_info_cap *caps)
{
	return -ENOTTY;
}
#endif

/* Without it vfio_pci_core_match() knows about tokens. Can go with 6.12. */
#ifdef MDR_HAVE_match_token_uuid
#define VFIO_OPS_MATCH_TOKEN(function_) .match_token_uuid = (function_),
static inline void
vfio_ops_copy_match_token(struct vfio_device_ops *to,
			  const struct vfio_device_ops *from)
{
	to->match_token_uuid = from->match_token_uuid;
}
#else
#define VFIO_OPS_MATCH_TOKEN(function_)
static inline void
vfio_ops_copy_match_token(struct vfio_device_ops *to,
			  const struct vfio_device_ops *from)
{
}

#endif

/*
 * Without it a module cannot speak for its own devices: a reference keeps the
 * function in D0, also when its user asks for low power. Can go with 6.12.
 */
#ifdef MDR_HAVE_disable_idle_d3
static inline void
vfio_pci_core_stay_in_d0(struct vfio_pci_core_device *core)
{
	core->disable_idle_d3 = true;
}

static inline void
vfio_pci_core_stay_in_d0_end(struct vfio_pci_core_device *core)
{
}
#else
static inline void
vfio_pci_core_stay_in_d0(struct vfio_pci_core_device *core)
{
	pm_runtime_get_noresume(&core->pdev->dev);
}

static inline void
vfio_pci_core_stay_in_d0_end(struct vfio_pci_core_device *core)
{
	pm_runtime_put_noidle(&core->pdev->dev);
}
#endif

/* Without it the first access to a BAR maps it. Can go with 6.12. */
#ifndef MDR_HAVE_get_iomap
static inline void __iomem *
vfio_pci_core_get_iomap(struct vfio_pci_core_device *core, unsigned int bar)
{
	int ret;

	if (likely(core->barmap[bar]))
		return core->barmap[bar];
	ret = vfio_pci_core_setup_barmap(core, bar);
	return ret ? IOMEM_ERR_PTR(ret) : core->barmap[bar];
}
#endif

#endif
