// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking the BAR mappings of a group away from its users, when the gate closes, and the
 * substitute pages in front of an opening.
 *
 * For each mapping a zap calls the MMU notifiers of the user's process: KVM's, and those
 * of other drivers, which may wait for devices of their own. A user decides how many there
 * are. So no zap runs under group->lock, and no host callback makes one that would call them:
 * it starts a work item, and waits no longer for that than for the drain.
 */
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/rbtree.h>

#include "device.h"
#include "function.h"
#include "group.h"

/*
 * Runs the zaps of host callbacks, and the openings that follow a zap. The host waits for it
 * while it may be recovering the swap disk, or in the middle of a system sleep.
 */
struct workqueue_struct *mdr_zap_workqueue;

/*
 * For so long after somebody has waited in vain for a zap, the others wait only for a moment.
 * A zap without such notifiers takes less: see MDR_MORE_ENTRIES.
 */
#define MDR_ZAP_LATE_MS 10000
#define MDR_ZAP_AGAIN_MS 50

/*
 * What a host callback removes by itself at most, in a group: page tables, each with 512
 * slots to look at, and entries in them. It takes some milliseconds.
 */
#define MDR_QUICK_TABLES 16384
#define MDR_QUICK_ENTRIES 65536

/* A mapping that is being made is empty, and its faults find the gate closed. */
static bool mdr_device_is_mapped(struct mdr_device *device)
{
	return mapping_mapped(device->core->vdev.inode->i_mapping);
}

static bool mdr_group_has_any(struct mdr_group *group,
			      bool (*wanted)(struct mdr_device *device))
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item)
		if (function->device && wanted(function->device))
			return true;
	return false;
}

/* May a mapping in the group show a substitute page? */
bool mdr_group_is_substituted(struct mdr_group *group)
{
	return mdr_group_has_any(group, mdr_device_is_substituted);
}

/*
 * The next device of the group that is @wanted, pinned, after @before, which is unpinned.
 * A pinned device keeps its function in the group.
 */
static struct mdr_device *
mdr_zap_next(struct mdr_group *group, struct mdr_device *before,
	     bool (*wanted)(struct mdr_device *device))
{
	struct mdr_function *function;
	struct mdr_device *next = NULL;

	guard(mutex)(&group->lock);
	function = before ? before->function :
			    list_entry(&group->functions, struct mdr_function,
				       group_item);
	list_for_each_entry_continue(function, &group->functions, group_item) {
		if (!function->device || !wanted(function->device))
			continue;
		next = function->device;
		mdr_device_pin(next);
		break;
	}
	if (before)
		mdr_device_unpin(before);
	return next;
}

/*
 * Remove the BAR mappings of all devices; the gate is closed. Takes as long as the MMU
 * notifiers of the users do.
 */
static void mdr_group_zap(struct mdr_group *group)
{
	struct mdr_device *device = NULL;

	might_sleep();
	lockdep_assert_not_held(&group->lock);

	while ((device = mdr_zap_next(group, device, mdr_device_is_mapped)))
		mdr_device_zap(device);
}

/* Remove the substitute pages of all devices; the gate is about to open. */
void mdr_group_unsubstitute(struct mdr_group *group)
{
	struct mdr_device *device = NULL;

	lockdep_assert_not_held(&group->lock);

	while ((device = mdr_zap_next(group, device, mdr_device_is_substituted)))
		mdr_device_unsubstitute(device);
}

/*
 * The number of this closing of the gate; 0 if it is open. A zap that begins in it leaves
 * nothing to another one in the same closing: a fault that is late removes its own entry.
 */
static unsigned long mdr_zap_closing(struct mdr_group *group)
{
	lockdep_assert_held(&group->lock);

	return mdr_gate_closed(&group->gate) ? group->zap.closing : 0;
}

/* The work of &mdr_zap.work. */
void mdr_group_zap_work(struct work_struct *work)
{
	struct mdr_group *group = container_of(work, struct mdr_group, zap.work);
	unsigned long asked, closing;

	scoped_guard(mutex, &group->lock) {
		asked = group->zap.asked;
		closing = mdr_zap_closing(group);
	}
	mdr_group_zap(group);
	WRITE_ONCE(group->zap.gone, closing);
	/* pairs with mdr_group_zap_is_done() */
	smp_store_release(&group->zap.done, asked);
	wake_up_all(&group->state_changed);
}

/* What is left of MDR_QUICK_TABLES and MDR_QUICK_ENTRIES. */
struct mdr_quick {
	long tables;
	long entries;
};

/* A page table stays when its entries are removed, so count those that there may be. */
static bool mdr_quick_takes(struct mdr_quick *left, struct vm_area_struct *vma)
{
	left->tables -= ((vma->vm_end - vma->vm_start) >> PMD_SHIFT) + 2;
	return left->tables >= 0 && (vma->vm_flags & VM_PFNMAP) &&
	       !mm_has_notifiers(vma->vm_mm);
}

/*
 * Remove the mappings of a device now, if they are not many and no process with one has MMU
 * notifiers: nobody is waited for then. i_mmap_rwsem keeps a process from getting its first
 * one meanwhile (mm_take_all_locks()).
 */
static bool mdr_device_zap_quickly(struct mdr_device *device,
				   struct mdr_quick *left)
{
	struct address_space *mapping = device->core->vdev.inode->i_mapping;
	struct vm_area_struct *vma;
	struct rb_node *node;
	bool quick;

	if (!i_mmap_trylock_read(mapping))
		return false;
	left->entries -= READ_ONCE(device->max_entries) -
			 atomic_long_read(&device->entries_left);
	quick = left->entries >= 0;
	for (node = rb_first_cached(&mapping->i_mmap); node && quick; node = rb_next(node)) {
		vma = rb_entry(node, struct vm_area_struct, shared.rb);
		quick = mdr_quick_takes(left, vma);
	}
	if (quick)
		atomic_long_set(&device->entries_left, READ_ONCE(device->max_entries));
	for (node = rb_first_cached(&mapping->i_mmap); node && quick; node = rb_next(node)) {
		vma = rb_entry(node, struct vm_area_struct, shared.rb);
		zap_special_vma_range(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	}
	i_mmap_unlock_read(mapping);
	return quick;
}

static bool mdr_group_zap_quickly(struct mdr_group *group)
{
	struct mdr_quick left = { MDR_QUICK_TABLES, MDR_QUICK_ENTRIES };
	struct mdr_device *device = NULL;
	bool quick = true;

	while ((device = mdr_zap_next(group, device, mdr_device_is_mapped)))
		quick &= mdr_device_zap_quickly(device, &left);
	return quick;
}

/*
 * Begin to remove the BAR mappings of all devices; mdr_group_zap_wait() waits for the end.
 * The host tells each function of the group: only the first one has something to remove.
 */
void mdr_group_zap_begin(struct mdr_group *group)
{
	unsigned long closing;

	scoped_guard(mutex, &group->lock)
		closing = mdr_zap_closing(group);
	if (closing && READ_ONCE(group->zap.gone) == closing)
		return;
	if (mdr_group_zap_quickly(group)) {
		WRITE_ONCE(group->zap.gone, closing);
		return;
	}
	guard(mutex)(&group->lock);
	if (group->dying || !mdr_group_has_any(group, mdr_device_is_mapped))
		return;
	WRITE_ONCE(group->zap.asked, group->zap.asked + 1);
	/* if it runs already, it runs again */
	queue_work(mdr_zap_workqueue, &group->zap.work);
}

static bool mdr_group_zap_is_done(struct mdr_group *group, unsigned long asked)
{
	/* pairs with mdr_group_zap_work() */
	unsigned long done = smp_load_acquire(&group->zap.done);

	return (long)(done - asked) >= 0;
}

/* ktime_get_ns() when a host callback last waited in vain for a zap, 0 before the first. */
static u64 mdr_zap_late_at;

/*
 * How long to wait for a zap, in milliseconds. A process with slow notifiers may have many devices,
 * in groups that the host tells one after the other: it waits for all of them about as long
 * as for one.
 */
static unsigned int mdr_zap_patience_ms(void)
{
	u64 late_at = READ_ONCE(mdr_zap_late_at);
	bool late = late_at && ktime_get_ns() - late_at <
			       (u64)MDR_ZAP_LATE_MS * NSEC_PER_MSEC;

	return late ? MDR_ZAP_AGAIN_MS : MDR_DRAIN_TIMEOUT_MS;
}

/*
 * A host callback has waited in vain. One that has waited for a moment says nothing new; and
 * what a user's task waits for, in a reset of its own, must not shorten the wait for others.
 */
static void mdr_zap_was_late(unsigned int patience_ms)
{
	if (patience_ms == MDR_DRAIN_TIMEOUT_MS && !mdr_gate_current_calls())
		WRITE_ONCE(mdr_zap_late_at, ktime_get_ns());
}

/* The last function has gone, and with it whoever was waited for. */
void mdr_zap_patience_reset(void)
{
	WRITE_ONCE(mdr_zap_late_at, 0);
}

/*
 * Wait for what mdr_group_zap_begin() has begun, since @start (jiffies). False after
 * @patience_ms; it is counted and logged. The zap goes on beside the caller, and the device
 * is not as the host left it.
 */
static bool mdr_group_zap_wait_for(struct mdr_group *group, unsigned long start,
				   unsigned int patience_ms)
{
	unsigned long asked = READ_ONCE(group->zap.asked);
	long left = max_t(long, start + msecs_to_jiffies(patience_ms) - jiffies, 0);

	if (wait_event_timeout(group->state_changed,
			       mdr_group_zap_is_done(group, asked), left))
		return true;

	guard(mutex)(&group->lock);
	group->drained = false;
	group->stats.drain_timeouts++;
	dev_warn_ratelimited(&group->dev,
			     "removing the mappings did not end within %u ms, going on without it\n",
			     patience_ms);
	return false;
}

/* For a host callback: the patience is that of a drain, or a moment, see above. */
bool mdr_group_zap_wait_since(struct mdr_group *group, unsigned long start)
{
	unsigned int patience_ms = mdr_zap_patience_ms();

	if (mdr_group_zap_wait_for(group, start, patience_ms))
		return true;
	mdr_zap_was_late(patience_ms);
	return false;
}

/* The same where the host does not wait for the caller: always as long as a drain may take. */
bool mdr_group_zap_wait(struct mdr_group *group)
{
	return mdr_group_zap_wait_for(group, jiffies, MDR_DRAIN_TIMEOUT_MS);
}

/* Wait until a gate that is about to open is open, or something else has come; or a kill. */
void mdr_group_wait_opened(struct mdr_group *group)
{
	wait_event_killable(group->state_changed, !READ_ONCE(group->opening));
}

/* Likewise for the host, or an administrator: no longer than a host callback waits for a zap. */
void mdr_group_wait_opened_briefly(struct mdr_group *group)
{
	unsigned int patience_ms = mdr_zap_patience_ms();

	if (!wait_event_timeout(group->state_changed, !READ_ONCE(group->opening),
				msecs_to_jiffies(patience_ms)))
		mdr_zap_was_late(patience_ms);
}
