// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_stub: for tests only, never installed. Drivers that bind to functions by
 * driver_override and do nothing with them. "mdr-stub" has no error handlers, "mdr-stub-reset"
 * only one that is called after resets.
 */
#include <linux/module.h>
#include <linux/pci.h>

static int stub_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return 0;
}

static void stub_reset_done(struct pci_dev *pdev)
{
}

static const struct pci_error_handlers stub_error_handlers = {
	.reset_done	= stub_reset_done,
};

static struct pci_driver stub_driver = {
	.name		= "mdr-stub",
	.probe		= stub_probe,
};

static struct pci_driver stub_reset_driver = {
	.name		= "mdr-stub-reset",
	.probe		= stub_probe,
	.err_handler	= &stub_error_handlers,
};

static int __init stub_init(void)
{
	int ret = pci_register_driver(&stub_driver);

	if (ret)
		return ret;
	ret = pci_register_driver(&stub_reset_driver);
	if (ret)
		pci_unregister_driver(&stub_driver);
	return ret;
}
module_init(stub_init);

static void __exit stub_exit(void)
{
	pci_unregister_driver(&stub_reset_driver);
	pci_unregister_driver(&stub_driver);
}
module_exit(stub_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("PCI drivers without error handlers, for the tests of mdev_recovery");
