// SPDX-License-Identifier: GPL-2.0-only
/* vfio_pci_core_get_iomap(), for BARs mapped at open; in 7.3, not in 6.12. */
#include <linux/vfio_pci_core.h>

void __iomem *probe(struct vfio_pci_core_device *core);
void __iomem *probe(struct vfio_pci_core_device *core)
{
	return vfio_pci_core_get_iomap(core, 0);
}
