// SPDX-License-Identifier: GPL-2.0-only
/*
 * read() and write() of a device: BARs and the ROM by bar.c, everything else by
 * vfio-pci-core, or the parent driver, in small pieces.
 *
 * vfio-pci-core copies from and to the user in the middle of a piece, with page
 * faults off. If a page is absent, the task leaves the gate, faults the page in,
 * and repeats the piece. Config space allows this: a read has no effect there, and
 * a written piece is copied before the device sees any of it.
 */
#include <linux/sched/signal.h>

#include "device.h"

/* The longest piece of a read; no access to the device crosses a multiple of it. */
#define MDR_PIECE 40

/* The longest access that the fast path makes as one piece. */
#define MDR_WORD 8

static bool mdr_is_config(loff_t pos)
{
	/* no region has an index beyond 8 bits: vfio-pci-core refuses it */
	return (u8)(pos >> VFIO_PCI_OFFSET_SHIFT) ==
	       VFIO_PCI_CONFIG_REGION_INDEX;
}

static bool mdr_is_bar(loff_t pos)
{
	return VFIO_PCI_OFFSET_TO_INDEX(pos) <= VFIO_PCI_BAR5_REGION_INDEX;
}

/*
 * The length of the first piece of an access. A write that reaches the device in
 * several parts must not be repeated after the first part, so a piece is one part.
 * A parent driver's region takes up to a page at once.
 */
static size_t mdr_piece(loff_t pos, size_t count, bool write)
{
	u32 at = pos;

	if (VFIO_PCI_OFFSET_TO_INDEX(pos) >= VFIO_PCI_NUM_REGIONS)
		return min_t(size_t, count, PAGE_SIZE - at % PAGE_SIZE);
	if (!write)
		return min_t(size_t, count, MDR_PIECE - at % MDR_PIECE);
	if (count >= 8 && !(at % 8) && mdr_is_bar(pos))
		return 8;
	if (count >= 4 && !(at % 4))
		return 4;
	return count >= 2 && !(at % 2) ? 2 : 1;
}

/* Make one piece, inside the gate. */
static ssize_t mdr_piece_inside(struct mdr_device *device, char __user *buf,
				size_t count, loff_t *ppos, bool write)
{
	u64 pos = *ppos & VFIO_PCI_OFFSET_MASK;
	bool config = mdr_is_config(*ppos);
	bool tracked = write && config;
	struct mdr_gate_entry entry;
	ssize_t ret;

	ret = mdr_device_enter(device, config ? MDR_ENTRY_CONFIG :
						MDR_ENTRY_ACCESS, &entry);
	if (ret)
		return ret;
	if (tracked)
		mutex_lock(&device->registers_lock);
	mdr_gate_faults_off();
	if (write)
		ret = mdr_parent_write(device, buf, count, ppos);
	else
		ret = mdr_parent_read(device, buf, count, ppos);
	mdr_gate_faults_on();
	if (tracked && ret > 0)
		mdr_user_registers_track(device, pos, ret);
	if (tracked)
		mutex_unlock(&device->registers_lock);
	mdr_gate_exit(&entry);
	return ret;
}

/* Repeat the piece after -EFAULT, unless the page cannot be faulted in. */
static ssize_t mdr_piece_run(struct mdr_device *device, char __user *buf,
			     size_t count, loff_t *ppos, bool write)
{
	unsigned int retries = 0;
	ssize_t ret;

	/* elsewhere a read may have an effect, so it should not be repeated */
	if (!mdr_is_config(*ppos))
		mdr_device_call_again(&retries, buf, count, !write);
	do {
		ret = mdr_piece_inside(device, buf, count, ppos, write);
	} while (unlikely(ret == -EFAULT) &&
		 mdr_device_call_again(&retries, buf, count, !write));
	return ret;
}

/*
 * The slow path: the access is long, it met an absent page, or the fast path could
 * not enter the gate.
 */
static noinline ssize_t mdr_access_slowly(struct mdr_device *device,
					  char __user *buf, size_t count,
					  loff_t *ppos, bool write)
{
	loff_t pos = *ppos;
	size_t done, piece;
	ssize_t ret;

	if (mdr_status_has(device, pos))
		return write ? -EINVAL :
			       mdr_status_read(device, buf, count, ppos);
	/* vfio-pci-core refuses all of it, so no piece must be made before */
	if (mdr_is_config(pos) && mdr_region_count(device, pos, count, write) < 0)
		return VFIO_PCI_OFFSET_TO_INDEX(pos) ==
		       VFIO_PCI_CONFIG_REGION_INDEX ? -EFAULT : -EINVAL;

	for (done = 0; done < count; done += ret) {
		piece = mdr_piece(pos, count - done, write);
		ret = mdr_piece_run(device, buf + done, piece, &pos, write);
		if (ret == -ETIMEDOUT) {
			piece = count - done;
			ret = mdr_dead_access(device, buf + done, piece, pos,
					      write);
			pos += max_t(ssize_t, ret, 0);
		}
		if (ret < 0)
			return ret;
		if (ret < piece) {
			done += ret;
			break;
		}
		/* a region of a parent driver may be large */
		if (fatal_signal_pending(current))
			return -ERESTARTSYS;
	}
	*ppos = pos;
	return done;
}

/* Whatever the fast path does not handle; it passes its arguments unchanged. */
static noinline ssize_t mdr_read_elsewhere(struct vfio_device *vdev,
					   char __user *buf, size_t count,
					   loff_t *ppos)
{
	struct mdr_device *device = to_mdr_plain_device(vdev);

	if (mdr_is_bar(*ppos))
		return mdr_bar_read(device, buf, count, ppos);
	if (VFIO_PCI_OFFSET_TO_INDEX(*ppos) == VFIO_PCI_ROM_REGION_INDEX &&
	    pci_resource_start(device->core->pdev, PCI_ROM_RESOURCE))
		return mdr_rom_read(device, buf, count, ppos);
	return mdr_access_slowly(device, buf, count, ppos, false);
}

/* A call of the fast path met an absent page. */
static noinline ssize_t mdr_call_slowly(struct mdr_gate_cpu *inside, bool write)
{
	struct mdr_gate_call call = inside->call;

	mdr_gate_leave(inside, MDR_ENTRY_CONFIG);
	return mdr_access_slowly(to_mdr_device(call.vdev), call.buf, call.count,
				 call.ppos, write);
}

static __always_inline void mdr_call_keep(struct mdr_gate_cpu *inside,
					  struct vfio_device *vdev,
					  const char __user *buf, size_t count,
					  loff_t *ppos)
{
	inside->call.vdev = vdev;
	inside->call.buf = (char __user *)buf;
	inside->call.count = count;
	inside->call.ppos = ppos;
}

/* .read; -EIO if the device does not answer and dead_access is fault. */
ssize_t mdr_device_read(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos)
{
	struct mdr_gate_cpu *inside;
	ssize_t ret;

	if (!mdr_is_config(*ppos) || unlikely(count > MDR_WORD))
		return mdr_read_elsewhere(vdev, buf, count, ppos);
	if (!mdr_gate_try_enter(to_mdr_plain_device(vdev)->gate_cpus,
				MDR_ENTRY_CONFIG, &inside))
		return mdr_read_elsewhere(vdev, buf, count, ppos);

	mdr_call_keep(inside, vdev, buf, count, ppos);
	mdr_gate_faults_off();
	ret = vfio_pci_core_read(vdev, buf, count, ppos);
	mdr_gate_faults_on();
	if (unlikely(ret == -EFAULT))
		return mdr_call_slowly(inside, false);
	mdr_gate_leave(inside, MDR_ENTRY_CONFIG);
	return ret;
}

static noinline ssize_t mdr_write_elsewhere(struct vfio_device *vdev,
					    const char __user *buf,
					    size_t count, loff_t *ppos)
{
	struct mdr_device *device = to_mdr_plain_device(vdev);

	if (mdr_is_bar(*ppos))
		return mdr_bar_write(device, buf, count, ppos);
	return mdr_access_slowly(device, (char __user *)buf, count, ppos, true);
}

/*
 * Do all bytes of a buffer lie in one word? Then they lie in one page, and the
 * first copy fails if that page is absent.
 */
static __always_inline bool mdr_is_word(const char __user *buf, size_t count)
{
	unsigned long first = (unsigned long)buf;

	return (first ^ (first + count - 1)) < MDR_WORD;
}

/* A short write to registers that a restore has to bring back. */
static noinline ssize_t mdr_write_tracked(struct vfio_device *vdev,
					  const char __user *buf, size_t count,
					  loff_t *ppos)
{
	struct mdr_device *device = to_mdr_plain_device(vdev);
	u64 pos = *ppos & VFIO_PCI_OFFSET_MASK;
	struct mdr_gate_cpu *inside;
	ssize_t ret = -EFAULT;
	bool noted;

	if (mdr_gate_try_enter(device->gate_cpus, MDR_ENTRY_CONFIG, &inside)) {
		mutex_lock(&device->registers_lock);
		mdr_gate_faults_off();
		ret = vfio_pci_core_write(vdev, buf, count, ppos);
		noted = ret == sizeof(__le16) && pos == PCI_COMMAND &&
			mdr_user_command_note(device, buf);
		mdr_gate_faults_on();
		if (ret > 0 && !noted)
			mdr_user_registers_track(device, pos, ret);
		mutex_unlock(&device->registers_lock);
		mdr_gate_leave(inside, MDR_ENTRY_CONFIG);
	}
	if (unlikely(ret == -EFAULT))
		return mdr_access_slowly(device, (char __user *)buf, count,
					 ppos, true);
	return ret;
}

/* .write; -EIO if the device does not answer and dead_access is fault. */
ssize_t mdr_device_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos)
{
	struct mdr_gate_cpu *inside;
	ssize_t ret;

	if (!mdr_is_config(*ppos) || unlikely(!mdr_is_word(buf, count)))
		return mdr_write_elsewhere(vdev, buf, count, ppos);
	/* not the read above: one byte of memory takes fewer instructions */
	if (mdr_user_registers_tracked(to_mdr_plain_device(vdev),
				       READ_ONCE(*ppos)))
		return mdr_write_tracked(vdev, buf, count, ppos);
	if (!mdr_gate_try_enter(to_mdr_plain_device(vdev)->gate_cpus,
				MDR_ENTRY_CONFIG, &inside))
		return mdr_write_elsewhere(vdev, buf, count, ppos);

	mdr_call_keep(inside, vdev, buf, count, ppos);
	mdr_gate_faults_off();
	ret = vfio_pci_core_write(vdev, buf, count, ppos);
	mdr_gate_faults_on();
	if (unlikely(ret == -EFAULT))
		return mdr_call_slowly(inside, true);
	mdr_gate_leave(inside, MDR_ENTRY_CONFIG);
	return ret;
}

/* For a parent driver with its own vfio driver. */
ssize_t mdr_vendor_read(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos)
{
	return mdr_access_slowly(to_mdr_device(vdev), buf, count, ppos, false);
}

ssize_t mdr_vendor_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos)
{
	return mdr_access_slowly(to_mdr_device(vdev), (char __user *)buf, count,
				 ppos, true);
}
