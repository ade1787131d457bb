// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_moment: for tests only, never installed. Something happens at a moment
 * that no test could hit.
 *
 * Write "ADDRESS" to the parameter keep for a reference on the function, as a loop over
 * all functions has one for a moment; "none" drops it. Write "look" for what such a loop
 * does in the shim: is the function below its bridge?
 *
 * Write MS to the parameter sync_ms, and the worker takes that long to make INTx of a
 * device match, which it then leaves out. 0 ends it. The parameters syncs and synced count
 * how often that has begun and ended.
 *
 * Write MS to the parameter access_ms, and each read of 64 bits through the shim takes the
 * device that long. 0 ends it. The parameter accesses counts them, late_accesses those that
 * begin while the gate is closed and waits for what is inside.
 *
 * Write MS to the parameter insert_ms, and each fault of a device's mapping inserts its page
 * that much later. 0 ends it. The parameter inserts counts them. Write MS to the parameter
 * look_ms, and each look for such a page, as vfio does after a fault, comes that much later;
 * looks counts these. In late_inserts and late_looks are those meanwhile a gate has closed.
 * Write MS to the parameter command_ms, and each write of a user to COMMAND comes that much
 * later; late_commands are those meanwhile a gate has closed.
 *
 * Write "ADDRESS" of a bridge to the parameter lose_in_save, and it loses its bus numbers,
 * as by a reset, when the kernel saves its config space the next time.
 *
 * Write "ADDRESS" to the parameter lost, and the shim finds that this function does not
 * answer whenever it looks whether a reset has left it blank. "none" ends it.
 *
 * The parameter astray counts how often config space of a function was restored while the
 * memory window of the bridge above was not where the kernel has it.
 *
 * The parameter link_changes counts how often a port is told to forget that its link has
 * changed. The parameter zap_works counts how often mappings were removed beside a host
 * callback.
 *
 * Write MS to the parameter link_ms, and the next link in the directory of a group is not made:
 * that takes so long, and then there is no memory. The parameter links counts them.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/sysfs.h>

#include "parse_address.h"

/* protects what is written to the parameters, and the probes */
static DEFINE_MUTEX(moment_lock);

static int moment_count_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%d\n", atomic_read((atomic_t *)param->arg));
}

static const struct kernel_param_ops moment_count_ops = {
	.get = moment_count_get,
};

/* The function of that address, referenced; NULL for "none". */
static int moment_function(const char *text, struct pci_dev **pdev)
{
	*pdev = NULL;
	if (sysfs_streq(text, "none"))
		return 0;
	*pdev = parse_address(text, &text);
	return *pdev ? 0 : -ENODEV;
}

/* keep: referenced */
static struct pci_dev *moment_kept;

static int moment_keep_look(void)
{
	struct kprobe probe = { .symbol_name = "mdr_pci_is_below" };
	bool (*is_below)(struct pci_dev *pdev, struct pci_dev *bridge);
	int ret;

	if (!moment_kept)
		return -ENOENT;
	/* it is not exported; a probe at an entry is behind its ENDBR */
	ret = register_kprobe(&probe);
	if (ret)
		return ret;
	unregister_kprobe(&probe);
	is_below = (void *)probe.addr;
	return is_below(moment_kept, moment_kept->bus->self) ? 0 : -EINVAL;
}

static int moment_keep_set(const char *text, const struct kernel_param *param)
{
	struct pci_dev *pdev;
	int ret;

	guard(mutex)(&moment_lock);
	if (sysfs_streq(text, "look"))
		return moment_keep_look();
	ret = moment_function(text, &pdev);
	if (ret)
		return ret;
	pci_dev_put(moment_kept);
	moment_kept = pdev;
	return 0;
}

static const struct kernel_param_ops moment_keep_ops = {
	.set = moment_keep_set,
};
module_param_cb(keep, &moment_keep_ops, NULL, 0200);

/* sync_ms */
static unsigned int moment_sync_ms;
static atomic_t syncs, synced;
module_param_cb(syncs, &moment_count_ops, &syncs, 0444);
module_param_cb(synced, &moment_count_ops, &synced, 0444);

/* In the place of mdr_device_sync_interrupts(). */
static noinline void moment_sync(void)
{
	atomic_inc(&syncs);
	msleep(READ_ONCE(moment_sync_ms));
	atomic_inc(&synced);
}

static int moment_sync_begins(struct kprobe *probe, struct pt_regs *regs)
{
	instruction_pointer_set(regs, (unsigned long)moment_sync);
	return 1;
}

static struct kprobe moment_sync_probe;

static int moment_sync_set(const char *text, const struct kernel_param *param)
{
	unsigned int ms;
	int ret;

	ret = kstrtouint(text, 0, &ms);
	if (ret)
		return ret;
	guard(mutex)(&moment_lock);
	if (moment_sync_ms)
		unregister_kprobe(&moment_sync_probe);
	WRITE_ONCE(moment_sync_ms, 0);
	if (!ms)
		return 0;
	moment_sync_probe = (struct kprobe) {
		.symbol_name	= "mdr_device_sync_interrupts",
		.pre_handler	= moment_sync_begins,
	};
	WRITE_ONCE(moment_sync_ms, ms);
	ret = register_kprobe(&moment_sync_probe);
	if (ret)
		WRITE_ONCE(moment_sync_ms, 0);
	return ret;
}

static const struct kernel_param_ops moment_sync_ops = {
	.set = moment_sync_set,
};
module_param_cb(sync_ms, &moment_sync_ops, NULL, 0200);

/* access_ms */
static unsigned int moment_access_ms;
static atomic_t accesses, late_accesses, moment_drains, moment_drains_begun;
module_param_cb(accesses, &moment_count_ops, &accesses, 0444);
module_param_cb(late_accesses, &moment_count_ops, &late_accesses, 0444);

static int moment_access_begins(struct kprobe *probe, struct pt_regs *regs)
{
	atomic_inc(&accesses);
	if (atomic_read(&moment_drains))
		atomic_inc(&late_accesses);
	mdelay(READ_ONCE(moment_access_ms));
	return 0;
}

static int moment_drain_begins(struct kretprobe_instance *instance,
			       struct pt_regs *regs)
{
	atomic_inc(&moment_drains);
	atomic_inc(&moment_drains_begun);
	return 0;
}

static int moment_drain_ends(struct kretprobe_instance *instance,
			     struct pt_regs *regs)
{
	atomic_dec(&moment_drains);
	return 0;
}

/* insert_ms, look_ms and command_ms */
static unsigned int moment_insert_ms, moment_look_ms, moment_command_ms;
static atomic_t inserts, late_inserts, looks, late_looks, commands, late_commands;
module_param_cb(inserts, &moment_count_ops, &inserts, 0444);
module_param_cb(late_inserts, &moment_count_ops, &late_inserts, 0444);
module_param_cb(looks, &moment_count_ops, &looks, 0444);
module_param_cb(late_looks, &moment_count_ops, &late_looks, 0444);
module_param_cb(commands, &moment_count_ops, &commands, 0444);
module_param_cb(late_commands, &moment_count_ops, &late_commands, 0444);

/* Is a gate drained meanwhile? */
static bool moment_wait(unsigned int ms)
{
	int begun = atomic_read(&moment_drains_begun);

	mdelay(ms);
	return atomic_read(&moment_drains_begun) != begun;
}

static int moment_insert_begins(struct kprobe *probe, struct pt_regs *regs)
{
	atomic_inc(&inserts);
	if (moment_wait(READ_ONCE(moment_insert_ms)))
		atomic_inc(&late_inserts);
	return 0;
}

static int moment_page_look_begins(struct kprobe *probe, struct pt_regs *regs)
{
	atomic_inc(&looks);
	if (moment_wait(READ_ONCE(moment_look_ms)))
		atomic_inc(&late_looks);
	return 0;
}

static int moment_command_begins(struct kprobe *probe, struct pt_regs *regs)
{
	if (regs_get_kernel_argument(regs, 1) != PCI_COMMAND)
		return 0;
	atomic_inc(&commands);
	if (moment_wait(READ_ONCE(moment_command_ms)))
		atomic_inc(&late_commands);
	return 0;
}

/* What takes its time, and for how long; the drains are counted meanwhile. */
struct moment_delay {
	const char *symbol;
	kprobe_pre_handler_t begins;
	unsigned int *ms;
	struct kprobe probe;
};

static struct moment_delay moment_access = {
	.symbol	= "vfio_pci_core_ioread64",
	.begins	= moment_access_begins,
	.ms	= &moment_access_ms,
};

static struct moment_delay moment_insert = {
	.symbol	= "vmf_insert_pfn",
	.begins	= moment_insert_begins,
	.ms	= &moment_insert_ms,
};

static struct moment_delay moment_look = {
	.symbol	= "follow_pfnmap_start",
	.begins	= moment_page_look_begins,
	.ms	= &moment_look_ms,
};

static struct moment_delay moment_command = {
	.symbol	= "pci_user_write_config_word",
	.begins	= moment_command_begins,
	.ms	= &moment_command_ms,
};

static struct kretprobe moment_drain_probe;
static unsigned int moment_delays;

static void moment_delay_end(struct moment_delay *delay)
{
	if (!*delay->ms)
		return;
	unregister_kprobe(&delay->probe);
	if (!--moment_delays)
		unregister_kretprobe(&moment_drain_probe);
	WRITE_ONCE(*delay->ms, 0);
}

static int moment_count_drains(void)
{
	int ret = 0;

	if (!moment_delays) {
		atomic_set(&moment_drains, 0);
		moment_drain_probe = (struct kretprobe) {
			.kp.symbol_name	= "mdr_gate_drain",
			.entry_handler	= moment_drain_begins,
			.handler	= moment_drain_ends,
		};
		ret = register_kretprobe(&moment_drain_probe);
	}
	if (!ret)
		moment_delays++;
	return ret;
}

static int moment_delay_set(const char *text, const struct kernel_param *param)
{
	struct moment_delay *delay = param->arg;
	unsigned int ms;
	int ret;

	ret = kstrtouint(text, 0, &ms);
	if (ret)
		return ret;
	guard(mutex)(&moment_lock);
	moment_delay_end(delay);
	if (!ms)
		return 0;
	ret = moment_count_drains();
	if (ret)
		return ret;
	delay->probe = (struct kprobe) {
		.symbol_name	= delay->symbol,
		.pre_handler	= delay->begins,
	};
	WRITE_ONCE(*delay->ms, ms);
	ret = register_kprobe(&delay->probe);
	if (ret) {
		WRITE_ONCE(*delay->ms, 0);
		if (!--moment_delays)
			unregister_kretprobe(&moment_drain_probe);
	}
	return ret;
}

static const struct kernel_param_ops moment_delay_ops = {
	.set = moment_delay_set,
};
module_param_cb(access_ms, &moment_delay_ops, &moment_access, 0200);
module_param_cb(insert_ms, &moment_delay_ops, &moment_insert, 0200);
module_param_cb(look_ms, &moment_delay_ops, &moment_look, 0200);
module_param_cb(command_ms, &moment_delay_ops, &moment_command, 0200);

/* lose_in_save: only compared; the bridge may be gone */
static struct pci_dev *moment_loser;

static int moment_save_begins(struct kprobe *probe, struct pt_regs *regs)
{
	struct pci_dev *pdev = (struct pci_dev *)regs_get_kernel_argument(regs, 0);

	if (pdev && cmpxchg(&moment_loser, pdev, NULL) == pdev)
		pci_write_config_dword(pdev, PCI_PRIMARY_BUS, 0);
	return 0;
}

static struct kprobe moment_save_probe = {
	.symbol_name	= "pci_save_state",
	.pre_handler	= moment_save_begins,
};

static int moment_lose_set(const char *text, const struct kernel_param *param)
{
	struct pci_dev *pdev;
	int ret;

	ret = moment_function(text, &pdev);
	if (ret)
		return ret;
	WRITE_ONCE(moment_loser, pdev);
	pci_dev_put(pdev);
	return 0;
}

static const struct kernel_param_ops moment_lose_ops = {
	.set = moment_lose_set,
};
module_param_cb(lose_in_save, &moment_lose_ops, NULL, 0200);

/* lost: only compared, too */
static struct pci_dev *moment_lost;

static int moment_lost_set(const char *text, const struct kernel_param *param)
{
	struct pci_dev *pdev;
	int ret;

	ret = moment_function(text, &pdev);
	if (ret)
		return ret;
	WRITE_ONCE(moment_lost, pdev);
	pci_dev_put(pdev);
	return 0;
}

static const struct kernel_param_ops moment_lost_ops = {
	.set = moment_lost_set,
};
module_param_cb(lost, &moment_lost_ops, NULL, 0200);

static noinline int moment_no_answer(void)
{
	barrier();
	return -EIO;
}

static int moment_look_begins(struct kprobe *probe, struct pt_regs *regs)
{
	struct pci_dev *pdev = (struct pci_dev *)regs_get_kernel_argument(regs, 0);

	if (!pdev || pdev != READ_ONCE(moment_lost))
		return 0;
	instruction_pointer_set(regs, (unsigned long)moment_no_answer);
	return 1;
}

static struct kprobe moment_look_probe = {
	.symbol_name	= "mdr_restore_if_blank",
	.pre_handler	= moment_look_begins,
};

static atomic_t astray;
module_param_cb(astray, &moment_count_ops, &astray, 0444);

static int moment_restore_begins(struct kprobe *probe, struct pt_regs *regs)
{
	struct pci_dev *pdev = (struct pci_dev *)regs_get_kernel_argument(regs, 0);
	struct pci_dev *bridge = pdev->bus->self;
	struct pci_bus_region region;
	struct resource *window;
	u16 limit;

	if (pdev->subordinate || !bridge)
		return 0;
	window = &bridge->resource[PCI_BRIDGE_MEM_WINDOW];
	if (!window->parent)
		return 0;
	pcibios_resource_to_bus(bridge->bus, &region, window);
	pci_read_config_word(bridge, PCI_MEMORY_LIMIT, &limit);
	if ((limit & 0xfff0) != (region.end >> 16 & 0xfff0))
		atomic_inc(&astray);
	return 0;
}

static struct kprobe moment_restore_probe = {
	.symbol_name	= "pci_restore_state",
	.pre_handler	= moment_restore_begins,
};

static atomic_t link_changes;
module_param_cb(link_changes, &moment_count_ops, &link_changes, 0444);

static int moment_capability_written(struct kprobe *probe, struct pt_regs *regs)
{
	if ((int)regs_get_kernel_argument(regs, 1) == PCI_EXP_SLTSTA &&
	    (u16)regs_get_kernel_argument(regs, 2) == PCI_EXP_SLTSTA_DLLSC)
		atomic_inc(&link_changes);
	return 0;
}

static struct kprobe moment_capability_probe = {
	.symbol_name	= "pcie_capability_write_word",
	.pre_handler	= moment_capability_written,
};

static atomic_t zap_works;
module_param_cb(zap_works, &moment_count_ops, &zap_works, 0444);

static int moment_zap_begins(struct kprobe *probe, struct pt_regs *regs)
{
	atomic_inc(&zap_works);
	return 0;
}

static struct kprobe moment_zap_probe = {
	.symbol_name	= "mdr_group_zap_work",
	.pre_handler	= moment_zap_begins,
};

static unsigned int moment_link_ms;
module_param_named(link_ms, moment_link_ms, uint, 0644);
static atomic_t links;
module_param_cb(links, &moment_count_ops, &links, 0444);

/* In the place of mdr_group_link(). */
static noinline int moment_link(void)
{
	atomic_inc(&links);
	msleep(xchg(&moment_link_ms, 0));
	return -ENOMEM;
}

static int moment_link_begins(struct kprobe *probe, struct pt_regs *regs)
{
	if (!READ_ONCE(moment_link_ms))
		return 0;
	instruction_pointer_set(regs, (unsigned long)moment_link);
	return 1;
}

static struct kprobe moment_link_probe = {
	.symbol_name	= "mdr_group_link",
	.pre_handler	= moment_link_begins,
};

static struct kprobe *moment_probes[] = {
	&moment_save_probe, &moment_look_probe, &moment_restore_probe, &moment_link_probe,
	&moment_capability_probe,
	&moment_zap_probe,
};

static int __init moment_init(void)
{
	return register_kprobes(moment_probes, ARRAY_SIZE(moment_probes));
}

static void __exit moment_exit(void)
{
	moment_delay_end(&moment_access);
	moment_delay_end(&moment_insert);
	moment_delay_end(&moment_look);
	if (moment_sync_ms)
		unregister_kprobe(&moment_sync_probe);
	unregister_kprobes(moment_probes, ARRAY_SIZE(moment_probes));
	pci_dev_put(moment_kept);
}

module_init(moment_init);
module_exit(moment_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("Rare moments, for the tests of mdev_recovery");
