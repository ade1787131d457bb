// SPDX-License-Identifier: GPL-2.0-only
/*
 * BAR mappings: faults through the gate, and the substitute page that a mapping
 * shows while the device does not answer.
 *
 * A fault inserts a page table entry and the gate may close (or open) right
 * then. Closing sets the flag and then zaps; opening clears the flag and then
 * zaps. The fault inserts and then looks at the flag. So an entry that is not
 * wanted any more is taken away by one of the two.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "device.h"
#include "function.h"
#include "group.h"

static struct mdr_device *mdr_device_of(struct vm_fault *vmf)
{
	struct vfio_pci_core_device *core = vmf->vma->vm_private_data;

	return container_of(core, struct mdr_device, core);
}

static void mdr_fault_undo(struct vm_fault *vmf, unsigned int order)
{
	unsigned long size = PAGE_SIZE << order;

	zap_special_vma_range(vmf->vma, ALIGN_DOWN(vmf->address, size), size);
}

/*
 * Map the substitute page. It is ordinary memory, so not with the uncached
 * attributes of the BAR.
 */
static vm_fault_t mdr_fault_substitute(struct mdr_device *device,
				       struct vm_fault *vmf)
{
	struct mdr_gate *gate = device->gate;
	struct vm_area_struct *vma = vmf->vma;
	vm_fault_t ret;

	atomic64_inc(&device->function->group->stats.dead_accesses);
	WRITE_ONCE(device->substituted, true);
	ret = vmf_insert_pfn_prot(vma, vmf->address, page_to_pfn(device->ones),
				  vm_get_page_prot(vma->vm_flags));
	if (!mdr_gate_closed(gate))
		mdr_fault_undo(vmf, 0);
	return ret;
}

static vm_fault_t mdr_fault_dead(struct mdr_device *device,
				 struct vm_fault *vmf, unsigned int order)
{
	if (READ_ONCE(device->tunables.dead_access) == MDR_DEAD_ACCESS_FAULT) {
		atomic64_inc(&device->function->group->stats.dead_accesses);
		return VM_FAULT_SIGBUS;
	}
	return order ? VM_FAULT_FALLBACK : mdr_fault_substitute(device, vmf);
}

/*
 * Wait without the lock of the fault, so that other threads can map and fault.
 * The file keeps device, group and this module while the mapping may go away.
 */
static vm_fault_t mdr_fault_wait(struct mdr_device *device,
				 struct vm_fault *vmf)
{
	bool interruptible = (vmf->flags & FAULT_FLAG_USER) &&
			     (vmf->flags & FAULT_FLAG_INTERRUPTIBLE);
	struct file *file;

	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY))
		return VM_FAULT_SIGBUS;
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;

	file = get_file(vmf->vma->vm_file);
	release_fault_lock(vmf);
	mdr_device_stall(device, interruptible);
	fput(file);
	return VM_FAULT_RETRY;
}

static vm_fault_t mdr_fault_closed(struct mdr_device *device,
				   struct vm_fault *vmf, unsigned int order)
{
	struct mdr_gate *gate = device->gate;

	/* a buffer of our own read() or write(): its drain would wait for us */
	if (mdr_gate_current_inside())
		return VM_FAULT_SIGBUS;

	if (mdr_gate_expired(gate,
			     READ_ONCE(device->tunables.stall_timeout_ms)))
		return mdr_fault_dead(device, vmf, order);
	return mdr_fault_wait(device, vmf);
}

/* The caller is inside the gate. @huge is order != 0, to a compiler's eye. */
static __always_inline vm_fault_t mdr_fault_inside(struct mdr_device *device,
						   struct vm_fault *vmf,
						   unsigned int order,
						   bool huge)
{
	vm_fault_t ret;

	if (huge)
		ret = device->core_vm_ops->huge_fault(vmf, order);
	else
		ret = device->core_vm_ops->fault(vmf);
	if (unlikely(mdr_gate_closed(device->gate)) && (ret & VM_FAULT_NOPAGE))
		mdr_fault_undo(vmf, order);
	return ret;
}

/* The gate is not simply open, or this CPU's first slot is taken. */
static noinline vm_fault_t mdr_fault_slowly(struct mdr_device *device,
					    struct vm_fault *vmf,
					    unsigned int order)
{
	struct mdr_gate_entry entry;
	vm_fault_t ret;

	if (!mdr_gate_enter(device->gate, MDR_ENTRY_ACCESS, &entry))
		return mdr_fault_closed(device, vmf, order);

	ret = mdr_fault_inside(device, vmf, order, order);
	mdr_gate_exit(&entry);
	return ret;
}

static __always_inline vm_fault_t mdr_fault_any(struct vm_fault *vmf,
						unsigned int order, bool huge)
{
	struct mdr_device *device = mdr_device_of(vmf);
	struct mdr_gate_slot *slot;
	vm_fault_t ret;

	if (unlikely(!mdr_gate_try_enter(device->gate, MDR_ENTRY_ACCESS,
					 &slot)))
		return mdr_fault_slowly(device, vmf, order);

	ret = mdr_fault_inside(device, vmf, order, huge);
	mdr_gate_leave(slot);
	return ret;
}

static vm_fault_t mdr_fault(struct vm_fault *vmf)
{
	return mdr_fault_any(vmf, 0, false);
}

/*
 * A copy of a mapping begins empty, as one that was just made. fork() copies the
 * entry of a huge page that a zap is taking away at that moment (in the kernel:
 * Documentation/upstream/fork-huge-pfnmap.md), and the copy is missed. With
 * VM_WIPEONFORK it copies none. Set for each copy, and not by mmap(), since
 * madvise(MADV_KEEPONFORK) takes it back.
 */
static void mdr_vm_open(struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_WIPEONFORK);
}

static const struct vm_operations_struct mdr_vm_ops = {
	.open = mdr_vm_open,
	.fault = mdr_fault,
};

static vm_fault_t mdr_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	return mdr_fault_any(vmf, order, true);
}

static const struct vm_operations_struct mdr_huge_vm_ops = {
	.open = mdr_vm_open,
	.fault = mdr_fault,
	.huge_fault = mdr_huge_fault,
};

/**
 * mdr_device_mmap - &vfio_device_ops.mmap
 * @vdev: the device
 * @vma: the mapping
 *
 * Touches no device, so it does not enter the gate; the faults do.
 *
 * Context: process context, mmap_lock held for writing.
 * Return: as vfio_pci_core_mmap().
 */
int mdr_device_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct mdr_device *device = to_mdr_device(vdev);
	const struct vm_operations_struct *core_vm_ops;
	int ret;

	mdr_users_note(&device->users);
	ret = vfio_pci_core_mmap(vdev, vma);
	if (ret)
		return ret;

	core_vm_ops = vma->vm_ops;
	/* what we do not wrap we would lose */
	if (WARN_ON_ONCE(core_vm_ops->open || core_vm_ops->close ||
			 core_vm_ops->map_pages || !core_vm_ops->fault))
		return -EOPNOTSUPP;
	/* vfio-pci-core has one table: every mapping stores the same pointer */
	WRITE_ONCE(device->core_vm_ops, core_vm_ops);
	vma->vm_ops = core_vm_ops->huge_fault ? &mdr_huge_vm_ops : &mdr_vm_ops;
	return 0;
}

/**
 * mdr_device_zap - take the BAR mappings away
 * @device: the device; its gate is closed, or was just opened
 *
 * Context: process context, may sleep.
 */
void mdr_device_zap(struct mdr_device *device)
{
	loff_t start = VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_BAR0_REGION_INDEX);
	loff_t end = VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_ROM_REGION_INDEX);

	unmap_mapping_range(device->core.vdev.inode->i_mapping, start,
			    end - start, true);
}

/**
 * mdr_device_unsubstitute - take the substitute page away
 * @device: the device; its gate was just opened
 *
 * What the user wrote to the page is gone afterwards.
 *
 * Context: process context, group->lock held, may sleep.
 */
void mdr_device_unsubstitute(struct mdr_device *device)
{
	if (!READ_ONCE(device->substituted))
		return;
	WRITE_ONCE(device->substituted, false);
	mdr_device_zap(device);
	memset(page_address(device->ones), 0xff, PAGE_SIZE);
}
