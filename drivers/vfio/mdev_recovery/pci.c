// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdr-pci: the generic parent driver. Knows no device: it binds any PCI
 * function whose driver_override names it. Its error callbacks are in recovery.c.
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

/*
 * No id table: the PCI core matches a driver_override without one, and with
 * "vfio_pci:" aliases libvirt would take this driver for a better vfio-pci and
 * bind every managed hostdev to it.
 */
static struct pci_driver mdr_pci_driver = {
	.name			= "mdr-pci",
	.probe			= mdr_pci_probe,
	.remove			= mdr_pci_remove,
	.err_handler		= &mdr_pci_error_handlers,
	.driver_managed_dma	= true,
};
module_pci_driver(mdr_pci_driver);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_VERSION(MDR_VERSION);
MODULE_DESCRIPTION("Generic parent PCI driver of mdev_recovery");
