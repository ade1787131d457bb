// SPDX-License-Identifier: GPL-2.0-only
/*
 * What users are told about the group of their device: the status, the page that shows
 * it, and the eventfd for changes. None of it touches the device, so none of it waits at
 * the gate. The structures are in include/uapi/linux/mdev_recovery.h.
 *
 * The page has a file of its own, so a mapping of it does not keep the device in use.
 * The page no longer changes once the device is closed.
 */
#include <linux/anon_inodes.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "device.h"
#include "function.h"
#include "group.h"

/* Did the host reset the device in this event, with no user inside since? */
static bool mdr_status_is_pristine(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;

	return mdr_gate_closed(&group->gate) &&
	       !mdr_group_is_recovering(group) && group->drained &&
	       device->function->error.was_reset;
}

/*
 * May the user of a device acknowledge an event? 0, or the errno that
 * MDR_DEVICE_FEATURE_ACKNOWLEDGE documents.
 */
int mdr_status_may_acknowledge(struct mdr_device *device, u64 event)
{
	struct mdr_group *group = device->function->group;

	lockdep_assert_held(&group->lock);

	if (event != group->event)
		return -ESTALE;
	if (device->policy == MDR_POLICY_HOLD &&
	    group->machine.state == MDR_STATE_RESETTING &&
	    group->machine.origin == MDR_STATE_HOLDING)
		return -EAGAIN;
	if (device->policy != MDR_POLICY_HOLD ||
	    group->machine.state != MDR_STATE_HOLDING)
		return -EINVAL;
	if (device->acknowledged == event)
		return -EALREADY;
	return mdr_status_is_pristine(device) ? 0 : -EPERM;
}

static u32 mdr_status_next(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;

	if (device->removing || READ_ONCE(device->function->removing))
		return MDR_NEXT_RELEASE;
	switch (group->machine.state) {
	case MDR_STATE_OPEN:
		return MDR_NEXT_NOTHING;
	case MDR_STATE_HOLDING:
		return device->policy == MDR_POLICY_HOLD &&
		       device->acknowledged != group->event ?
		       MDR_NEXT_RESET : MDR_NEXT_WAIT;
	case MDR_STATE_EVICTING:
		return MDR_NEXT_RELEASE;
	case MDR_STATE_FAILED:
		return MDR_NEXT_GIVE_UP;
	default:
		return MDR_NEXT_WAIT;
	}
}

static u32 mdr_status_flags(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;
	u32 flags = 0;

	if (mdr_status_is_pristine(device))
		flags |= MDR_STATUS_PRISTINE;
	if (!mdr_status_may_acknowledge(device, group->event))
		flags |= MDR_STATUS_MAY_ACKNOWLEDGE;
	if (device->removing || READ_ONCE(device->function->removing))
		flags |= MDR_STATUS_REMOVING;
	if (!device->opened)
		flags |= MDR_STATUS_CLOSED;
	return flags;
}

void mdr_status_fill(struct mdr_device *device, struct mdr_status *status)
{
	struct mdr_group *group = device->function->group;
	struct mdr_stats *stats = &group->stats;

	lockdep_assert_held(&group->lock);

	*status = (struct mdr_status) {
		.event		= group->event,
		.error_ns	= group->error_at,
		.closed_ns	= READ_ONCE(group->gate.closed_at),
		.reset_ns	= group->reset_at,
		.opened_ns	= group->opened_at,
		.recoveries	= stats->recoveries,
		.failures	= stats->failures,
		.stalls		= atomic64_read(&stats->stalls),
		.dead_accesses	= atomic64_read(&stats->dead_accesses),
		.state		= group->machine.state,
		.policy		= device->policy,
		.cause		= group->cause,
		.channel	= group->told.channel,
		.next		= mdr_status_next(device),
		.flags		= mdr_status_flags(device),
		.segment	= group->told.segment,
		.function	= group->told.function,
		.port		= group->told.port,
	};
}

/* Fill in a page; readers look at the sequence, and at alive without it. */
static void mdr_status_show(struct mdr_device *device,
			    struct mdr_status_page *page)
{
	struct mdr_group *group = device->function->group;
	bool alive = device->opened &&
		     group->machine.state == MDR_STATE_OPEN;

	WRITE_ONCE(page->alive, alive ? group->event : MDR_NOT_ALIVE);
	WRITE_ONCE(page->sequence, page->sequence + 1);
	smp_wmb(); /* odd before the change */
	mdr_status_fill(device, &page->status);
	smp_wmb(); /* even after it */
	WRITE_ONCE(page->sequence, page->sequence + 1);
}

/* Bring a device's page up to date. */
void mdr_status_update(struct mdr_device *device)
{
	lockdep_assert_held(&device->function->group->lock);

	if (device->status_page)
		mdr_status_show(device, page_address(device->status_page));
}

/* The state of a group has changed: tell its users. */
void mdr_status_publish(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (!device)
			continue;
		mdr_status_update(device);
		if (device->changed)
			eventfd_signal(device->changed);
	}
}

/* The user is gone, and with it what it asked for. */
void mdr_status_close(struct mdr_device *device)
{
	struct eventfd_ctx *changed;
	struct page *page;

	scoped_guard(mutex, &device->function->group->lock) {
		mdr_status_update(device);
		page = device->status_page;
		changed = device->changed;
		device->status_page = NULL;
		device->changed = NULL;
	}
	if (page)
		put_page(page);
	if (changed)
		eventfd_ctx_put(changed);
}

/* Replace the eventfd for changes; NULL for none. */
void mdr_status_set_eventfd(struct mdr_device *device,
			    struct eventfd_ctx *changed)
{
	scoped_guard(mdr_group_briefly, device->function->group)
		swap(device->changed, changed);
	if (changed)
		eventfd_ctx_put(changed);
}

static vm_fault_t mdr_status_fault(struct vm_fault *vmf)
{
	struct page *page = vmf->vma->vm_file->private_data;

	if (vmf->pgoff != vmf->vma->vm_pgoff)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct mdr_status_vm_ops = {
	.fault = mdr_status_fault,
};

static int mdr_status_file_release(struct inode *inode, struct file *file)
{
	put_page(file->private_data);
	return 0;
}

static const struct file_operations mdr_status_fops = {
	.owner		= THIS_MODULE,
	.release	= mdr_status_file_release,
};

/* The page of this user, with a reference; made at its first mapping. */
static struct page *mdr_status_get_page(struct mdr_device *device)
{
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	if (!page)
		return NULL;
	guard(mdr_group_briefly)(device->function->group);
	if (device->status_page) {
		__free_page(page);
	} else {
		device->status_page = page;
		mdr_status_update(device);
	}
	get_page(device->status_page);
	return device->status_page;
}

/* Map the page of the status region, which is what the mapping is of. */
int mdr_status_mmap(struct mdr_device *device, struct vm_area_struct *vma)
{
	u64 offset = ((u64)vma->vm_pgoff << PAGE_SHIFT) & VFIO_PCI_OFFSET_MASK;
	struct page *page;
	struct file *file;

	if (offset || vma->vm_end - vma->vm_start != PAGE_SIZE ||
	    !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;

	page = mdr_status_get_page(device);
	if (!page)
		return -ENOMEM;
	file = anon_inode_getfile("[mdev_recovery-status]", &mdr_status_fops,
				  page, O_RDONLY);
	if (IS_ERR(file)) {
		put_page(page);
		return PTR_ERR(file);
	}
	vma_set_file(vma, file);
	fput(file);
	vm_flags_mod(vma, VM_DONTEXPAND, VM_MAYWRITE);
	vma->vm_ops = &mdr_status_vm_ops;
	return 0;
}

static ssize_t mdr_status_rw(struct vfio_pci_core_device *core,
			     char __user *buf, size_t count, loff_t *ppos,
			     bool write)
{
	struct mdr_device *device = to_mdr_device(&core->vdev);
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;
	struct mdr_status_page page = {};

	if (write || offset >= PAGE_SIZE)
		return -EINVAL;
	scoped_guard(mdr_group_briefly, device->function->group)
		mdr_status_show(device, &page);
	count = min_t(u64, count, PAGE_SIZE - offset);
	/* what follows the structure in the page is 0 */
	if (clear_user(buf, count))
		return -EFAULT;
	if (offset < sizeof(page) &&
	    copy_to_user(buf, (void *)&page + offset,
			 min_t(u64, count, sizeof(page) - offset)))
		return -EFAULT;
	*ppos += count;
	return count;
}

/* vfio-pci-core wants one, and there is nothing to free. */
static void mdr_status_release(struct vfio_pci_core_device *core,
			       struct vfio_pci_region *region)
{
}

static const struct vfio_pci_regops mdr_status_regops = {
	.rw		= mdr_status_rw,
	.release	= mdr_status_release,
};

/* Add the region of the status page to a device that is being opened. */
int mdr_status_add_region(struct mdr_device *device)
{
	BUILD_BUG_ON(sizeof(struct mdr_status_page) > PAGE_SIZE);

	return vfio_pci_core_register_dev_region(device->core, MDR_REGION_TYPE,
						 MDR_REGION_SUBTYPE_STATUS,
						 &mdr_status_regops, PAGE_SIZE,
						 VFIO_REGION_INFO_FLAG_READ |
						 VFIO_REGION_INFO_FLAG_MMAP,
						 NULL);
}

/* Does this offset in the file of the device belong to the status page? */
bool mdr_status_has(struct mdr_device *device, loff_t pos)
{
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(pos);

	return index >= VFIO_PCI_NUM_REGIONS &&
	       index - VFIO_PCI_NUM_REGIONS < device->core->num_regions &&
	       device->core->region[index - VFIO_PCI_NUM_REGIONS].ops ==
	       &mdr_status_regops;
}

/* Read the status page without the gate. */
ssize_t mdr_status_read(struct mdr_device *device, char __user *buf,
			size_t count, loff_t *ppos)
{
	return mdr_status_rw(device->core, buf, count, ppos, false);
}
