// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_slow_fork: for tests only, never installed. Makes a window in the
 * kernel's fork() wide enough to hit.
 *
 * copy_huge_pmd() looks at the parent's entry, and then takes the locks of both
 * page tables. Write US to the parameter us, and each such call waits for so many
 * microseconds in between, as it does when the host of a virtual machine runs
 * another one just then. 0 ends it. The parameter waits counts them.
 *
 * It waits before each call that the function makes, since the first one after the
 * look is that of a lock, or of a function that takes it.
 */
#include <linux/delay.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/string.h>

#define CALL 0xe8
#define CALL_SIZE 5
/* more than the function has of either */
#define CODE_SIZE 0x1000
#define MAX_CALLS 64

static unsigned int us;
module_param(us, uint, 0644);

static atomic_t waits;
static struct kprobe probes[MAX_CALLS];
static unsigned int nr_probes;

static int slow_fork(struct kprobe *probe, struct pt_regs *regs)
{
	if (us) {
		atomic_inc(&waits);
		udelay(us);
	}
	return 0;
}

static int waits_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%d\n", atomic_read(&waits));
}

static const struct kernel_param_ops waits_ops = {
	.get = waits_get,
};
module_param_cb(waits, &waits_ops, NULL, 0444);

static bool is_inside(const char *symbol, const u8 *at)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol_no_offset(name, (unsigned long)at);
	return !strcmp(name, symbol);
}

/* Refused in the middle of an instruction, which may look like a call. */
static void probe_call(const u8 *at)
{
	struct kprobe *probe = &probes[nr_probes];

	probe->addr = (kprobe_opcode_t *)at;
	probe->pre_handler = slow_fork;
	if (!register_kprobe(probe))
		nr_probes++;
}

static int __init slow_fork_init(void)
{
	static const char symbol[] = "copy_huge_pmd";
	struct kprobe entry = { .symbol_name = symbol };
	const u8 *code;
	unsigned int i;
	int ret;

	/* a probe tells where a symbol is */
	ret = register_kprobe(&entry);
	if (ret)
		return ret;
	code = (const u8 *)entry.addr;
	unregister_kprobe(&entry);

	for (i = CALL_SIZE; i < CODE_SIZE && nr_probes < MAX_CALLS; i++)
		if (code[i] == CALL && is_inside(symbol, code + i))
			probe_call(code + i);
	pr_info("%u calls in %s()\n", nr_probes, symbol);
	return nr_probes ? 0 : -ENOENT;
}
module_init(slow_fork_init);

static void __exit slow_fork_exit(void)
{
	while (nr_probes)
		unregister_kprobe(&probes[--nr_probes]);
}
module_exit(slow_fork_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("A slow fork(), for the tests of mdev_recovery");
