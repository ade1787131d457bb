// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_bus: for tests only, never installed. Counts how often the kernel
 * resets the bus below a bridge, whoever asks for it: all in the parameter resets, and
 * in unlocked those without the lock of the bridge.
 *
 * The kernel warns of the latter, but once in a boot, and vfio-pci-core's own reset at
 * open is one.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pci.h>

static atomic_t resets, unlocked;

static int bus_reset(struct kprobe *probe, struct pt_regs *regs)
{
	struct pci_dev *bridge;

	bridge = (struct pci_dev *)regs_get_kernel_argument(regs, 0);
	atomic_inc(&resets);
	if (!bridge->block_cfg_access)
		atomic_inc(&unlocked);
	return 0;
}

static struct kprobe bus_probe = {
	.symbol_name	= "pci_bridge_secondary_bus_reset",
	.pre_handler	= bus_reset,
};

static int count_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%d\n", atomic_read((atomic_t *)param->arg));
}

static const struct kernel_param_ops count_ops = {
	.get = count_get,
};
module_param_cb(resets, &count_ops, &resets, 0444);
module_param_cb(unlocked, &count_ops, &unlocked, 0444);

static int __init bus_init(void)
{
	return register_kprobe(&bus_probe);
}

static void __exit bus_exit(void)
{
	unregister_kprobe(&bus_probe);
}

module_init(bus_init);
module_exit(bus_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("Counts resets of a bus, for the tests of mdev_recovery");
