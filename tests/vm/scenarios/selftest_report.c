// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lockdep's report about the PCI core's own locks, which klog.c knows, and reports
 * that are one line away from it: these must be failures. tests/vm/selftest runs
 * them.
 */
#include "klog.h"
#include "scenario.h"

static const char * const report[] = {
	"WARNING: possible circular locking dependency detected",
	"irq/29-pciehp/53 is trying to acquire lock:",
	"(pci_rescan_remove_lock){+.+.}-{4:4}, at: pciehp_unconfigure_device+0xe9/0x2f0",
	"the existing dependency chain (in reverse order) is:",
	"-> #2 (&ctrl->reset_lock){++++}-{4:4}:",
	"       pciehp_reset_slot+0xae/0x150",
	"       aer_root_reset+0x3c4/0x450",
	"-> #1 (pci_slot_mutex){+.+.}-{4:4}:",
	"       pci_dev_assign_slot+0x28/0x250",
	"       pci_rescan_bus+0x15/0x30",
	"-> #0 (pci_rescan_remove_lock){+.+.}-{4:4}:",
	"       pciehp_unconfigure_device+0xe9/0x2f0",
	"       pciehp_ist+0x305/0x4a0",
	"  pci_rescan_remove_lock --> pci_slot_mutex --> &ctrl->reset_lock",
	"locks held by irq/29-pciehp/53: 1, last CPU#1:",
	" #0: ffff888105a00ad8 (&ctrl->reset_lock){++++}-{4:4}, at: pciehp_ist+0x214/0x4a0",
	"stack backtrace:",
	" <TASK>",
	" ? mdr_unregister_function+0x10/0x80 [mdev_recovery]",
	" pciehp_ist+0x305/0x4a0",
	" </TASK>",
};

#define NR_LINES (sizeof(report) / sizeof(report[0]))
/* where another line can come in: behind the header, in each part */
#define IN_CHAIN 4
#define IN_FIRST_PATH 6
#define IN_HELD_LOCKS 15
#define IN_BACKTRACE 19

/* The report, with one line more before its line at. */
static void say_report(unsigned int at, const char *line)
{
	for (unsigned int i = 0; i < NR_LINES; i++) {
		if (i == at)
			klog_say("%s", line);
		klog_say("%s", report[i]);
	}
}

SCENARIO(selftest_report_known, "the PCI core's own report passes, with another's message in it",
	 .selftest = true)
{
	say_report(IN_BACKTRACE, "mdr-pci 0000:05:00.0: mdev 1 is not released");
}

SCENARIO(selftest_report_path, "a function of ours in an older path is a failure",
	 .selftest = true)
{
	say_report(IN_FIRST_PATH, "       mdr_hot_reset+0x3c4/0x450 [mdev_recovery]");
}

SCENARIO(selftest_report_backtrace, "a function of ours in the path that closes it is a failure",
	 .selftest = true)
{
	say_report(IN_BACKTRACE, " mdr_unregister_function+0x10/0x80 [mdev_recovery]");
}

SCENARIO(selftest_report_held, "a lock that a function of ours took is a failure",
	 .selftest = true)
{
	say_report(IN_HELD_LOCKS,
		   " #1: (&group->lock){+.+.}-{4:4}, at: mdr_group_error+0x3c/0x90 [mdev_recovery]");
}

SCENARIO(selftest_report_lock, "one lock more in the circle is a failure", .selftest = true)
{
	say_report(IN_CHAIN, "-> #3 (&group->lock){+.+.}-{4:4}:");
}

SCENARIO(selftest_report_other, "another report in the middle of it is a failure",
	 .selftest = true)
{
	say_report(IN_CHAIN, "BUG: sleeping function called from invalid context");
}

SCENARIO(selftest_report_cut, "a report without its end is a failure", .selftest = true)
{
	for (unsigned int i = 0; i < NR_LINES - 1; i++)
		klog_say("%s", report[i]);
}
