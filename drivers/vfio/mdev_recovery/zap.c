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

/* The work of &mdr_zap.work. */
void mdr_group_zap_work(struct work_struct *work)
{
	struct mdr_group *group = container_of(work, struct mdr_group, zap.work);
	unsigned long asked;

	scoped_guard(mutex, &group->lock)
		asked = group->zap.asked;
	mdr_group_zap(group);
	/* pairs with mdr_group_zap_is_done() */
	smp_store_release(&group->zap.done, asked);
	wake_up_all(&group->state_changed);
}

/*
 * Remove the mappings of a device now, if no process with one has MMU notifiers: nobody is
 * waited for then. i_mmap_rwsem keeps a process from getting its first one meanwhile
 * (mm_take_all_locks()).
 */
static bool mdr_device_zap_quickly(struct mdr_device *device)
{
	struct address_space *mapping = device->core->vdev.inode->i_mapping;
	struct vm_area_struct *vma;
	struct rb_node *node;
	bool quick = true;

	if (!i_mmap_trylock_read(mapping))
		return false;
	for (node = rb_first_cached(&mapping->i_mmap); node && quick; node = rb_next(node)) {
		vma = rb_entry(node, struct vm_area_struct, shared.rb);
		quick = (vma->vm_flags & VM_PFNMAP) && !mm_has_notifiers(vma->vm_mm);
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
	struct mdr_device *device = NULL;
	bool quick = true;

	while ((device = mdr_zap_next(group, device, mdr_device_is_mapped)))
		quick &= mdr_device_zap_quickly(device);
	return quick;
}

/* Begin to remove the BAR mappings of all devices; mdr_group_zap_wait() waits for the end. */
void mdr_group_zap_begin(struct mdr_group *group)
{
	if (mdr_group_zap_quickly(group))
		return;
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

/* ktime_get_ns() when somebody last waited in vain for a zap, 0 before the first. */
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

/* Somebody has waited in vain. One that has waited for a moment says nothing new. */
static void mdr_zap_was_late(unsigned int patience_ms)
{
	if (patience_ms == MDR_DRAIN_TIMEOUT_MS)
		WRITE_ONCE(mdr_zap_late_at, ktime_get_ns());
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
