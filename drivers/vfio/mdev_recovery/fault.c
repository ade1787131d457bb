// SPDX-License-Identifier: GPL-2.0-only
/*
 * BAR mappings: faults that pass the gate, and the substitute page in place of
 * a device that does not answer.
 *
 * The gate may close or open while a fault inserts its page table entry. Closing
 * sets the flag and then zaps; so does an opening, which goes on when the substitute pages
 * are gone; the fault inserts the entry and then checks the flag. So either the zap or the
 * fault removes an entry that came too late.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "device.h"
#include "function.h"
#include "group.h"

static struct mdr_device *mdr_device_of(struct vm_area_struct *vma)
{
	struct vfio_pci_core_device *core = vma->vm_private_data;

	return to_mdr_plain_device(&core->vdev);
}

static void mdr_fault_undo(struct vm_fault *vmf, unsigned int order)
{
	unsigned long size = PAGE_SIZE << order;

	zap_special_vma_range(vmf->vma, ALIGN_DOWN(vmf->address, size), size);
}

/* All BARs, page by page, and some: a process for each CPU may map doorbells. */
void mdr_device_limit_entries(struct mdr_device *device)
{
	struct pci_dev *pdev = device->core->pdev;
	int bar;

	device->max_entries = MDR_MORE_ENTRIES;
	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		device->max_entries += pci_resource_len(pdev, bar) >> PAGE_SHIFT;
	atomic_long_set(&device->entries_left, device->max_entries);
}

static noinline void mdr_fault_zap(struct mdr_device *device)
{
	pci_notice_ratelimited(device->core->pdev,
			       "%s: more than %ld pages are mapped: removing them, the next faults map them again\n",
			       device->uuid, READ_ONCE(device->max_entries));
	mdr_device_zap(device);
}

/*
 * A host callback waits until all entries are gone, so a user must not collect them: the first
 * fault after too many removes them, at the expense of its own task. It does so before it inserts
 * its own, which KVM and vfio look for afterwards; outside the gate; and with the lock of the
 * fault held, which keeps the device.
 */
static __always_inline bool mdr_fault_lacks_room(struct mdr_device *device)
{
	return unlikely(atomic_long_read(&device->entries_left) < 0);
}

/* A parent driver may have released the lock of the fault to retry. */
static __always_inline void mdr_fault_count(struct mdr_device *device,
					    vm_fault_t ret)
{
	if (likely(ret & VM_FAULT_NOPAGE))
		atomic_long_dec(&device->entries_left);
}

/*
 * Wait without the lock of the fault, so that other threads can map and fault.
 * The mapping may go away meanwhile; the file keeps the device, its group and
 * this module.
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

/*
 * The gate has changed during a fault, and the entry that it inserted is removed. KVM and
 * vfio look for that entry, and take it for an error if there is none. Ask them to retry the
 * fault. If no retry is allowed, the CPU will fault again.
 */
static noinline vm_fault_t mdr_fault_again(struct mdr_device *device,
					   struct vm_fault *vmf)
{
	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY))
		return VM_FAULT_NOPAGE;
	return mdr_fault_wait(device, vmf);
}

/*
 * The fault of a task that then looks for the entry: KVM, vfio. A zap may take the entry
 * away in between, and they take that for an error. So let them look again: with the lock
 * released they always do, and the first time nearly always find it.
 */
static noinline vm_fault_t mdr_fault_looked_for(struct vm_fault *vmf,
						vm_fault_t ret)
{
	if (!(ret & VM_FAULT_NOPAGE) ||
	    !fault_flag_allow_retry_first(vmf->flags) ||
	    (vmf->flags & FAULT_FLAG_RETRY_NOWAIT))
		return ret;
	release_fault_lock(vmf);
	return VM_FAULT_RETRY;
}

/* The processor, for the user, looks by itself. */
static __always_inline vm_fault_t mdr_fault_done(struct vm_fault *vmf,
						 vm_fault_t ret)
{
	if (likely(vmf->flags & FAULT_FLAG_USER))
		return ret;
	return mdr_fault_looked_for(vmf, ret);
}

/* The page is ordinary memory, so it must not be mapped uncached like a BAR. */
static vm_fault_t mdr_fault_substitute(struct mdr_device *device,
				       struct vm_fault *vmf)
{
	struct mdr_gate *gate = device->gate;
	struct vm_area_struct *vma = vmf->vma;
	vm_fault_t ret;

	atomic64_inc(&device->function->group->stats.dead_accesses);
	ret = vmf_insert_pfn_prot(vma, vmf->address, page_to_pfn(device->ones),
				  vm_get_page_prot(vma->vm_flags));
	/*
	 * Check after the insert, which sleeps: the pages may have been removed for an
	 * opening. mdr_gate_stays_closed() has the barrier.
	 */
	smp_mb__before_atomic(); /* the entry before its count */
	atomic_long_inc(&device->substitutes);
	if (!mdr_gate_stays_closed(gate) && (ret & VM_FAULT_NOPAGE)) {
		mdr_fault_undo(vmf, 0);
		return mdr_fault_again(device, vmf);
	}
	mdr_fault_count(device, ret);
	return mdr_fault_done(vmf, ret);
}

/*
 * For a VM_PFNMAP mapping, KVM on arm64 derives the size of a guest mapping from
 * the vma and not from the page that was inserted (arch/arm64/kvm/mmu.c:
 * get_vma_page_shift()). The guest would also get the memory that follows the
 * substitute page.
 */
#define MDR_MAY_SUBSTITUTE !IS_ENABLED(CONFIG_ARM64)

static vm_fault_t mdr_fault_dead(struct mdr_device *device,
				 struct vm_fault *vmf, unsigned int order)
{
	if (!MDR_MAY_SUBSTITUTE ||
	    READ_ONCE(device->tunables.dead_access) == MDR_DEAD_ACCESS_FAULT) {
		atomic64_inc(&device->function->group->stats.dead_accesses);
		return VM_FAULT_SIGBUS;
	}
	return order ? VM_FAULT_FALLBACK : mdr_fault_substitute(device, vmf);
}

static vm_fault_t mdr_fault_closed(struct mdr_device *device,
				   struct vm_fault *vmf, unsigned int order)
{
	struct mdr_gate *gate = device->gate;

	/* if it has opened meanwhile, the wait is over at once */
	if (mdr_gate_closed(gate) &&
	    mdr_gate_expired(gate,
			     READ_ONCE(device->tunables.stall_timeout_ms)))
		return mdr_fault_dead(device, vmf, order);
	return mdr_fault_wait(device, vmf);
}

/* @huge stands for order != 0, as a constant for the compiler. */
static __always_inline vm_fault_t
mdr_fault_inside(const struct vm_operations_struct *core_vm_ops,
		 struct vm_fault *vmf, unsigned int order, bool huge)
{
	return huge ? core_vm_ops->huge_fault(vmf, order) :
		      core_vm_ops->fault(vmf);
}

/*
 * The gate has closed during a fault; true if the fault is to be made again. If it inserted
 * an entry, the zap may have come before that, so remove it, still inside. If it failed, that
 * may be for the error: a parent driver can look at the device.
 */
static noinline bool mdr_fault_undo_late(struct vm_fault *vmf,
					 unsigned int order, vm_fault_t ret)
{
	if (ret & (VM_FAULT_ERROR & ~VM_FAULT_FALLBACK))
		return true;
	if (!(ret & VM_FAULT_NOPAGE))
		return false;
	mdr_fault_undo(vmf, order);
	return true;
}

/*
 * Handle a fault through the gate with @core_vm_ops. Our own table comes here only
 * if the fast path failed, see mdr_gate_try_enter().
 */
noinline vm_fault_t
mdr_device_fault(struct mdr_device *device,
		 const struct vm_operations_struct *core_vm_ops,
		 struct vm_fault *vmf, unsigned int order)
{
	struct mdr_gate_entry entry;
	vm_fault_t ret;
	bool late;

	if (mdr_fault_lacks_room(device))
		mdr_fault_zap(device);
	if (!mdr_gate_enter(device->gate, MDR_ENTRY_ACCESS, &entry))
		return mdr_fault_closed(device, vmf, order);

	ret = mdr_fault_inside(core_vm_ops, vmf, order, order);
	late = mdr_gate_closed(device->gate) &&
	       mdr_fault_undo_late(vmf, order, ret);
	mdr_gate_exit(&entry);
	if (late)
		return mdr_fault_again(device, vmf);
	mdr_fault_count(device, ret);
	return mdr_fault_done(vmf, ret);
}

/*
 * Slow paths look the device up again, so that the fast path need not keep it in a
 * register.
 */
static noinline void mdr_fault_zap_anew(struct vm_fault *vmf)
{
	mdr_fault_zap(mdr_device_of(vmf->vma));
}

static noinline vm_fault_t mdr_fault_enter_anew(struct vm_fault *vmf,
						unsigned int order)
{
	struct mdr_device *device = mdr_device_of(vmf->vma);

	return mdr_device_fault(device, device->core_vm_ops, vmf, order);
}

static noinline vm_fault_t mdr_fault_again_anew(struct vm_fault *vmf)
{
	return mdr_fault_again(mdr_device_of(vmf->vma), vmf);
}

static __always_inline vm_fault_t mdr_fault_any(struct vm_fault *vmf,
						unsigned int order, bool huge)
{
	struct mdr_device *device = mdr_device_of(vmf->vma);
	struct mdr_gate_cpu *inside;
	vm_fault_t ret;

	if (mdr_fault_lacks_room(device))
		mdr_fault_zap_anew(vmf);
	if (!mdr_gate_try_enter(device->gate_cpus, MDR_ENTRY_ACCESS, &inside))
		return mdr_fault_enter_anew(vmf, order);

	ret = mdr_fault_inside(device->core_vm_ops, vmf, order, huge);
	if (unlikely(mdr_gate_closed(device->gate)) &&
	    mdr_fault_undo_late(vmf, order, ret)) {
		mdr_gate_leave(inside, MDR_ENTRY_ACCESS);
		return mdr_fault_again_anew(vmf);
	}
	mdr_gate_leave(inside, MDR_ENTRY_ACCESS);
	/* one that has failed may count; a huge one often falls back to another */
	mdr_fault_count(device, huge ? ret : VM_FAULT_NOPAGE);
	return mdr_fault_done(vmf, ret);
}

static vm_fault_t mdr_fault(struct vm_fault *vmf)
{
	return mdr_fault_any(vmf, 0, false);
}

/* Count a mapping that is being made; -ENOMEM if there are too many. */
int mdr_device_add_vma(struct mdr_device *device)
{
	if (atomic_inc_return(&device->vmas) <= MDR_MAX_VMAS)
		return 0;
	atomic_dec(&device->vmas);
	pci_notice_ratelimited(device->core->pdev,
			       "%s: mmap refused: the device already has %u mappings\n",
			       device->uuid, MDR_MAX_VMAS);
	return -ENOMEM;
}

/* Only fork() links a copy into its mm before calling ->open(). */
static bool mdr_vma_is_forked(struct vm_area_struct *vma)
{
	return vma->vm_mm != current->mm &&
	       vma_lookup(vma->vm_mm, vma->vm_start) == vma;
}

/*
 * A copied mapping starts out empty. fork() can copy the entry of a huge page
 * while a zap removes the original, and the zap misses the copy: a kernel bug,
 * see Documentation/upstream/fork-huge-pfnmap.md. With VM_WIPEONFORK, fork()
 * copies no entry. Set on every copy and not in mmap(), because
 * madvise(MADV_KEEPONFORK) can clear it.
 *
 * A fork() cannot be refused. If it makes too many mappings, neither the copy nor the
 * original is copied again: so there are at most twice as many. Its task holds the mmap_lock
 * of both for writing. VM_IO, because madvise(MADV_DOFORK) could clear the other flag.
 */
void mdr_device_copy_vma(struct mdr_device *device, struct vm_area_struct *vma)
{
	struct vm_area_struct *original;

	vm_flags_set(vma, VM_WIPEONFORK);
	if (atomic_inc_return(&device->vmas) <= MDR_MAX_VMAS ||
	    !mdr_vma_is_forked(vma))
		return;
	vm_flags_set(vma, VM_DONTCOPY | VM_IO);
	original = vma_lookup(current->mm, vma->vm_start);
	if (!WARN_ON_ONCE(!original))
		vm_flags_set(original, VM_DONTCOPY | VM_IO);
}

/* May mprotect() or munmap() make two mappings of one? */
int mdr_device_may_split_vma(struct mdr_device *device)
{
	return atomic_read(&device->vmas) < MDR_MAX_VMAS ? 0 : -ENOMEM;
}

static void mdr_vm_open(struct vm_area_struct *vma)
{
	mdr_device_copy_vma(mdr_device_of(vma), vma);
}

static void mdr_vm_close(struct vm_area_struct *vma)
{
	atomic_dec(&mdr_device_of(vma)->vmas);
}

static int mdr_vm_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return mdr_device_may_split_vma(mdr_device_of(vma));
}

static const struct vm_operations_struct mdr_vm_ops = {
	.open = mdr_vm_open,
	.close = mdr_vm_close,
	.may_split = mdr_vm_may_split,
	.fault = mdr_fault,
};

static vm_fault_t mdr_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	return mdr_fault_any(vmf, order, true);
}

static const struct vm_operations_struct mdr_huge_vm_ops = {
	.open = mdr_vm_open,
	.close = mdr_vm_close,
	.may_split = mdr_vm_may_split,
	.fault = mdr_fault,
	.huge_fault = mdr_huge_fault,
};

/* .mmap; does not touch the device, so only the faults enter the gate. */
int mdr_device_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct mdr_device *device = to_mdr_device(vdev);
	const struct vm_operations_struct *core_vm_ops;
	int ret;

	mdr_users_note(&device->users);
	if (mdr_status_has(device, (loff_t)vma->vm_pgoff << PAGE_SHIFT))
		return mdr_status_mmap(device, vma);
	ret = vfio_pci_core_mmap(vdev, vma);
	if (ret)
		return ret;

	core_vm_ops = vma->vm_ops;
	/* an operation that is not wrapped here would be lost */
	if (WARN_ON_ONCE(core_vm_ops->open || core_vm_ops->close ||
			 core_vm_ops->may_split || core_vm_ops->map_pages ||
			 !core_vm_ops->fault))
		return -EOPNOTSUPP;
	ret = mdr_device_add_vma(device);
	if (ret)
		return ret;
	/* vfio-pci-core has one table: every mapping stores the same pointer */
	WRITE_ONCE(device->core_vm_ops, core_vm_ops);
	vma->vm_ops = core_vm_ops->huge_fault ? &mdr_huge_vm_ops : &mdr_vm_ops;
	return 0;
}

/* Remove all mappings. Waits for what the MMU notifiers of their owners wait for, see zap.c. */
void mdr_device_zap(struct mdr_device *device)
{
	/* first: what is inserted from here on may stay */
	atomic_long_set(&device->entries_left, READ_ONCE(device->max_entries));
	/* also the regions of a parent driver, whatever their offsets */
	unmap_mapping_range(device->core->vdev.inode->i_mapping, 0, 0, true);
}

/*
 * May a mapping show the substitute page? No longer once the answer was no with the gate about
 * to open.
 */
bool mdr_device_is_substituted(struct mdr_device *device)
{
	/* pairs with mdr_device_unsubstitute(): what is counted there is removed */
	long removed = smp_load_acquire(&device->substitutes_removed);

	return device->opened && atomic_long_read(&device->substitutes) != removed;
}

/* Remove the substitute page and what the user wrote to it. One task at a time. */
void mdr_device_unsubstitute(struct mdr_device *device)
{
	/* a fault that comes too late for the zap sees that the gate is about to open */
	long substitutes = atomic_long_read(&device->substitutes);

	smp_rmb(); /* pairs with mdr_fault_substitute() */
	mdr_device_zap(device);
	/* pairs with mdr_device_is_substituted() */
	smp_store_release(&device->substitutes_removed, substitutes);
	memset(page_address(device->ones), 0xff, PAGE_SIZE);
}
