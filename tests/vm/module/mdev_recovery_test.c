// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_test: for tests only, never installed. A parent driver whose
 * recoveries misbehave on purpose, and a source of errors that QEMU cannot make.
 *
 * The driver, "mdr-test", binds by driver_override. Its parameters say what goes
 * wrong in the recovery of all its functions:
 *
 *	restore_error		what the restore hook returns (0: nothing wrong)
 *	restore_fails		how many restore hooks fail from now on; counts down
 *	reset_error		what the reset hook returns, without a reset (0: nothing wrong)
 *	restore_ms		how long the restore hook takes
 *	unhealthy		the healthy hook says no
 *	ill			the address of a function whose healthy hook says no ...
 *	ill_resets		... until it has been reset so many times; counts down
 *	prepare_ms		how long the prepare hook takes
 *	slot_reset_ms		how long slot_reset takes before the shim sees it
 *	resume_ms		how long resume takes before the shim sees it
 *	drop_resume		the shim never sees resume (1), nor slot_reset (2)
 *	linger_ms		how long resume takes after the shim has seen it
 *	reset_done_ms		how long a reset from outside, or of a user, takes at its end,
 *				with the function's lock
 *
 * Two count:
 *
 *	restores		how many restore hooks have begun
 *	slot_resets		how many slot_resets have begun
 *	hooks			of what is bound from now on: 1 for a reset hook too, 2 for none,
 *				3 for healthy alone
 *	prepares, own_resets	how often the hooks prepare and reset were called
 *	reset_prepare_ms	like reset_done_ms, at its beginning
 *
 * Who writes MS to hold_mmap_ms hangs for so long with its mmap_lock held for
 * writing, and no signal ends that.
 *
 * The source: write "PORT STATE RESET MS" to the parameter recover, for example
 * "0000:00:10.0 frozen fail 0". It runs the kernel's own pcie_do_recovery() on
 * the port, in a thread of its own, with a reset that
 *
 *	ok	resets the bus, after MS milliseconds
 *	fail	fails, after MS milliseconds
 *	dpc	finds the link reset already, as after a DPC event
 *
 * 7.3 exports the function; on 6.12 a probe finds it.
 *
 * Write "ADDRESS fatal" or "ADDRESS nonfatal" to the parameter firmware for an
 * error of a function that does not come by AER's interrupt but from the firmware,
 * through aer_recover_queue(), as GHES passes it on. It takes a kernel with GHES.
 *
 * Write "ADDRESS KIB" to the parameter window, and the kernel gives the bridge a memory
 * window of this size, as after a hotplug below it.
 *
 * Write "ADDRESS" to the parameter atomics, and the check whether this function could
 * make AtomicOps sets a bit in its Device Control 2, as vfio-pci-core does in GET_INFO if
 * the root port can complete them. QEMU's root ports cannot, so it is another bit, one
 * that QEMU's devices have. "none" ends it.
 *
 * Write "ADDRESS BYTES" to the parameter legacy, while a user has the function open, and
 * it has the legacy VGA registers and, if it has no ROM BAR, a ROM of this size which
 * the firmware has loaded. They must not be read while the device answers. BYTES of 0
 * ends it.
 *
 * A device that takes its time: see mdev_recovery_slow.c.
 */
#include <linux/aer.h>
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/mdev_recovery.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/vfio_pci_core.h>

#include "parse_address.h"

#include "pci_private.h"

static int restore_error;
module_param(restore_error, int, 0644);
static int reset_error;
module_param(reset_error, int, 0644);
static unsigned int restore_ms;
module_param(restore_ms, uint, 0644);
static atomic_t restores, slot_resets, prepares, own_resets;
static atomic_t restore_fails;
static bool unhealthy;
module_param(unhealthy, bool, 0644);
static char ill[16];
module_param_string(ill, ill, sizeof(ill), 0644);
static unsigned int ill_resets;
module_param(ill_resets, uint, 0644);
static unsigned int prepare_ms;
module_param(prepare_ms, uint, 0644);
static unsigned int slot_reset_ms;
module_param(slot_reset_ms, uint, 0644);
static unsigned int resume_ms;
module_param(resume_ms, uint, 0644);
static unsigned int linger_ms;
module_param(linger_ms, uint, 0644);
static unsigned int reset_prepare_ms;
module_param(reset_prepare_ms, uint, 0644);
static unsigned int hooks;
module_param(hooks, uint, 0644);
static unsigned int reset_done_ms;
module_param(reset_done_ms, uint, 0644);
static unsigned int drop_resume;
module_param(drop_resume, uint, 0644);

static void test_prepare(struct pci_dev *pdev)
{
	atomic_inc(&prepares);
	msleep(prepare_ms);
}

static int test_count_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%d\n", atomic_read((atomic_t *)param->arg));
}

static const struct kernel_param_ops test_count_ops = {
	.get = test_count_get,
};
module_param_cb(restores, &test_count_ops, &restores, 0444);
module_param_cb(slot_resets, &test_count_ops, &slot_resets, 0444);
module_param_cb(prepares, &test_count_ops, &prepares, 0444);
module_param_cb(own_resets, &test_count_ops, &own_resets, 0444);

static int test_restore_fails_set(const char *text,
				  const struct kernel_param *param)
{
	int count, ret = kstrtoint(text, 0, &count);

	if (!ret)
		atomic_set(&restore_fails, count);
	return ret;
}

static const struct kernel_param_ops test_restore_fails_ops = {
	.set = test_restore_fails_set,
};
module_param_cb(restore_fails, &test_restore_fails_ops, NULL, 0200);

static int test_restore(struct pci_dev *pdev)
{
	atomic_inc(&restores);
	msleep(restore_ms);
	if (atomic_dec_if_positive(&restore_fails) >= 0)
		return -EIO;
	return restore_error;
}

static bool test_is_ill(struct pci_dev *pdev)
{
	return ill_resets && !strcmp(ill, pci_name(pdev));
}

static bool test_healthy(struct pci_dev *pdev)
{
	return !unhealthy && !test_is_ill(pdev);
}

static int test_reset(struct pci_dev *pdev)
{
	atomic_inc(&own_resets);
	if (reset_error)
		return reset_error;
	ill_resets -= test_is_ill(pdev);
	return pcie_reset_flr(pdev, PCI_RESET_DO_RESET);
}

static const struct mdr_parent_ops test_ops[] = {
	{ .prepare = test_prepare, .restore = test_restore, .healthy = test_healthy },
	{ .prepare = test_prepare, .restore = test_restore, .healthy = test_healthy,
	  .reset = test_reset },
	{},
	{ .healthy = test_healthy },
};

static pci_ers_result_t test_error_detected(struct pci_dev *pdev,
					    pci_channel_state_t state)
{
	return mdr_pci_error_handlers.error_detected(pdev, state);
}

static pci_ers_result_t test_mmio_enabled(struct pci_dev *pdev)
{
	return mdr_pci_error_handlers.mmio_enabled(pdev);
}

static pci_ers_result_t test_slot_reset(struct pci_dev *pdev)
{
	atomic_inc(&slot_resets);
	msleep(slot_reset_ms);
	if (drop_resume > 1)
		return PCI_ERS_RESULT_RECOVERED;
	return mdr_pci_error_handlers.slot_reset(pdev);
}

static void test_resume(struct pci_dev *pdev)
{
	msleep(resume_ms);
	if (!drop_resume)
		mdr_pci_error_handlers.resume(pdev);
	msleep(linger_ms);
}

static void test_reset_prepare(struct pci_dev *pdev)
{
	msleep(reset_prepare_ms);
	mdr_pci_error_handlers.reset_prepare(pdev);
}

static void test_reset_done(struct pci_dev *pdev)
{
	msleep(reset_done_ms);
	ill_resets -= test_is_ill(pdev);
	mdr_pci_error_handlers.reset_done(pdev);
}

static const struct pci_error_handlers test_error_handlers = {
	.error_detected	= test_error_detected,
	.mmio_enabled	= test_mmio_enabled,
	.slot_reset	= test_slot_reset,
	.resume		= test_resume,
	.reset_prepare	= test_reset_prepare,
	.reset_done	= test_reset_done,
};

static int test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return mdr_register_function(pdev, &test_ops[hooks]);
}

static void test_remove(struct pci_dev *pdev)
{
	mdr_unregister_function(pdev);
}

static int test_hold_mmap_set(const char *text, const struct kernel_param *param)
{
	unsigned int ms;
	int ret;

	ret = kstrtouint(text, 0, &ms);
	if (ret)
		return ret;
	mmap_write_lock(current->mm);
	msleep(ms);
	mmap_write_unlock(current->mm);
	return 0;
}

static const struct kernel_param_ops test_hold_mmap_ops = {
	.set = test_hold_mmap_set,
};
module_param_cb(hold_mmap_ms, &test_hold_mmap_ops, NULL, 0200);

static const struct pci_device_id test_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID) },
	{}
};

static struct pci_driver test_driver = {
	.name			= "mdr-test",
	.id_table		= test_ids,
	.probe			= test_probe,
	.remove			= test_remove,
	.err_handler		= &test_error_handlers,
	.driver_managed_dma	= true,
};

/* 6.12 does not export these two. A probe at an entry is behind its ENDBR. */
#ifdef MDR_TEST_HAVE_pcie_do_recovery
static typeof(pcie_do_recovery) *test_do_recovery = pcie_do_recovery;
static typeof(pci_bus_error_reset) *test_bus_reset = pci_bus_error_reset;

static bool test_find_recovery(void)
{
	return true;
}
#else
static typeof(pcie_do_recovery) *test_do_recovery;
static typeof(pci_bus_error_reset) *test_bus_reset;

static void *test_find(const char *symbol)
{
	struct kprobe probe = { .symbol_name = symbol };

	if (register_kprobe(&probe))
		return NULL;
	unregister_kprobe(&probe);
	return probe.addr;
}

static bool test_find_recovery(void)
{
	test_bus_reset = test_find("pci_bus_error_reset");
	test_do_recovery = test_find("pcie_do_recovery");
	return test_bus_reset && test_do_recovery;
}
#endif

struct test_recovery {
	struct list_head item;
	struct task_struct *task;
	struct pci_dev *port;
	pci_channel_state_t state;
	pci_ers_result_t (*reset)(struct pci_dev *port);
	unsigned int ms;
};

/* those under way; test_recover_lock protects the list */
static DEFINE_MUTEX(test_recover_lock);
static LIST_HEAD(test_recoveries);

static void test_reset_wait(void)
{
	struct test_recovery *recovery;
	unsigned int ms = 0;

	scoped_guard(mutex, &test_recover_lock)
		list_for_each_entry(recovery, &test_recoveries, item)
			if (recovery->task == current)
				ms = recovery->ms;
	msleep(ms);
}

static pci_ers_result_t test_reset_ok(struct pci_dev *port)
{
	test_reset_wait();
	return test_bus_reset(port) ? PCI_ERS_RESULT_DISCONNECT :
					   PCI_ERS_RESULT_RECOVERED;
}

static pci_ers_result_t test_reset_fail(struct pci_dev *port)
{
	test_reset_wait();
	return PCI_ERS_RESULT_DISCONNECT;
}

/* The port has contained and reset the link before anybody was told. */
static pci_ers_result_t test_reset_dpc(struct pci_dev *port)
{
	test_reset_wait();
	return PCI_ERS_RESULT_RECOVERED;
}

static int test_recover_thread(void *data)
{
	struct test_recovery *recovery = data;

	recovery->task = current;
	scoped_guard(mutex, &test_recover_lock)
		list_add(&recovery->item, &test_recoveries);
	if (recovery->reset == test_reset_dpc)
		test_bus_reset(recovery->port);
	test_do_recovery(recovery->port, recovery->state, recovery->reset);
	scoped_guard(mutex, &test_recover_lock)
		list_del(&recovery->item);

	pci_dev_put(recovery->port);
	kfree(recovery);
	module_put_and_kthread_exit(0);
	return 0;
}

static int test_parse(const char *text, struct test_recovery *recovery)
{
	unsigned int domain, bus, device, function;
	char state[8], reset[8];

	if (sscanf(text, "%x:%x:%x.%u %7s %7s %u", &domain, &bus, &device,
		   &function, state, reset, &recovery->ms) != 7)
		return -EINVAL;
	recovery->state = !strcmp(state, "frozen") ? pci_channel_io_frozen :
						     pci_channel_io_normal;
	if (!strcmp(reset, "ok"))
		recovery->reset = test_reset_ok;
	else if (!strcmp(reset, "fail"))
		recovery->reset = test_reset_fail;
	else if (!strcmp(reset, "dpc"))
		recovery->reset = test_reset_dpc;
	else
		return -EINVAL;
	recovery->port = pci_get_domain_bus_and_slot(domain, bus,
						     PCI_DEVFN(device, function));
	return recovery->port ? 0 : -ENODEV;
}

static int test_recover_set(const char *text, const struct kernel_param *param)
{
	struct test_recovery *recovery;
	struct task_struct *task;
	int ret;

	if (!test_find_recovery())
		return -EOPNOTSUPP;
	recovery = kzalloc(sizeof(*recovery), GFP_KERNEL);
	if (!recovery)
		return -ENOMEM;
	ret = test_parse(text, recovery);
	if (ret)
		goto err_free;

	__module_get(THIS_MODULE);
	task = kthread_run(test_recover_thread, recovery, "mdr-test-recover");
	if (!IS_ERR(task))
		return 0;
	ret = PTR_ERR(task);
	module_put(THIS_MODULE);
	pci_dev_put(recovery->port);
err_free:
	kfree(recovery);
	return ret;
}

static const struct kernel_param_ops test_recover_ops = {
	.set = test_recover_set,
};
module_param_cb(recover, &test_recover_ops, NULL, 0200);

/*
 * GHES hands over memory of a pool, and the recovery frees it there. A machine
 * without such firmware has no pool: here the memory is ours and stays.
 */
static struct aer_capability_regs test_firmware_regs;

static noinline void test_free_nothing(void)
{
	barrier();
}

static int test_firmware_free(struct kprobe *probe, struct pt_regs *regs)
{
	instruction_pointer_set(regs, (unsigned long)test_free_nothing);
	return 1;
}

static struct kprobe test_firmware_probe = {
	.symbol_name	= "ghes_estatus_pool_region_free",
	.pre_handler	= test_firmware_free,
};

static int test_firmware_set(const char *text, const struct kernel_param *param)
{
	unsigned int domain, bus, device, function;
	char severity[9];
	bool fatal;

	/* no export, as on the debug kernel */
	if (!IS_ENABLED(CONFIG_ACPI_APEI_PCIEAER))
		return -EOPNOTSUPP;
	if (sscanf(text, "%x:%x:%x.%u %8s", &domain, &bus, &device, &function,
		   severity) != 5)
		return -EINVAL;
	fatal = !strcmp(severity, "fatal");
	test_firmware_regs.uncor_status = fatal ? PCI_ERR_UNC_DLP :
						  PCI_ERR_UNC_POISON_TLP;
	aer_recover_queue(domain, bus, PCI_DEVFN(device, function),
			  fatal ? AER_FATAL : AER_NONFATAL, &test_firmware_regs);
	return 0;
}

static const struct kernel_param_ops test_firmware_ops = {
	.set = test_firmware_set,
};
module_param_cb(firmware, &test_firmware_ops, NULL, 0200);

static int test_window_set(const char *text, const struct kernel_param *param)
{
	struct pci_bus_region region;
	struct pci_dev *bridge;
	struct resource *window;
	unsigned int kib;
	int ret;

	bridge = parse_address(text, &text);
	if (!bridge)
		return -ENODEV;
	window = &bridge->resource[PCI_BRIDGE_MEM_WINDOW];
	ret = sscanf(text, " %u", &kib) == 1 ?
	      adjust_resource(window, window->start, kib * SZ_1K) : -EINVAL;
	if (!ret) {
		pcibios_resource_to_bus(bridge->bus, &region, window);
		pci_write_config_word(bridge, PCI_MEMORY_LIMIT,
				      region.end >> 16 & 0xfff0);
	}
	pci_dev_put(bridge);
	return ret;
}

static const struct kernel_param_ops test_window_ops = {
	.set = test_window_set,
};
module_param_cb(window, &test_window_ops, NULL, 0200);

/* End-End TLP Prefix Blocking in Device Control 2 (PCI Express 6.0, 7.5.3.16). */
#define TEST_DEVCTL2_PREFIX_BLOCK 0x8000

/* Only compared; the function may be gone. */
static struct pci_dev *test_atomics;

static int test_atomics_look(struct kprobe *probe, struct pt_regs *regs)
{
	struct pci_dev *pdev = (struct pci_dev *)regs_get_kernel_argument(regs, 0);

	if (pdev && pdev == READ_ONCE(test_atomics) &&
	    (int)regs_get_kernel_argument(regs, 1) == PCI_EXP_DEVCAP2)
		pcie_capability_set_word(pdev, PCI_EXP_DEVCTL2,
					 TEST_DEVCTL2_PREFIX_BLOCK);
	return 0;
}

static struct kprobe test_atomics_probe = {
	.symbol_name	= "pcie_capability_read_dword",
	.pre_handler	= test_atomics_look,
};

static int test_atomics_set(const char *text, const struct kernel_param *param)
{
	struct pci_dev *pdev = NULL;

	if (!sysfs_streq(text, "none")) {
		pdev = parse_address(text, &text);
		if (!pdev)
			return -ENODEV;
	}
	WRITE_ONCE(test_atomics, pdev);
	pci_dev_put(pdev);
	return 0;
}

static const struct kernel_param_ops test_atomics_ops = {
	.set = test_atomics_set,
};
module_param_cb(atomics, &test_atomics_ops, NULL, 0200);

static int test_legacy_set(const char *text, const struct kernel_param *param)
{
	struct vfio_pci_core_device *core;
	struct pci_dev *pdev;
	unsigned int size;

	pdev = parse_address(text, &text);
	if (!pdev)
		return -ENODEV;
	core = dev_get_drvdata(&pdev->dev);
	if (core && sscanf(text, " %u", &size) == 1) {
		core->has_vga = size;
		pdev->rom = size ? 0xc0000 : 0;
		pdev->romlen = size;
	} else {
		core = NULL;
	}
	pci_dev_put(pdev);
	return core ? 0 : -EINVAL;
}

static const struct kernel_param_ops test_legacy_ops = {
	.set = test_legacy_set,
};
module_param_cb(legacy, &test_legacy_ops, NULL, 0200);

/* The last one takes a kernel with GHES, which the debug kernel is not. */
static struct kprobe *test_probes[] = {
	&test_atomics_probe, &test_firmware_probe,
};

#define TEST_PROBES (ARRAY_SIZE(test_probes) - \
		     !IS_ENABLED(CONFIG_ACPI_APEI_PCIEAER))

static int __init test_init(void)
{
	int ret;

	ret = register_kprobes(test_probes, TEST_PROBES);
	if (ret)
		return ret;
	ret = pci_register_driver(&test_driver);
	if (ret)
		unregister_kprobes(test_probes, TEST_PROBES);
	return ret;
}

static void __exit test_exit(void)
{
	pci_unregister_driver(&test_driver);
	unregister_kprobes(test_probes, TEST_PROBES);
}

module_init(test_init);
module_exit(test_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("Recoveries that go wrong, for the tests of mdev_recovery");
