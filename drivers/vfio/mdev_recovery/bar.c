// SPDX-License-Identifier: GPL-2.0-only
/*
 * BARs and the ROM by read() and write().
 *
 * vfio-pci-core copies from or to user memory between any two accesses to the
 * device, and the user decides how long such a copy takes. Here the bytes go through
 * a buffer of our own. The task is inside the gate only for the accesses, and leaves
 * after at most one more access once another task wants to close the gate.
 *
 * Each access is made by vfio-pci-core. A long one is cut into the same accesses as
 * in vfio-pci-core, with the same ranges left out: drivers depend on that.
 */
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/log2.h>
#include <linux/pm_runtime.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "device.h"

/* Bytes between two copies from or to the user. */
#define MDR_BAR_CHUNK 256
#define MDR_ROM_CHUNK PAGE_SIZE

/* The widest access to a device, in bytes. */
#define MDR_WIDEST 8

/**
 * struct mdr_bar - a BAR, or the ROM
 * @io: its mapping
 * @end: its size
 * @hole: start of a range that is not the user's: writes are dropped there, and
 *	reads give all-ones
 * @hole_end: end of that range; 0 if there is none
 * @widest: the widest access, in bytes
 * @mem: memory, not I/O ports
 */
struct mdr_bar {
	void __iomem *io;
	u64 end;
	u64 hole;
	u64 hole_end;
	unsigned int widest;
	bool mem;
};

static __always_inline int mdr_unit_read(struct vfio_pci_core_device *core,
					 const struct mdr_bar *bar, u64 off,
					 void *to, unsigned int width)
{
	void __iomem *io = bar->io + off;
	u64 quad;
	u32 dword;
	u16 word;
	int ret;

	switch (width) {
	case 8:
		ret = vfio_pci_core_ioread64(core, bar->mem, &quad, io);
		memcpy(to, &quad, sizeof(quad));
		return ret;
	case 4:
		ret = vfio_pci_core_ioread32(core, bar->mem, &dword, io);
		memcpy(to, &dword, sizeof(dword));
		return ret;
	case 2:
		ret = vfio_pci_core_ioread16(core, bar->mem, &word, io);
		memcpy(to, &word, sizeof(word));
		return ret;
	default:
		return vfio_pci_core_ioread8(core, bar->mem, to, io);
	}
}

static __always_inline int mdr_unit_write(struct vfio_pci_core_device *core,
					  const struct mdr_bar *bar, u64 off,
					  const void *from, unsigned int width)
{
	void __iomem *io = bar->io + off;
	u64 quad;
	u32 dword;
	u16 word;

	switch (width) {
	case 8:
		memcpy(&quad, from, sizeof(quad));
		return vfio_pci_core_iowrite64(core, bar->mem, quad, io);
	case 4:
		memcpy(&dword, from, sizeof(dword));
		return vfio_pci_core_iowrite32(core, bar->mem, dword, io);
	case 2:
		memcpy(&word, from, sizeof(word));
		return vfio_pci_core_iowrite16(core, bar->mem, word, io);
	default:
		return vfio_pci_core_iowrite8(core, bar->mem, *(const u8 *)from,
					      io);
	}
}

static int mdr_power_get(struct vfio_pci_core_device *core)
{
	int ret = pm_runtime_resume_and_get(&core->pdev->dev);

	if (likely(!ret))
		return 0;
	pci_info_ratelimited(core->pdev, "cannot resume the function: %d\n", ret);
	return -EIO;
}

static void mdr_power_put(struct vfio_pci_core_device *core)
{
	pm_runtime_put(&core->pdev->dev);
}

/* Inside the gate: one access of @width bytes at @off, aligned. */
static __always_inline int mdr_unit(struct mdr_device *device,
				    const struct mdr_bar *bar, u64 off,
				    void *data, unsigned int width, bool write)
{
	struct vfio_pci_core_device *core = device->core;
	int ret;

	ret = mdr_power_get(core);
	if (unlikely(ret))
		return ret;
	if (write)
		ret = mdr_unit_write(core, bar, off, data, width);
	else
		ret = mdr_unit_read(core, bar, off, data, width);
	mdr_power_put(core);
	return ret;
}

/* The widest access of at most @count bytes at @off. */
static unsigned int mdr_unit_width(const struct mdr_bar *bar, u64 off,
				   size_t count)
{
	unsigned int width;

	for (width = bar->widest; width > count || off % width; width /= 2)
		;
	return width;
}

/*
 * Accesses of @width bytes until fewer are left, or the gate is wanted; one at
 * least. Returns how many bytes, or an error.
 */
static __always_inline ssize_t mdr_run(struct mdr_device *device,
				       const struct mdr_bar *bar, u64 off,
				       u8 *data, size_t count, size_t width,
				       bool write)
{
	size_t done = 0;
	int ret;

	do {
		if (write)
			ret = mdr_unit_write(device->core, bar, off + done,
					     data + done, width);
		else
			ret = mdr_unit_read(device->core, bar, off + done,
					    data + done, width);
		if (unlikely(ret))
			return ret;
		done += width;
	} while (count - done >= width && !mdr_gate_is_wanted(device->gate));
	return done;
}

/*
 * Inside the gate, in D0: up to @count bytes at @off. Stops as soon as the gate is
 * wanted, after one access at the earliest. Returns how many bytes, or an error.
 */
static ssize_t mdr_units(struct mdr_device *device, const struct mdr_bar *bar,
			 u64 off, u8 *data, size_t count, bool write)
{
	size_t done, left, width;
	ssize_t ret;
	u64 at;

	for (done = 0; done < count; done += ret) {
		if (done && mdr_gate_is_wanted(device->gate))
			break;
		left = count - done;
		at = off + done;
		if (at >= bar->hole && at < bar->hole_end) {
			ret = min_t(u64, left, bar->hole_end - at);
			if (!write)
				memset(data + done, 0xff, ret);
			continue;
		}
		if (at < bar->hole)
			left = min_t(u64, left, bar->hole - at);
		width = mdr_unit_width(bar, at, left);
		if (width == 8) /* the usual case, and a constant */
			ret = mdr_run(device, bar, at, data + done, left, 8,
				      write);
		else
			ret = mdr_run(device, bar, at, data + done,
				      width == bar->widest ? left : width,
				      width, write);
		if (ret < 0)
			return ret;
	}
	return done;
}

/* Enter the gate for mdr_units(). -ETIMEDOUT if the device does not answer. */
static ssize_t mdr_bar_chunk(struct mdr_device *device,
			     const struct mdr_bar *bar, u64 off, u8 *data,
			     size_t count, bool write)
{
	struct mdr_gate_entry entry;
	ssize_t ret;

	ret = mdr_device_enter(device, MDR_ENTRY_ACCESS, &entry);
	if (ret)
		return ret;
	ret = mdr_power_get(device->core);
	if (!ret) {
		ret = mdr_units(device, bar, off, data, count, write);
		mdr_power_put(device->core);
	}
	mdr_gate_exit(&entry);
	return ret;
}

/* Likewise for the ROM, which has to be enabled: only inside the gate. */
static ssize_t mdr_rom_chunk(struct mdr_device *device, struct mdr_bar *rom,
			     u64 off, u8 *data, size_t count)
{
	struct pci_dev *pdev = device->core->pdev;
	struct mdr_gate_entry entry;
	size_t image;
	ssize_t ret;

	ret = mdr_device_enter(device, MDR_ENTRY_ACCESS, &entry);
	if (ret)
		return ret;
	ret = mdr_power_get(device->core);
	if (ret)
		goto out_exit;
	rom->io = pci_map_rom(pdev, &image);
	if (rom->io) {
		/* the image may be shorter than its BAR */
		rom->hole = image;
		ret = mdr_units(device, rom, off, data, count, false);
		pci_unmap_rom(pdev, rom->io);
	} else {
		ret = -ENOMEM;
	}
	mdr_power_put(device->core);
out_exit:
	mdr_gate_exit(&entry);
	return ret;
}

/* How many of @count bytes at @off are in accesses that are complete. */
static size_t mdr_bar_whole(u64 off, size_t count)
{
	return count - min_t(u64, count, (off + count) % MDR_WIDEST);
}

/*
 * A long access, or one that the fast path does not know. Chunks end where the
 * widest access of the device ends, so that none is cut in two.
 */
static ssize_t mdr_bar_loop(struct mdr_device *device, struct mdr_bar *bar,
			    u8 *data, size_t room, char __user *buf,
			    size_t count, loff_t *ppos, bool write)
{
	bool is_rom = VFIO_PCI_OFFSET_TO_INDEX(*ppos) ==
		      VFIO_PCI_ROM_REGION_INDEX;
	u64 off = *ppos & VFIO_PCI_OFFSET_MASK;
	size_t done = 0, chunk;
	ssize_t ret;

	while (done < count) {
		chunk = min(count - done, room - (off + done) % MDR_WIDEST);
		if (write) {
			/* as much as there is, like vfio-pci-core */
			size_t missing = copy_from_user(data, buf + done, chunk);

			if (missing)
				chunk = mdr_bar_whole(off + done,
						      chunk - missing);
			if (!chunk)
				return -EFAULT;
		}
		if (is_rom)
			ret = mdr_rom_chunk(device, bar, off + done, data,
					    chunk);
		else
			ret = mdr_bar_chunk(device, bar, off + done, data,
					    chunk, write);
		if (ret == -ETIMEDOUT) {
			ret = mdr_dead_access(device, buf + done, count - done,
					      *ppos + done, write);
			chunk = 0;
		}
		if (ret < 0)
			return ret;
		if (!write && chunk && copy_to_user(buf + done, data, ret))
			return -EFAULT;
		done += ret;
		/* a BAR may be large, and each access takes a microsecond */
		if (fatal_signal_pending(current))
			return -ERESTARTSYS;
	}
	*ppos += done;
	return done;
}

static noinline ssize_t mdr_bar_slowly(struct mdr_device *device,
				       struct mdr_bar *bar, char __user *buf,
				       size_t count, loff_t *ppos, bool write)
{
	u64 off = *ppos & VFIO_PCI_OFFSET_MASK;
	u8 data[MDR_BAR_CHUNK];

	return mdr_bar_loop(device, bar, data, sizeof(data), buf,
			    min_t(u64, count, bar->end - off), ppos, write);
}

/* The BAR of an access that begins at @ppos. */
static __always_inline int mdr_bar_find(struct mdr_device *device, loff_t ppos,
					struct mdr_bar *bar)
{
	struct vfio_pci_core_device *core = device->core;
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(ppos);
	struct resource *resource = &core->pdev->resource[index];

	if (unlikely(!resource->start))
		return -EINVAL;
	bar->end = resource_size(resource);
	if (unlikely((ppos & VFIO_PCI_OFFSET_MASK) >= bar->end))
		return -EINVAL;
	bar->io = vfio_pci_core_get_iomap(core, index);
	if (IS_ERR(bar->io))
		return PTR_ERR(bar->io);
	bar->mem = resource->flags & IORESOURCE_MEM;
	bar->widest = MDR_WIDEST;
	bar->hole = 0;
	bar->hole_end = 0;
	if (index == core->msix_bar) {
		bar->hole = core->msix_offset;
		bar->hole_end = core->msix_offset + core->msix_size;
	}
	return 0;
}

/* One access of the device, within the BAR and not in its hole? */
static __always_inline bool mdr_bar_is_unit(const struct mdr_bar *bar, u64 off,
					    size_t count)
{
	return count <= MDR_WIDEST && is_power_of_2(count) &&
	       !(off & (count - 1)) && off + count <= bar->end &&
	       (off + count <= bar->hole || off >= bar->hole_end);
}

/* read() of a BAR; returns as mdr_device_read(). */
ssize_t mdr_bar_read(struct mdr_device *device, char __user *buf, size_t count,
		     loff_t *ppos)
{
	u64 off = *ppos & VFIO_PCI_OFFSET_MASK;
	struct mdr_gate_cpu *inside;
	struct mdr_bar bar;
	u64 value;
	int ret;

	ret = mdr_bar_find(device, *ppos, &bar);
	if (ret)
		return ret;
	if (!mdr_bar_is_unit(&bar, off, count))
		return mdr_bar_slowly(device, &bar, buf, count, ppos, false);
	if (!mdr_gate_try_enter(device->gate_cpus, MDR_ENTRY_ACCESS, &inside))
		return mdr_bar_slowly(device, &bar, buf, count, ppos, false);

	ret = mdr_unit(device, &bar, off, &value, count, false);
	mdr_gate_leave(inside, MDR_ENTRY_ACCESS);
	if (ret)
		return ret;
	if (copy_to_user(buf, &value, count))
		return -EFAULT;
	*ppos += count;
	return count;
}

/* write() of a BAR; returns as mdr_device_write(). */
ssize_t mdr_bar_write(struct mdr_device *device, const char __user *buf,
		      size_t count, loff_t *ppos)
{
	u64 off = *ppos & VFIO_PCI_OFFSET_MASK;
	struct mdr_gate_cpu *inside;
	struct mdr_bar bar;
	u64 value;
	int ret;

	ret = mdr_bar_find(device, *ppos, &bar);
	if (ret)
		return ret;
	if (mdr_bar_is_unit(&bar, off, count)) {
		if (copy_from_user(&value, buf, count))
			return -EFAULT;
		if (mdr_gate_try_enter(device->gate_cpus, MDR_ENTRY_ACCESS,
				       &inside)) {
			ret = mdr_unit(device, &bar, off, &value, count, true);
			mdr_gate_leave(inside, MDR_ENTRY_ACCESS);
			if (ret)
				return ret;
			*ppos += count;
			return count;
		}
	}
	return mdr_bar_slowly(device, &bar, (char __user *)buf, count, ppos,
			      true);
}

/* read() of the ROM that lies behind a BAR; returns as mdr_device_read(). */
ssize_t mdr_rom_read(struct mdr_device *device, char __user *buf, size_t count,
		     loff_t *ppos)
{
	struct resource *resource =
		&device->core->pdev->resource[PCI_ROM_RESOURCE];
	u64 off = *ppos & VFIO_PCI_OFFSET_MASK;
	struct mdr_bar rom = {
		.mem = resource->flags & IORESOURCE_MEM,
		/* some devices do not take a wider one, and report an error */
		.widest = 4,
		.end = resource_size(resource),
		.hole_end = resource_size(resource),
	};
	ssize_t ret;
	u8 *data;

	if (off >= rom.end)
		return -EINVAL;
	count = min_t(u64, count, rom.end - off);
	data = kmalloc(min_t(size_t, count, MDR_ROM_CHUNK),
		       GFP_KERNEL);
	if (!data)
		return -ENOMEM;
	ret = mdr_bar_loop(device, &rom, data, MDR_ROM_CHUNK, buf, count, ppos,
			   false);
	kfree(data);
	return ret;
}
