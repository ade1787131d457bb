// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings that a parent driver makes itself: a table of ours in front of each of its
 * vm_operations sends the faults through the gate.
 *
 * The shim has to be able to take such a mapping away and give it back, so it must be
 * shared, of raw page frames, and filled by faults alone. Others are refused.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "device.h"

/* A driver has one table for each kind of mapping, and they are static. */
#define MDR_MAX_MAPPINGS 8

/**
 * struct mdr_mapping - one table of the parent driver, and ours in front of it
 * @ops: ours, a copy with the gate in it
 * @parent: the parent driver's
 * @device: the device that is mapped
 * @next: in &mdr_device.mappings, or NULL
 */
struct mdr_mapping {
	struct vm_operations_struct ops;	/* const once it is in use */

	const struct vm_operations_struct *parent;
	struct mdr_device *device;
	struct mdr_mapping *next;
};

static struct mdr_mapping *to_mdr_mapping(struct vm_area_struct *vma)
{
	return container_of(vma->vm_ops, struct mdr_mapping, ops);
}

/* mdr_vm_open() in fault.c says why a copy starts out empty. */
static void mdr_mapping_open(struct vm_area_struct *vma)
{
	struct mdr_mapping *mapping = to_mdr_mapping(vma);

	if (mapping->parent->open)
		mapping->parent->open(vma);
	mdr_device_copy_vma(mapping->device, vma);
}

static void mdr_mapping_close(struct vm_area_struct *vma)
{
	struct mdr_mapping *mapping = to_mdr_mapping(vma);

	if (mapping->parent->close)
		mapping->parent->close(vma);
	atomic_dec(&mapping->device->vmas);
}

static int mdr_mapping_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	struct mdr_mapping *mapping = to_mdr_mapping(vma);
	int ret = 0;

	if (mapping->parent->may_split)
		ret = mapping->parent->may_split(vma, addr);
	return ret ?: mdr_device_may_split_vma(mapping->device);
}

/* A page that is to be inserted after the gate cannot be taken back. */
static vm_fault_t mdr_mapping_refuse_page(struct mdr_device *device,
					  struct vm_fault *vmf, vm_fault_t ret)
{
	const vm_fault_t without_page = VM_FAULT_ERROR | VM_FAULT_NOPAGE |
					VM_FAULT_RETRY | VM_FAULT_FALLBACK;

	if (likely(ret & without_page))
		return ret;
	pci_notice_ratelimited(device->core->pdev,
			       "%s: fault refused: its page would bypass the access gate\n",
			       device->uuid);
	if (!vmf->page)
		return VM_FAULT_SIGBUS;
	if (ret & VM_FAULT_LOCKED)
		unlock_page(vmf->page);
	put_page(vmf->page);
	vmf->page = NULL;
	return VM_FAULT_SIGBUS;
}

/*
 * The parent's fault may have released the lock of the fault, and the mapping may be gone.
 * So an entry that it inserted cannot be found any more: if the gate has closed, remove all,
 * still inside. Whoever made the fault looks again.
 */
static vm_fault_t mdr_mapping_done(struct mdr_device *device, vm_fault_t ret)
{
	if (likely(!(ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED))))
		return ret;
	if (ret & VM_FAULT_COMPLETED)
		atomic_long_dec(&device->entries_left);
	if (mdr_gate_closed(device->gate))
		mdr_device_zap(device);
	return VM_FAULT_RETRY;
}

static vm_fault_t mdr_mapping_inside(struct vm_fault *vmf)
{
	struct mdr_mapping *mapping = to_mdr_mapping(vmf->vma);

	return mdr_mapping_done(mapping->device, mapping->parent->fault(vmf));
}

static vm_fault_t mdr_mapping_huge_inside(struct vm_fault *vmf,
					  unsigned int order)
{
	struct mdr_mapping *mapping = to_mdr_mapping(vmf->vma);

	return mdr_mapping_done(mapping->device,
				mapping->parent->huge_fault(vmf, order));
}

static const struct vm_operations_struct mdr_mapping_inside_ops = {
	.fault = mdr_mapping_inside,
	.huge_fault = mdr_mapping_huge_inside,
};

static vm_fault_t mdr_mapping_huge_fault(struct vm_fault *vmf,
					 unsigned int order)
{
	struct mdr_device *device = to_mdr_mapping(vmf->vma)->device;
	struct file *file = get_file(vmf->vma->vm_file);
	vm_fault_t ret;

	/* the file keeps the device if the parent releases the lock of the fault */
	ret = mdr_device_fault(device, &mdr_mapping_inside_ops, vmf, order);
	if (!order)
		ret = mdr_mapping_refuse_page(device, vmf, ret);
	fput(file);
	return ret;
}

static vm_fault_t mdr_mapping_fault(struct vm_fault *vmf)
{
	return mdr_mapping_huge_fault(vmf, 0);
}

/*
 * A debugger reads the mapping through the driver. It holds the mmap_lock of
 * another process, so it does not wait at the gate.
 */
static int mdr_mapping_access(struct vm_area_struct *vma, unsigned long address,
			      void *buf, int len, int write)
{
	struct mdr_mapping *mapping = to_mdr_mapping(vma);
	struct mdr_gate_entry entry;
	int ret;

	if (!mdr_gate_enter(mapping->device->gate, MDR_ENTRY_ACCESS, &entry))
		return -EIO;
	ret = mapping->parent->access(vma, address, buf, len, write);
	mdr_gate_exit(&entry);
	return ret;
}

/* Find our table for one of the parent's, or make it. Under mmap_lock. */
static struct mdr_mapping *
mdr_mapping_get(struct mdr_device *device,
		const struct vm_operations_struct *parent)
{
	struct mdr_mapping *mapping;
	unsigned int count = 0;

	guard(mutex)(&device->mappings_lock);
	for (mapping = device->mappings; mapping; mapping = mapping->next) {
		if (mapping->parent == parent)
			return mapping;
		count++;
	}
	if (count == MDR_MAX_MAPPINGS)
		return NULL;
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return NULL;

	mapping->ops = *parent;
	mapping->ops.open = mdr_mapping_open;
	mapping->ops.close = mdr_mapping_close;
	mapping->ops.may_split = mdr_mapping_may_split;
	mapping->ops.fault = mdr_mapping_fault;
	if (parent->huge_fault)
		mapping->ops.huge_fault = mdr_mapping_huge_fault;
	if (parent->access)
		mapping->ops.access = mdr_mapping_access;
	mapping->parent = parent;
	mapping->device = device;
	mapping->next = device->mappings;
	device->mappings = mapping;
	return mapping;
}

/* Can the shim take this mapping away and give it back? */
static bool mdr_mapping_is_sound(struct mdr_device *device,
				 struct vm_area_struct *vma)
{
	const struct vm_operations_struct *ops = vma->vm_ops;
	const vm_flags_t flags = VM_PFNMAP | VM_SHARED;

	if (!ops || !ops->fault || ops->map_pages || ops->page_mkwrite ||
	    ops->pfn_mkwrite)
		return false;
	return (vma->vm_flags & flags) == flags &&
	       vma->vm_file->f_mapping == device->core->vdev.inode->i_mapping;
}

/* A region of the parent's own may be larger than all BARs. */
static void mdr_mapping_allow_entries(struct mdr_device *device,
				      struct vm_area_struct *vma)
{
	long more;

	guard(mutex)(&device->mappings_lock);
	more = MDR_MORE_ENTRIES + vma_pages(vma) - device->max_entries;
	if (more <= 0)
		return;
	WRITE_ONCE(device->max_entries, device->max_entries + more);
	atomic_long_add(more, &device->entries_left);
}

/*
 * Put the gate in front of a mapping that the parent driver's mmap() has made, under
 * mmap_lock. What the parent has filled in already is removed: the gate may have closed
 * meanwhile, and no zap finds a mapping that is not linked yet. -EOPNOTSUPP for a mapping
 * that could not be taken away; -ENOMEM.
 */
int mdr_mapping_wrap(struct mdr_device *device, struct vm_area_struct *vma)
{
	struct mdr_mapping *mapping;
	int ret = -EOPNOTSUPP;

	if (mdr_mapping_is_sound(device, vma)) {
		mapping = mdr_mapping_get(device, vma->vm_ops);
		if (mapping && !mdr_device_add_vma(device)) {
			zap_special_vma_range(vma, vma->vm_start,
					      vma->vm_end - vma->vm_start);
			vma->vm_ops = &mapping->ops;
			mdr_mapping_allow_entries(device, vma);
			return 0;
		}
		ret = -ENOMEM;
	} else {
		pci_notice_ratelimited(device->core->pdev,
				       "%s: mmap refused: it would bypass the access gate\n",
				       device->uuid);
	}

	/* mm does not close what mmap() refuses */
	if (vma->vm_ops && vma->vm_ops->close)
		vma->vm_ops->close(vma);
	return ret;
}

/* The device is being freed, so its last mapping is gone. */
void mdr_mapping_free(struct mdr_device *device)
{
	struct mdr_mapping *mapping;

	while ((mapping = device->mappings)) {
		device->mappings = mapping->next;
		kfree(mapping);
	}
}
