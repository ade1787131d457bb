// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_devctl: for tests only, never installed. Parts of Device Control (PCI
 * Express 6.0, 7.5.3.4) that no device of QEMU's has.
 *
 * Write "ADDRESS VALUE" to the parameter payload or read_request, and Max_Payload_Size or
 * Max_Read_Request_Size of the function is VALUE, 0 to 7, until a module or
 * pcie_set_readrq() writes another one. The parameter reads as the part does; "none" ends
 * it. What the PCI core saves, restores and writes for users neither sees nor changes it.
 */
#include <linux/bitops.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sysfs.h>

#include "parse_address.h"

/**
 * struct devctl_field - a part of Device Control that a function does not have
 * @mask: the part
 * @pdev: the function, only compared; or NULL
 * @value: what it reads as, in its place
 */
static struct devctl_field {
	u16 mask;
	u16 value;
	struct pci_dev *pdev;
} devctl_fields[] = {
	{ .mask = PCI_EXP_DEVCTL_PAYLOAD },
	{ .mask = PCI_EXP_DEVCTL_READRQ },
};

/* The function whose Device Control is accessed, or NULL. */
static struct pci_dev *devctl_accessed(struct pt_regs *regs)
{
	struct pci_dev *pdev = (struct pci_dev *)regs_get_kernel_argument(regs, 0);
	unsigned int i;

	for (i = 0; pdev && i < ARRAY_SIZE(devctl_fields); i++)
		if (pdev == READ_ONCE(devctl_fields[i].pdev) &&
		    (int)regs_get_kernel_argument(regs, 1) ==
		    pdev->pcie_cap + PCI_EXP_DEVCTL)
			return pdev;
	return NULL;
}

struct devctl_read {
	struct pci_dev *pdev;
	u16 *value;
};

static int devctl_read_begins(struct kretprobe_instance *instance,
			      struct pt_regs *regs)
{
	struct devctl_read *read = (struct devctl_read *)instance->data;

	read->pdev = devctl_accessed(regs);
	read->value = (u16 *)regs_get_kernel_argument(regs, 2);
	return !read->pdev;
}

static int devctl_read_ends(struct kretprobe_instance *instance,
			    struct pt_regs *regs)
{
	struct devctl_read *read = (struct devctl_read *)instance->data;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(devctl_fields); i++) {
		struct devctl_field *field = &devctl_fields[i];

		if (READ_ONCE(field->pdev) == read->pdev)
			*read->value = (*read->value & ~field->mask) |
				       READ_ONCE(field->value);
	}
	return 0;
}

static struct kretprobe devctl_read_probe = {
	.kp.symbol_name	= "pci_read_config_word",
	.entry_handler	= devctl_read_begins,
	.handler	= devctl_read_ends,
	.data_size	= sizeof(struct devctl_read),
};

static int devctl_write_begins(struct kprobe *probe, struct pt_regs *regs)
{
	struct pci_dev *pdev = devctl_accessed(regs);
	unsigned int i;

	for (i = 0; pdev && i < ARRAY_SIZE(devctl_fields); i++)
		if (READ_ONCE(devctl_fields[i].pdev) == pdev)
			WRITE_ONCE(devctl_fields[i].value,
				   regs_get_kernel_argument(regs, 2) &
				   devctl_fields[i].mask);
	return 0;
}

static struct kprobe devctl_write_probe = {
	.symbol_name	= "pci_write_config_word",
	.pre_handler	= devctl_write_begins,
};

/* The PCI core's own writes do not come by the probe above. */
static int devctl_readrq_begins(struct kprobe *probe, struct pt_regs *regs)
{
	struct pci_dev *pdev = (struct pci_dev *)regs_get_kernel_argument(regs, 0);
	struct devctl_field *field = &devctl_fields[1];
	int bytes = (int)regs_get_kernel_argument(regs, 1);

	if (pdev && pdev == READ_ONCE(field->pdev))
		WRITE_ONCE(field->value, ((ffs(bytes) - 8) << __ffs(field->mask)) & field->mask);
	return 0;
}

static struct kprobe devctl_readrq_probe = {
	.symbol_name	= "pcie_set_readrq",
	.pre_handler	= devctl_readrq_begins,
};

static int devctl_field_set(const char *text, const struct kernel_param *param)
{
	struct devctl_field *field = param->arg;
	struct pci_dev *pdev;
	u16 value;

	if (sysfs_streq(text, "none")) {
		WRITE_ONCE(field->pdev, NULL);
		return 0;
	}
	pdev = parse_address(text, &text);
	if (!pdev)
		return -ENODEV;
	pci_dev_put(pdev);
	if (sscanf(text, " %hu", &value) != 1 || value > 7)
		return -EINVAL;
	WRITE_ONCE(field->value, value << __ffs(field->mask));
	WRITE_ONCE(field->pdev, pdev);
	return 0;
}

static int devctl_field_get(char *text, const struct kernel_param *param)
{
	struct devctl_field *field = param->arg;

	return sysfs_emit(text, "%u\n", READ_ONCE(field->value) >> __ffs(field->mask));
}

static const struct kernel_param_ops devctl_field_ops = {
	.set = devctl_field_set,
	.get = devctl_field_get,
};
module_param_cb(payload, &devctl_field_ops, &devctl_fields[0], 0644);
module_param_cb(read_request, &devctl_field_ops, &devctl_fields[1], 0644);

static struct kprobe *devctl_probes[] = { &devctl_write_probe, &devctl_readrq_probe };

static int __init devctl_init(void)
{
	int ret;

	ret = register_kprobes(devctl_probes, ARRAY_SIZE(devctl_probes));
	if (ret)
		return ret;
	ret = register_kretprobe(&devctl_read_probe);
	if (ret)
		unregister_kprobes(devctl_probes, ARRAY_SIZE(devctl_probes));
	return ret;
}

static void __exit devctl_exit(void)
{
	unregister_kretprobe(&devctl_read_probe);
	unregister_kprobes(devctl_probes, ARRAY_SIZE(devctl_probes));
}

module_init(devctl_init);
module_exit(devctl_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("Parts of Device Control, for the tests of mdev_recovery");
