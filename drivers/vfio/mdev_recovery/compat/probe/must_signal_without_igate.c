// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_pci_core_aer_err_detected() takes no lock, unlike in early releases of 6.12. The
 * triggers of ERR and REQ are of this type then.
 */
#include <linux/vfio_pci_core.h>

void probe(struct vfio_pci_core_device *core);
void probe(struct vfio_pci_core_device *core)
{
	struct vfio_pci_eventfd __rcu **trigger = &core->err_trigger;

	(void)trigger;
}
