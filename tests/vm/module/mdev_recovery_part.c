// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_part: for tests only, never installed. Parts of registers in config space
 * are as no device of QEMU's has them.
 *
 * Write "ADDRESS VALUE" to the parameter payload or read_request, and Max_Payload_Size or
 * Max_Read_Request_Size of the function (PCI Express 6.0, 7.5.3.4) is VALUE, 0 to 7, until a
 * module or pcie_set_readrq() writes another one. "ADDRESS 0" to serr, and SERR# Enable of
 * the function is 0 whatever is written, as in a VF (SR-IOV 1.1, 3.4.1.3).
 *
 * The parameter reads as the part does; "none" ends it. What the PCI core saves, restores
 * and writes for users neither sees nor changes it.
 */
#include <linux/bitops.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sysfs.h>

#include "parse_address.h"

/**
 * struct part_field - a part of a register of 16 bits
 * @express: the register is in the PCI Express capability, else in the header
 * @at: its offset there
 * @fixed: writing does not change it
 * @mask: the part
 * @value: what it reads as, in its place
 * @pdev: the function, only compared; or NULL
 */
static struct part_field {
	bool express;
	u8 at;
	bool fixed;
	u16 mask;
	u16 value;
	struct pci_dev *pdev;
} part_fields[] = {
	{ .express = true, .at = PCI_EXP_DEVCTL, .mask = PCI_EXP_DEVCTL_PAYLOAD },
	{ .express = true, .at = PCI_EXP_DEVCTL, .mask = PCI_EXP_DEVCTL_READRQ },
	{ .at = PCI_COMMAND, .fixed = true, .mask = PCI_COMMAND_SERR },
};

#define part_payload	part_fields[0]
#define part_readrq	part_fields[1]
#define part_serr	part_fields[2]

static bool part_is_at(struct part_field *field, struct pci_dev *pdev, int where)
{
	return pdev && READ_ONCE(field->pdev) == pdev &&
	       where == field->at + (field->express ? pdev->pcie_cap : 0);
}

struct part_read {
	struct pci_dev *pdev;
	int where;
	u16 *value;
};

static int part_read_begins(struct kretprobe_instance *instance,
			    struct pt_regs *regs)
{
	struct part_read *read = (struct part_read *)instance->data;

	read->pdev = (struct pci_dev *)regs_get_kernel_argument(regs, 0);
	read->where = (int)regs_get_kernel_argument(regs, 1);
	read->value = (u16 *)regs_get_kernel_argument(regs, 2);
	return 0;
}

static int part_read_ends(struct kretprobe_instance *instance,
			  struct pt_regs *regs)
{
	struct part_read *read = (struct part_read *)instance->data;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(part_fields); i++) {
		struct part_field *field = &part_fields[i];

		if (part_is_at(field, read->pdev, read->where))
			*read->value = (*read->value & ~field->mask) |
				       READ_ONCE(field->value);
	}
	return 0;
}

static struct kretprobe part_read_probe = {
	.kp.symbol_name	= "pci_read_config_word",
	.entry_handler	= part_read_begins,
	.handler	= part_read_ends,
	.data_size	= sizeof(struct part_read),
};

static int part_write_begins(struct kprobe *probe, struct pt_regs *regs)
{
	struct pci_dev *pdev = (struct pci_dev *)regs_get_kernel_argument(regs, 0);
	int where = (int)regs_get_kernel_argument(regs, 1);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(part_fields); i++) {
		struct part_field *field = &part_fields[i];

		if (part_is_at(field, pdev, where) && !field->fixed)
			WRITE_ONCE(field->value,
				   regs_get_kernel_argument(regs, 2) & field->mask);
	}
	return 0;
}

static struct kprobe part_write_probe = {
	.symbol_name	= "pci_write_config_word",
	.pre_handler	= part_write_begins,
};

/* The PCI core's own writes do not come by the probe above. */
static int part_readrq_begins(struct kprobe *probe, struct pt_regs *regs)
{
	struct pci_dev *pdev = (struct pci_dev *)regs_get_kernel_argument(regs, 0);
	struct part_field *field = &part_readrq;
	int bytes = (int)regs_get_kernel_argument(regs, 1);

	if (pdev && pdev == READ_ONCE(field->pdev))
		WRITE_ONCE(field->value, ((ffs(bytes) - 8) << __ffs(field->mask)) & field->mask);
	return 0;
}

static struct kprobe part_readrq_probe = {
	.symbol_name	= "pcie_set_readrq",
	.pre_handler	= part_readrq_begins,
};

static int part_field_set(const char *text, const struct kernel_param *param)
{
	struct part_field *field = param->arg;
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

static int part_field_get(char *text, const struct kernel_param *param)
{
	struct part_field *field = param->arg;

	return sysfs_emit(text, "%u\n", READ_ONCE(field->value) >> __ffs(field->mask));
}

static const struct kernel_param_ops part_field_ops = {
	.set = part_field_set,
	.get = part_field_get,
};
module_param_cb(payload, &part_field_ops, &part_payload, 0644);
module_param_cb(read_request, &part_field_ops, &part_readrq, 0644);
module_param_cb(serr, &part_field_ops, &part_serr, 0644);

static struct kprobe *part_probes[] = { &part_write_probe, &part_readrq_probe };

static int __init part_init(void)
{
	int ret;

	ret = register_kprobes(part_probes, ARRAY_SIZE(part_probes));
	if (ret)
		return ret;
	ret = register_kretprobe(&part_read_probe);
	if (ret)
		unregister_kprobes(part_probes, ARRAY_SIZE(part_probes));
	return ret;
}

static void __exit part_exit(void)
{
	unregister_kretprobe(&part_read_probe);
	unregister_kprobes(part_probes, ARRAY_SIZE(part_probes));
}

module_init(part_init);
module_exit(part_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("Parts of registers, for the tests of mdev_recovery");
