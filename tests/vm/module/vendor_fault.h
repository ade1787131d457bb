/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults of mdev_recovery_vendor that do more than insert a page. Parameters:
 *
 *	fault_ms	how long a fault takes
 *	fault_fails	how many give SIGBUS then, from now on; counts down
 *	fault_unlock_ms	the first try of a fault releases its lock and the file, and comes
 *			back this much later
 *	fault_completes	a fault releases its lock once it has inserted its page
 */
#ifndef MDR_VENDOR_FAULT_H
#define MDR_VENDOR_FAULT_H

#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>

#include "count_param.h"

static atomic_t fault_fails;
module_param_cb(fault_fails, &count_param_ops, &fault_fails, 0644);
static unsigned int fault_ms;
module_param(fault_ms, uint, 0644);
static unsigned int fault_unlock_ms;
module_param(fault_unlock_ms, uint, 0644);
static bool fault_completes;
module_param(fault_completes, bool, 0644);

static bool vendor_fault_may_unlock(struct vm_fault *vmf)
{
	return fault_flag_allow_retry_first(vmf->flags) &&
	       !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT);
}

/* As a handler does that waits: it keeps the file while it needs the device. */
static void vendor_fault_unlock(struct vm_fault *vmf)
{
	struct file *file = get_file(vmf->vma->vm_file);

	release_fault_lock(vmf);
	fput(file);
	msleep(fault_unlock_ms);
}

/* True if it inserts no page, with the result of the fault. */
static bool vendor_fault_ends(struct vm_fault *vmf, vm_fault_t *ret)
{
	msleep(fault_ms);
	if (atomic_dec_if_positive(&fault_fails) >= 0) {
		*ret = VM_FAULT_SIGBUS;
		return true;
	}
	if (!fault_unlock_ms || !vendor_fault_may_unlock(vmf))
		return false;
	vendor_fault_unlock(vmf);
	*ret = VM_FAULT_RETRY;
	return true;
}

static vm_fault_t vendor_fault_completes(struct vm_fault *vmf, vm_fault_t ret)
{
	if (!fault_completes || !(ret & VM_FAULT_NOPAGE) ||
	    !vendor_fault_may_unlock(vmf))
		return ret;
	release_fault_lock(vmf);
	return VM_FAULT_COMPLETED;
}

#endif
