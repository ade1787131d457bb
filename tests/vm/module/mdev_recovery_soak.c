// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_soak: for tests only, never installed. An observer that the shim does
 * not know, and delays at the shim's own points.
 *
 * The observer looks at vfio-pci-core's accesses to a device: none may come while the
 * gate of the device is closed and drained. It learns of closed and drained gates by
 * what mdr_gate_drain() returns and by calls of mdr_gate_open(), and believes nothing
 * else that the shim says. What it sees is counted in
 *
 *	accesses	accesses through gates that are not shut
 *	trespasses	accesses through those that are; the first one warns
 *	shuts		gates that were closed and drained
 *	arcs		steps of the state machine that were made: a number for each state,
 *			with a bit for each event
 *
 * The delays move the shim's tasks against each other. One call in delay_one_in of each
 * function in the list takes up to delay_us longer; 0 is none. The random numbers begin
 * with what is written to seed, so that a machine whose clock counts instructions does
 * the same again.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/spinlock.h>

#include "device.h"

static u64 seed;
module_param(seed, ullong, 0644);
static unsigned int delay_one_in;
module_param(delay_one_in, uint, 0644);
static unsigned int delay_us = 1000;
module_param(delay_us, uint, 0644);

static unsigned long accesses, trespasses, shuts, delays;
module_param(accesses, ulong, 0444);
module_param(trespasses, ulong, 0444);
module_param(shuts, ulong, 0444);
module_param(delays, ulong, 0444);

static unsigned int arcs[MDR_STATE_COUNT];
module_param_array(arcs, uint, NULL, 0444);

/**
 * struct soak_gate - what is known of a gate
 * @gate: compared, never dereferenced; NULL if this one is free
 * @opens: how often it was opened
 * @shut: closed, and drained of accesses to BARs
 * @config_is_shut: drained of accesses to config space, too
 */
struct soak_gate {
	struct mdr_gate *gate;
	unsigned int opens;
	bool shut;
	bool config_is_shut;
};

/* Protects all that is known, and the random numbers. Taken in probes. */
static DEFINE_RAW_SPINLOCK(soak_lock);
static struct soak_gate soak_gates[32];

static struct soak_gate *soak_gate_of(struct mdr_gate *gate)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(soak_gates); i++) {
		if (!soak_gates[i].gate)
			soak_gates[i].gate = gate;
		if (soak_gates[i].gate == gate)
			return &soak_gates[i];
	}
	return NULL;
}

/* splitmix64 */
static u64 soak_random(void)
{
	u64 z = seed += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static void soak_delay(void)
{
	unsigned int one_in = READ_ONCE(delay_one_in), us = 0;
	unsigned long flags;

	if (!one_in)
		return;
	raw_spin_lock_irqsave(&soak_lock, flags);
	if (!(soak_random() % one_in)) {
		us = soak_random() % (READ_ONCE(delay_us) + 1);
		delays++;
	}
	raw_spin_unlock_irqrestore(&soak_lock, flags);
	if (us)
		udelay(us);
}

static int soak_point(struct kprobe *probe, struct pt_regs *regs)
{
	soak_delay();
	return 0;
}

/* The first argument is the gate; from here on users may come in. */
static int soak_open(struct kprobe *probe, struct pt_regs *regs)
{
	struct soak_gate *known;
	unsigned long flags;

	soak_delay();
	raw_spin_lock_irqsave(&soak_lock, flags);
	known = soak_gate_of((void *)regs_get_kernel_argument(regs, 0));
	if (known) {
		known->opens++;
		known->shut = false;
		known->config_is_shut = false;
	}
	raw_spin_unlock_irqrestore(&soak_lock, flags);
	return 0;
}

struct soak_drain {
	struct mdr_gate *gate;
	unsigned int opens;
	bool config_is_blocked;
};

static int soak_drain_begins(struct kretprobe_instance *instance,
			     struct pt_regs *regs)
{
	struct soak_drain *drain = (void *)instance->data;
	struct soak_gate *known;
	unsigned long flags;

	soak_delay();
	drain->gate = (void *)regs_get_kernel_argument(regs, 0);
	drain->config_is_blocked = regs_get_kernel_argument(regs, 2) & 0xff;
	raw_spin_lock_irqsave(&soak_lock, flags);
	known = soak_gate_of(drain->gate);
	drain->opens = known ? known->opens : 0;
	raw_spin_unlock_irqrestore(&soak_lock, flags);
	/* it may be open: a new state is looked at before the drain, not in it */
	return READ_ONCE(drain->gate->closed) != MDR_GATE_CLOSED;
}

static int soak_drain_ends(struct kretprobe_instance *instance,
			   struct pt_regs *regs)
{
	struct soak_drain *drain = (void *)instance->data;
	struct soak_gate *known;
	unsigned long flags;

	if (!(regs_return_value(regs) & 0xff))
		return 0;
	raw_spin_lock_irqsave(&soak_lock, flags);
	known = soak_gate_of(drain->gate);
	if (known && known->opens == drain->opens) {
		known->shut = true;
		if (!drain->config_is_blocked)
			known->config_is_shut = true;
		shuts++;
	}
	raw_spin_unlock_irqrestore(&soak_lock, flags);
	return 0;
}

static struct kretprobe soak_drain_probe = {
	.kp.symbol_name = "mdr_gate_drain",
	.entry_handler = soak_drain_begins,
	.handler = soak_drain_ends,
	.data_size = sizeof(struct soak_drain),
	.maxactive = 64,
};

static void soak_access(struct vfio_device *vdev, bool config)
{
	struct mdr_device *device;
	struct soak_gate *known;
	unsigned long flags;
	bool shut;

	if (vdev->ops->name && strcmp(vdev->ops->name, "mdev-recovery"))
		return;
	/* its operations are the first of it */
	device = (struct mdr_device *)vdev->ops;
	raw_spin_lock_irqsave(&soak_lock, flags);
	known = soak_gate_of(device->gate);
	shut = known && (config ? known->config_is_shut : known->shut);
	if (shut)
		trespasses++;
	else
		accesses++;
	raw_spin_unlock_irqrestore(&soak_lock, flags);
	WARN_ONCE(shut, "an access to %s through a gate that is shut",
		  config ? "config space" : "a BAR");
}

/* The first argument is the struct vfio_device, and is begun by one in the other case. */
static int soak_config(struct kprobe *probe, struct pt_regs *regs)
{
	soak_access((void *)regs_get_kernel_argument(regs, 0), true);
	return 0;
}

static int soak_bar(struct kprobe *probe, struct pt_regs *regs)
{
	struct vfio_pci_core_device *core;

	core = (void *)regs_get_kernel_argument(regs, 0);
	soak_access(&core->vdev, false);
	return 0;
}

struct soak_step {
	enum mdr_state state;
	enum mdr_event event;
};

static int soak_step_begins(struct kretprobe_instance *instance,
			    struct pt_regs *regs)
{
	struct mdr_machine *machine = (void *)regs_get_kernel_argument(regs, 0);
	struct soak_step *step = (void *)instance->data;

	step->state = machine->state;
	step->event = regs_get_kernel_argument(regs, 1);
	return 0;
}

static int soak_step_ends(struct kretprobe_instance *instance,
			  struct pt_regs *regs)
{
	struct soak_step *step = (void *)instance->data;
	unsigned long flags;

	if (!(regs_return_value(regs) & 0xff))
		return 0;
	raw_spin_lock_irqsave(&soak_lock, flags);
	arcs[step->state] |= BIT(step->event);
	raw_spin_unlock_irqrestore(&soak_lock, flags);
	return 0;
}

static struct kretprobe soak_step_probe = {
	.kp.symbol_name = "mdr_machine_step",
	.entry_handler = soak_step_begins,
	.handler = soak_step_ends,
	.data_size = sizeof(struct soak_step),
	.maxactive = 64,
};

#define BAR(name_) { .symbol_name = name_, .pre_handler = soak_bar }
#define POINT(name_) { .symbol_name = name_, .pre_handler = soak_point }

/* Of the points, those are left out that are missing; a kernel need not have all of its. */
static struct kprobe soak_probes[] = {
	{ .symbol_name = "mdr_gate_open", .pre_handler = soak_open },
	/* a new one may be where another one was */
	{ .symbol_name = "mdr_gate_init", .pre_handler = soak_open },
	{ .symbol_name = "vfio_pci_core_read", .pre_handler = soak_config },
	{ .symbol_name = "vfio_pci_core_write", .pre_handler = soak_config },
	BAR("vfio_pci_core_ioread8"),
	BAR("vfio_pci_core_ioread16"),
	BAR("vfio_pci_core_ioread32"),
	BAR("vfio_pci_core_ioread64"),
	BAR("vfio_pci_core_iowrite8"),
	BAR("vfio_pci_core_iowrite16"),
	BAR("vfio_pci_core_iowrite32"),
	BAR("vfio_pci_core_iowrite64"),
	POINT("mdr_gate_close"),
	POINT("mdr_gate_die"),
	POINT("mdr_gate_wait"),
	POINT("mdr_gate_enter_exclusive"),
	POINT("mdr_gate_exit_exclusive"),
	POINT("mdr_group_step"),
	POINT("mdr_group_reset_begin"),
	POINT("mdr_group_reset_end"),
	POINT("mdr_group_host_at_work"),
	POINT("mdr_group_timer"),
	POINT("mdr_group_zap_work"),
	POINT("mdr_device_unsubstitute"),
	POINT("mdr_group_stop_opening"),
	POINT("mdr_gate_open_soon"),
	POINT("mdr_group_wait_recovered"),
	POINT("mdr_group_finish"),
	POINT("mdr_group_restore"),
	POINT("mdr_group_recover"),
	POINT("mdr_group_reset_due"),
	POINT("mdr_attempt_start"),
	POINT("mdr_attempt_stop"),
	POINT("mdr_function_told"),
	POINT("mdr_function_resumed"),
	POINT("mdr_function_answers"),
	POINT("mdr_function_is_blank"),
	POINT("mdr_walk_error"),
	POINT("mdr_walk_goes_on"),
	POINT("mdr_restore"),
	POINT("mdr_bridges_restore"),
	POINT("mdr_hooks_run"),
	POINT("mdr_hooks_note"),
	POINT("mdr_hooks_call_all"),
	POINT("mdr_device_reset"),
	POINT("mdr_reset_run"),
	POINT("mdr_status_publish"),
	POINT("mdr_snapshot_take"),
	/* between the gate and the access */
	POINT("vmf_insert_pfn"),
	POINT("zap_vma_ptes"),
	POINT("unmap_mapping_range"),
};

#define SOAK_NEEDED 12

/* points of the shim that it does not have any more */
static unsigned int soak_missing;
module_param(soak_missing, uint, 0444);

static void soak_unregister(unsigned int count)
{
	while (count--)
		if (soak_probes[count].addr)
			unregister_kprobe(&soak_probes[count]);
}

static int __init soak_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(soak_probes); i++) {
		ret = register_kprobe(&soak_probes[i]);
		if (ret && i < SOAK_NEEDED) {
			pr_err("no %s: %d\n", soak_probes[i].symbol_name, ret);
			soak_unregister(i);
			return ret;
		}
		if (ret) {
			soak_probes[i].addr = NULL;
			if (!strncmp(soak_probes[i].symbol_name, "mdr_", 4)) {
				pr_err("no %s: %d\n", soak_probes[i].symbol_name, ret);
				soak_missing++;
			}
		}
	}
	ret = register_kretprobe(&soak_drain_probe);
	if (ret)
		goto err_probes;
	ret = register_kretprobe(&soak_step_probe);
	if (ret)
		goto err_drain;
	return 0;

err_drain:
	unregister_kretprobe(&soak_drain_probe);
err_probes:
	soak_unregister(i);
	return ret;
}

static void __exit soak_exit(void)
{
	unregister_kretprobe(&soak_step_probe);
	unregister_kretprobe(&soak_drain_probe);
	soak_unregister(ARRAY_SIZE(soak_probes));
}

module_init(soak_init);
module_exit(soak_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("An observer of mdev_recovery, and delays in it, for its tests");
