// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user's side of the gate: enter it, or wait until it opens.
 */
#include <linux/pagemap.h>

#include "device.h"
#include "function.h"
#include "group.h"
#include "trace.h"

static void mdr_group_account_stall(struct mdr_group *group, u64 ns)
{
	struct mdr_stats *stats = &group->stats;
	s64 max = atomic64_read(&stats->stall_ns_max);

	atomic64_inc(&stats->stalls);
	atomic64_add(ns, &stats->stall_ns_total);
	while (ns > max &&
	       !atomic64_try_cmpxchg(&stats->stall_ns_max, &max, ns))
		;
}

/*
 * Wait at the device's closed gate, see mdr_gate_wait(): 0 if it is open again,
 * -ETIMEDOUT if stall_timeout_ms passed or the device is lost, -ERESTARTSYS.
 */
int mdr_device_stall(struct mdr_device *device, bool interruptible)
{
	struct mdr_group *group = device->function->group;
	unsigned int timeout_ms = READ_ONCE(device->tunables.stall_timeout_ms);
	u64 start;
	int ret;

	if (mdr_gate_closed(&group->gate) &&
	    mdr_gate_expired(&group->gate, timeout_ms))
		return -ETIMEDOUT;

	start = ktime_get_ns();
	ret = mdr_gate_wait(&group->gate, timeout_ms, interruptible);
	start = ktime_get_ns() - start;
	mdr_group_account_stall(group, start);
	trace_mdr_stall(group, start, ret);
	return ret;
}

/* Enter the gate, or wait for it and fail like mdr_device_stall(). */
int mdr_device_enter(struct mdr_device *device, enum mdr_entry_kind kind,
		     struct mdr_gate_entry *entry)
{
	struct mdr_gate *gate = device->gate;
	int ret;

	while (unlikely(!mdr_gate_enter(gate, kind, entry))) {
		ret = mdr_device_stall(device, false);
		if (ret)
			return ret;
	}
	return 0;
}

/* How often a call that met an absent page inside the gate is made again. */
#define MDR_CALL_RETRIES 16

/*
 * A call with page faults off gave -EFAULT: fault in the @size bytes at @buf, for as long
 * as that takes, outside any gate. @write: the call copies to @buf. True to make the call
 * again, when the page may be gone once more; false if -EFAULT is its result.
 */
bool mdr_device_call_again(unsigned int *retries, const void __user *buf,
			   size_t size, bool write)
{
	size_t absent;

	if ((*retries)++ == MDR_CALL_RETRIES)
		return false;
	/* not fault_in_writeable(), which writes to the pages */
	absent = write ? fault_in_safe_writeable((char __user *)buf, size) :
			 fault_in_readable(buf, size);
	/* vfio-pci-core may need less than the caller says that there is */
	return !absent || absent < size;
}

/* Enter for a call: -EIO, not -ETIMEDOUT, if the device does not answer. */
int mdr_call_enter(struct mdr_device *device, struct mdr_gate_entry *entry)
{
	int ret = mdr_device_enter(device, MDR_ENTRY_ACCESS, entry);

	return ret == -ETIMEDOUT ? -EIO : ret;
}
