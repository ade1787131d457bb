/* SPDX-License-Identifier: GPL-2.0-only */
/* What some kernels export, but declare in drivers/pci/pci.h only. */
#ifndef MDR_TEST_PCI_PRIVATE_H
#define MDR_TEST_PCI_PRIVATE_H

#include <linux/pci.h>

int pci_bus_error_reset(struct pci_dev *dev);
pci_ers_result_t
pcie_do_recovery(struct pci_dev *dev, pci_channel_state_t state,
		 pci_ers_result_t (*reset_subordinates)(struct pci_dev *pdev));

#endif
