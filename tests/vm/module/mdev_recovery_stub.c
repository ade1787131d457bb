// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_stub: for tests only, never installed. Drivers that bind to functions by
 * driver_override and do nothing with them. "mdr-stub" has no error handlers, "mdr-stub-reset"
 * only one that is called after resets, and "mdr-stub-lost" finds its function lost after the
 * host's reset. The first makes VFs, and leaves them to its successor.
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

static pci_ers_result_t stub_lost_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	return PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t stub_lost_slot_reset(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_DISCONNECT;
}

static const struct pci_error_handlers stub_lost_error_handlers = {
	.error_detected	= stub_lost_error_detected,
	.slot_reset	= stub_lost_slot_reset,
};

static struct pci_driver stub_drivers[] = {
	{
		.name			= "mdr-stub",
		.probe			= stub_probe,
		.sriov_configure	= pci_sriov_configure_simple,
	},
	{
		.name			= "mdr-stub-reset",
		.probe			= stub_probe,
		.err_handler		= &stub_error_handlers,
	},
	{
		.name			= "mdr-stub-lost",
		.probe			= stub_probe,
		.err_handler		= &stub_lost_error_handlers,
	},
};

static int __init stub_init(void)
{
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(stub_drivers); i++) {
		ret = pci_register_driver(&stub_drivers[i]);
		if (!ret)
			continue;
		while (i--)
			pci_unregister_driver(&stub_drivers[i]);
		return ret;
	}
	return 0;
}
module_init(stub_init);

static void __exit stub_exit(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(stub_drivers); i++)
		pci_unregister_driver(&stub_drivers[i]);
}
module_exit(stub_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("PCI drivers that do nothing, for the tests of mdev_recovery");
