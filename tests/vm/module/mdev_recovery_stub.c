// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_stub: for tests only, never installed. A driver, "mdr-stub", that binds
 * to functions by driver_override and does nothing with them. It has no error handlers.
 */
#include <linux/module.h>
#include <linux/pci.h>

static int stub_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return 0;
}

static struct pci_driver stub_driver = {
	.name		= "mdr-stub",
	.probe		= stub_probe,
};
module_pci_driver(stub_driver);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("A PCI driver without error handlers, for the tests of mdev_recovery");
