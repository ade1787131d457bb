// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_coverage: for tests only, never installed. Notes which blocks of
 * mdev_recovery have run.
 *
 * tests/coverage/run compiles the shim with -fsanitize-coverage=trace-pc, so that each
 * block calls __sanitizer_cov_trace_pc(), which a kernel without KCOV does not have. This
 * one marks the byte of the address that it returns to. So the shim depends on this module,
 * and depmod has it loaded first. When the machine goes down, the kernel log has the offsets
 * of all marks from the beginning of the shim's text. They are the same each time that the
 * shim is loaded.
 */
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>

#define SHIM "mdev_recovery"

static unsigned long text;
static unsigned int text_bytes;
static u8 *ran;

/*
 * In any context, before the shim has done anything there. No lock: a mark is only ever
 * set, and @text changes only while none of the shim's code runs.
 */
void __sanitizer_cov_trace_pc(void);
notrace void __sanitizer_cov_trace_pc(void)
{
	unsigned long offset = _RET_IP_ - text;

	if (offset < text_bytes && !ran[offset])
		ran[offset] = 1;
}
EXPORT_SYMBOL(__sanitizer_cov_trace_pc);

static int coverage_module_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct module *module = data;

	if (event != MODULE_STATE_COMING || strcmp(module->name, SHIM))
		return NOTIFY_OK;
	text = (unsigned long)module->mem[MOD_TEXT].base;
	if (ran)
		return NOTIFY_OK;
	ran = kvzalloc(module->mem[MOD_TEXT].size, GFP_KERNEL);
	if (ran)
		text_bytes = module->mem[MOD_TEXT].size;
	return NOTIFY_OK;
}

static struct notifier_block coverage_module_nb = {
	.notifier_call = coverage_module_event,
};

/* The soak's machine shows what is worse than a warning, so this is. */
static void coverage_print(struct seq_buf *line)
{
	if (seq_buf_used(line))
		pr_err("mdr: coverage:%s\n", seq_buf_str(line));
	seq_buf_clear(line);
}

static int coverage_machine_ends(struct notifier_block *nb, unsigned long event, void *data)
{
	char buffer[120];
	struct seq_buf line;
	unsigned int offset;

	seq_buf_init(&line, buffer, sizeof(buffer));
	for (offset = 0; offset < text_bytes; offset++) {
		if (!ran[offset])
			continue;
		seq_buf_printf(&line, " %x", offset);
		if (seq_buf_used(&line) > 100)
			coverage_print(&line);
	}
	coverage_print(&line);
	return NOTIFY_OK;
}

static struct notifier_block coverage_reboot_nb = {
	.notifier_call = coverage_machine_ends,
};

static int __init coverage_init(void)
{
	int ret = register_module_notifier(&coverage_module_nb);

	if (ret)
		return ret;
	ret = register_reboot_notifier(&coverage_reboot_nb);
	if (ret)
		unregister_module_notifier(&coverage_module_nb);
	return ret;
}

static void __exit coverage_exit(void)
{
	unregister_reboot_notifier(&coverage_reboot_nb);
	unregister_module_notifier(&coverage_module_nb);
	kvfree(ran);
}

module_init(coverage_init);
module_exit(coverage_exit);
MODULE_DESCRIPTION("Which blocks of mdev_recovery have run, for tests");
MODULE_LICENSE("GPL");
