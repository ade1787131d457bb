// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_bus: for tests only, never installed. Looks at the resets that the
 * kernel makes, whatever asks for them. It counts:
 *
 *	resets		resets of the bus below a bridge
 *	unlocked	those of them without the lock of the bridge
 *	flrs		function level resets
 *	flrs_master	those of functions that might still do DMA
 *	flrs_unlocked	those of functions whose config space anybody may reach
 *	flrs_asleep	those of functions that were asleep (runtime PM)
 *	wakes		how often all devices have woken up since "watched" was written
 *	wakes_master	those after which the function "watched" might do DMA at once
 *
 * The kernel warns of the second, but once in a boot, and vfio-pci-core's own reset at
 * open is one.
 *
 * Write a function to the parameter watched, and "awake" has how many users of the
 * kernel's keep it from falling asleep now, "flr_awake" how many did at its last
 * function level reset, "bus_awake" at the last reset of a bus, "channel" the state of its
 * channel to the kernel (pci_channel_state_t: 1 normal, 2 frozen, 3 lost for good), and "saved"
 * COMMAND in the kernel's copy of its config space, or -1 if a restore has used that up. "none"
 * ends it.
 *
 * Write anything to the parameter give_up, and its driver is told that it is lost. Write
 * anything to vanish, and to the kernel it has been removed; nobody unbinds its driver.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

static atomic_t resets, unlocked, flrs, flrs_master, flrs_unlocked, flrs_asleep;
static atomic_t flr_awake, bus_awake, wakes, wakes_master;

/* Referenced; written by the parameter only. */
static struct pci_dev *watched;

static int awake_users(struct pci_dev *pdev)
{
	return atomic_read(&pdev->dev.power.usage_count);
}

static int bus_reset(struct kprobe *probe, struct pt_regs *regs)
{
	struct pci_dev *bridge;

	bridge = (struct pci_dev *)regs_get_kernel_argument(regs, 0);
	atomic_inc(&resets);
	if (!bridge->block_cfg_access)
		atomic_inc(&unlocked);
	if (watched)
		atomic_set(&bus_awake, awake_users(watched));
	return 0;
}

static struct kprobe bus_probe = {
	.symbol_name	= "pci_bridge_secondary_bus_reset",
	.pre_handler	= bus_reset,
};

static int flr(struct kprobe *probe, struct pt_regs *regs)
{
	struct pci_dev *pdev;
	u16 command = 0;

	pdev = (struct pci_dev *)regs_get_kernel_argument(regs, 0);
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	atomic_inc(&flrs);
	if (command & PCI_COMMAND_MASTER)
		atomic_inc(&flrs_master);
	if (!pdev->block_cfg_access)
		atomic_inc(&flrs_unlocked);
	if (pm_runtime_status_suspended(&pdev->dev))
		atomic_inc(&flrs_asleep);
	if (pdev == watched)
		atomic_set(&flr_awake, awake_users(pdev));
	return 0;
}

static struct kprobe flr_probe = {
	.symbol_name	= "pcie_flr",
	.pre_handler	= flr,
};

static int wake(struct kprobe *probe, struct pt_regs *regs)
{
	u16 command = 0;

	atomic_inc(&wakes);
	if (watched)
		pci_read_config_word(watched, PCI_COMMAND, &command);
	if (command & PCI_COMMAND_MASTER)
		atomic_inc(&wakes_master);
	return 0;
}

static struct kprobe wake_probe = {
	.symbol_name	= "dpm_complete",
	.pre_handler	= wake,
};

static struct kprobe *probes[] = { &bus_probe, &flr_probe, &wake_probe };

static int count_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%d\n", atomic_read((atomic_t *)param->arg));
}

static const struct kernel_param_ops count_ops = {
	.get = count_get,
};
module_param_cb(resets, &count_ops, &resets, 0444);
module_param_cb(unlocked, &count_ops, &unlocked, 0444);
module_param_cb(flrs, &count_ops, &flrs, 0444);
module_param_cb(flrs_master, &count_ops, &flrs_master, 0444);
module_param_cb(flrs_unlocked, &count_ops, &flrs_unlocked, 0444);
module_param_cb(flrs_asleep, &count_ops, &flrs_asleep, 0444);
module_param_cb(flr_awake, &count_ops, &flr_awake, 0444);
module_param_cb(bus_awake, &count_ops, &bus_awake, 0444);
module_param_cb(wakes, &count_ops, &wakes, 0444);
module_param_cb(wakes_master, &count_ops, &wakes_master, 0444);

static int awake_get(char *text, const struct kernel_param *param)
{
	return watched ? sysfs_emit(text, "%d\n", awake_users(watched)) : -ENODEV;
}

static const struct kernel_param_ops awake_ops = {
	.get = awake_get,
};
module_param_cb(awake, &awake_ops, NULL, 0444);

static int watched_set(const char *text, const struct kernel_param *param)
{
	unsigned int domain, bus, device, function;

	pci_dev_put(watched);
	watched = NULL;
	atomic_set(&wakes, 0);
	atomic_set(&wakes_master, 0);
	if (sysfs_streq(text, "none"))
		return 0;
	if (sscanf(text, "%x:%x:%x.%u", &domain, &bus, &device, &function) != 4)
		return -EINVAL;
	watched = pci_get_domain_bus_and_slot(domain, bus,
					      PCI_DEVFN(device, function));
	return watched ? 0 : -ENODEV;
}

static const struct kernel_param_ops watched_ops = {
	.set = watched_set,
};
module_param_cb(watched, &watched_ops, NULL, 0200);

static int watched_channel_get(char *text, const struct kernel_param *param)
{
	return watched ? sysfs_emit(text, "%d\n", watched->error_state) :
			 -ENODEV;
}

static const struct kernel_param_ops watched_channel_ops = {
	.get = watched_channel_get,
};
module_param_cb(channel, &watched_channel_ops, NULL, 0444);

static int saved_get(char *text, const struct kernel_param *param)
{
	int command = -1;

	if (!watched)
		return -ENODEV;
	if (watched->state_saved)
		command = (u16)watched->saved_config_space[PCI_COMMAND / 4];
	return sysfs_emit(text, "%d\n", command);
}

static const struct kernel_param_ops saved_ops = {
	.get = saved_get,
};
module_param_cb(saved, &saved_ops, NULL, 0444);

/* As a platform does that has lost a function, outside of any recovery. */
static int give_up_set(const char *text, const struct kernel_param *param)
{
	const struct pci_error_handlers *handlers;
	int ret = -ENODEV;

	if (!watched)
		return ret;
	device_lock(&watched->dev);
	handlers = watched->driver ? watched->driver->err_handler : NULL;
	if (handlers && handlers->error_detected) {
		handlers->error_detected(watched, pci_channel_io_perm_failure);
		ret = 0;
	}
	device_unlock(&watched->dev);
	return ret;
}

static const struct kernel_param_ops give_up_ops = {
	.set = give_up_set,
};
module_param_cb(give_up, &give_up_ops, NULL, 0200);

/* As pciehp does with a device that has been pulled out, before it unbinds the driver. */
static int vanish_set(const char *text, const struct kernel_param *param)
{
	if (!watched)
		return -ENODEV;
	WRITE_ONCE(watched->error_state, pci_channel_io_perm_failure);
	return 0;
}

static const struct kernel_param_ops vanish_ops = {
	.set = vanish_set,
};
module_param_cb(vanish, &vanish_ops, NULL, 0200);

static int __init bus_init(void)
{
	return register_kprobes(probes, ARRAY_SIZE(probes));
}

static void __exit bus_exit(void)
{
	unregister_kprobes(probes, ARRAY_SIZE(probes));
	pci_dev_put(watched);
}

module_init(bus_init);
module_exit(bus_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("Looks at resets, for the tests of mdev_recovery");
