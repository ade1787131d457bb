// SPDX-License-Identifier: GPL-2.0-only
/* vfio_pci_core_device.disable_idle_d3; in 7.3 and late 6.12.y, not in 6.12. */
#include <linux/vfio_pci_core.h>

void probe(struct vfio_pci_core_device *core);
void probe(struct vfio_pci_core_device *core)
{
	core->disable_idle_d3 = true;
}
