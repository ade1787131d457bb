// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdr-pci: the generic parent driver. Binds any PCI function that an
 * administrator names in driver_override, and knows no device.
 */
#include <linux/mdev_recovery.h>
#include <linux/module.h>
#include <linux/pci.h>

static int mdr_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return mdr_register_function(pdev, NULL);
}

static void mdr_pci_remove(struct pci_dev *pdev)
{
	mdr_unregister_function(pdev);
}

/* matches by driver_override only */
static const struct pci_device_id mdr_pci_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID) },
	{}
};
MODULE_DEVICE_TABLE(pci, mdr_pci_ids);

static struct pci_driver mdr_pci_driver = {
	.name			= "mdr-pci",
	.id_table		= mdr_pci_ids,
	.probe			= mdr_pci_probe,
	.remove			= mdr_pci_remove,
	.err_handler		= &mdr_pci_error_handlers,
	.driver_managed_dma	= true,
};
module_pci_driver(mdr_pci_driver);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("Generic parent PCI driver of mdev_recovery");
