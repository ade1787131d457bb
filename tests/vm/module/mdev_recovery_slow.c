// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_slow: for tests only, never installed. Functions that do not answer
 * for a while after a reset. Write "FUNCTION KIND MS" to the parameter slow, for
 * example "0000:01:00.1 ones 500": for so many milliseconds after each reset its
 * config space reads as all-ones and what is written there is lost. Of KIND "rrs"
 * its Vendor ID reads as 0001h meanwhile, as with Configuration RRS Software
 * Visibility (PCI Express 6.0, 2.3.2). One of KIND "now" is silent from now on, too.
 * One of KIND "late" is silent from the moment at which the PCI core waits for it (needs
 * give_up_ms). Of KIND "down" the link below it is down from now on, and it answers: it is
 * a port. "none" ends it for all functions.
 *
 *	slow_accesses	how many accesses got no answer
 *	blocked		write a function: users of its config space wait, as they do
 *			while the PCI core resets it; "none" ends that
 *	give_up_ms	the PCI core waits no longer for a function after its reset,
 *			in place of 60 s; 0: as ever
 *
 * A function was reset if COMMAND has no bit left that lets it decode or master: it
 * is looked at with every tick and before every access, so a bridge can be slow as
 * well, but not a function that nobody has enabled.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#define SLOW_FUNCTIONS 4
#define SLOW_ENABLED (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

struct slow_function {
	struct pci_dev *pdev;	/* referenced; NULL: not in use */
	bool rrs;
	bool late;
	bool down;
	unsigned int ms;
	bool enabled;		/* when looked at last */
	bool silent;		/* until: jiffies */
	unsigned long until;
};

/* only the parameter writes who; slow_lock protects the functions */
static DEFINE_MUTEX(slow_mutex);
static DEFINE_RAW_SPINLOCK(slow_lock);
static struct slow_function slow_functions[SLOW_FUNCTIONS];
static struct pci_ops *slow_real;
static atomic_t slow_accesses;

static bool slow_look(struct slow_function *function)
{
	struct pci_dev *pdev = function->pdev;
	u32 command = 0;
	bool enabled;

	slow_real->read(pdev->bus, pdev->devfn, PCI_COMMAND, 2, &command);
	/* below a bridge that is blank nothing is known */
	enabled = PCI_POSSIBLE_ERROR((u16)command) ?
			  function->enabled : command & SLOW_ENABLED;
	if (function->enabled && !enabled && !function->late &&
	    !function->down) {
		function->silent = true;
		function->until = jiffies + msecs_to_jiffies(function->ms);
	}
	function->enabled = enabled;
	if (function->silent && time_after_eq(jiffies, function->until))
		function->silent = false;
	return function->silent;
}

/* Is this one silent now, or the link below it down, and how? */
static bool slow_is_silent(struct pci_bus *bus, unsigned int devfn,
			   struct slow_function *how)
{
	bool silent = false;
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&slow_lock, flags);
	for (i = 0; i < SLOW_FUNCTIONS; i++) {
		struct slow_function *function = &slow_functions[i];

		if (!function->pdev || function->pdev->bus != bus ||
		    function->pdev->devfn != devfn)
			continue;
		silent = slow_look(function);
		*how = *function;
	}
	raw_spin_unlock_irqrestore(&slow_lock, flags);
	if (silent && !how->down)
		atomic_inc(&slow_accesses);
	return silent;
}

static int slow_read(struct pci_bus *bus, unsigned int devfn, int where,
		     int size, u32 *value)
{
	struct slow_function how;
	int ret;

	if (!slow_is_silent(bus, devfn, &how))
		return slow_real->read(bus, devfn, where, size, value);
	if (how.down) {
		ret = slow_real->read(bus, devfn, where, size, value);
		if (where == how.pdev->pcie_cap + PCI_EXP_LNKSTA)
			*value &= ~PCI_EXP_LNKSTA_DLLLA;
		return ret;
	}
	*value = GENMASK(size * 8 - 1, 0);
	if (how.rrs && where == PCI_VENDOR_ID)
		*value = size == 4 ? 0xffff0001 : 0x0001;
	return PCIBIOS_SUCCESSFUL;
}

static int slow_write(struct pci_bus *bus, unsigned int devfn, int where,
		      int size, u32 value)
{
	struct slow_function how;

	if (slow_is_silent(bus, devfn, &how) && !how.down)
		return PCIBIOS_SUCCESSFUL;
	return slow_real->write(bus, devfn, where, size, value);
}

static struct pci_ops slow_ops = {
	.read = slow_read,
	.write = slow_write,
};

static void slow_tick(struct work_struct *work);
static DECLARE_DELAYED_WORK(slow_ticker, slow_tick);

static void slow_tick(struct work_struct *work)
{
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&slow_lock, flags);
	for (i = 0; i < SLOW_FUNCTIONS; i++)
		if (slow_functions[i].pdev)
			slow_look(&slow_functions[i]);
	raw_spin_unlock_irqrestore(&slow_lock, flags);
	schedule_delayed_work(&slow_ticker, 1);
}

static void slow_end(void)
{
	unsigned long flags;
	unsigned int i;

	cancel_delayed_work_sync(&slow_ticker);
	for (i = 0; i < SLOW_FUNCTIONS; i++) {
		struct pci_dev *pdev = slow_functions[i].pdev;

		if (!pdev)
			continue;
		pci_bus_set_ops(pdev->bus, slow_real);
		raw_spin_lock_irqsave(&slow_lock, flags);
		slow_functions[i].pdev = NULL;
		raw_spin_unlock_irqrestore(&slow_lock, flags);
		pci_dev_put(pdev);
	}
}

static int slow_begin(struct pci_dev *pdev, const char *kind, unsigned int ms)
{
	struct slow_function *function = slow_functions;
	unsigned long flags;

	while (function->pdev)
		if (++function == slow_functions + SLOW_FUNCTIONS)
			return -ENOSPC;
	if (pdev->bus->ops != &slow_ops) {
		if (slow_real && slow_real != pdev->bus->ops)
			return -EBUSY;
		slow_real = pdev->bus->ops;
	}
	raw_spin_lock_irqsave(&slow_lock, flags);
	*function = (struct slow_function) {
		.pdev = pdev,
		.rrs = !strcmp(kind, "rrs"),
		.late = !strcmp(kind, "late"),
		.down = !strcmp(kind, "down"),
		.ms = ms,
		.silent = !strcmp(kind, "now") || !strcmp(kind, "down"),
		.until = jiffies + msecs_to_jiffies(ms),
	};
	slow_look(function);
	raw_spin_unlock_irqrestore(&slow_lock, flags);
	pci_bus_set_ops(pdev->bus, &slow_ops);
	schedule_delayed_work(&slow_ticker, 0);
	return 0;
}

static int slow_set(const char *text, const struct kernel_param *param)
{
	unsigned int domain, bus, device, function, ms;
	struct pci_dev *pdev;
	char kind[8];
	int ret;

	guard(mutex)(&slow_mutex);
	if (sysfs_streq(text, "none")) {
		slow_end();
		return 0;
	}
	if (sscanf(text, "%x:%x:%x.%u %7s %u", &domain, &bus, &device,
		   &function, kind, &ms) != 6)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus,
					   PCI_DEVFN(device, function));
	if (!pdev)
		return -ENODEV;
	ret = slow_begin(pdev, kind, ms);
	if (ret)
		pci_dev_put(pdev);
	return ret;
}

static const struct kernel_param_ops slow_param_ops = {
	.set = slow_set,
};
module_param_cb(slow, &slow_param_ops, NULL, 0200);

/* Protected by slow_mutex; referenced. */
static struct pci_dev *slow_blocked;

static void slow_unblock(void)
{
	if (!slow_blocked)
		return;
	pci_cfg_access_unlock(slow_blocked);
	pci_dev_put(slow_blocked);
	slow_blocked = NULL;
}

static int slow_blocked_set(const char *text, const struct kernel_param *param)
{
	unsigned int domain, bus, device, function;
	struct pci_dev *pdev;

	guard(mutex)(&slow_mutex);
	slow_unblock();
	if (sysfs_streq(text, "none"))
		return 0;
	if (sscanf(text, "%x:%x:%x.%u", &domain, &bus, &device, &function) != 4)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus,
					   PCI_DEVFN(device, function));
	if (!pdev)
		return -ENODEV;
	pci_cfg_access_lock(pdev);
	slow_blocked = pdev;
	return 0;
}

static const struct kernel_param_ops slow_blocked_ops = {
	.set = slow_blocked_set,
};
module_param_cb(blocked, &slow_blocked_ops, NULL, 0200);

static int slow_accesses_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%d\n", atomic_read(&slow_accesses));
}

static const struct kernel_param_ops slow_accesses_ops = {
	.get = slow_accesses_get,
};
module_param_cb(slow_accesses, &slow_accesses_ops, NULL, 0444);

/* int pci_dev_wait(struct pci_dev *dev, char *reset_type, int timeout) */
static unsigned int slow_give_up_ms;

static int slow_give_up(struct kprobe *probe, struct pt_regs *regs)
{
	void *pdev = (void *)regs_get_kernel_argument(regs, 0);
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&slow_lock, flags);
	for (i = 0; i < SLOW_FUNCTIONS; i++) {
		struct slow_function *function = &slow_functions[i];

		if (function->pdev != pdev || !function->late)
			continue;
		function->silent = true;
		function->until = jiffies + msecs_to_jiffies(function->ms);
	}
	raw_spin_unlock_irqrestore(&slow_lock, flags);
#ifdef CONFIG_X86_64
	regs->dx = READ_ONCE(slow_give_up_ms);
#endif
	return 0;
}

/* protected by slow_mutex */
static struct kprobe slow_give_up_probe;

static int slow_give_up_begin(void)
{
	static const char * const names[] = { "pci_dev_wait", "pci_dev_wait.isra.0" };
	int ret = -EOPNOTSUPP;

	for (unsigned int i = 0; i < ARRAY_SIZE(names) && ret; i++) {
		slow_give_up_probe = (struct kprobe) {
			.symbol_name = names[i],
			.pre_handler = slow_give_up,
		};
		ret = register_kprobe(&slow_give_up_probe);
	}
	return ret;
}

static int slow_give_up_set(const char *text, const struct kernel_param *param)
{
	unsigned int ms;
	int ret;

	ret = kstrtouint(text, 0, &ms);
	if (ret)
		return ret;
	guard(mutex)(&slow_mutex);
	if (ms && !slow_give_up_ms)
		ret = slow_give_up_begin();
	else if (!ms && slow_give_up_ms)
		unregister_kprobe(&slow_give_up_probe);
	if (!ret)
		WRITE_ONCE(slow_give_up_ms, ms);
	return ret;
}

static const struct kernel_param_ops slow_give_up_ops = {
	.set = slow_give_up_set,
};
module_param_cb(give_up_ms, &slow_give_up_ops, NULL, 0200);

static int __init slow_init(void)
{
	return 0;
}
module_init(slow_init);

static void __exit slow_exit(void)
{
	if (slow_give_up_ms)
		unregister_kprobe(&slow_give_up_probe);
	slow_unblock();
	slow_end();
}
module_exit(slow_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("Functions that are slow after a reset, for the tests of mdev_recovery");
