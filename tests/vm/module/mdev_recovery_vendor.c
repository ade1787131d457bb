// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_vendor: for tests only, never installed. A parent driver with a vfio
 * driver of its own, for igb: it has a region and a mapping of its own, migration
 * states, an ioctl, and a register (0x5800) that is lost in each reset and that only
 * its restore hook can write. The driver, "mdr-vendor", binds by driver_override.
 *
 * Its region, after those of vfio-pci-core, is a page of memory with a magic number in
 * its first word. In mmap() the file offset selects how: the first page of the region
 * as it should be, the others as it should not (enum vendor_page).
 *
 * Between the prepare hook and the restore hook nobody but the shim may call the
 * driver. It counts who does. Parameters:
 *
 *	trespasses	how many operations came between those two hooks
 *	restores	how many restore hooks have succeeded
 *	opens		how many open_device() have succeeded
 *	restore_error	what the restore hook returns (0: nothing wrong)
 *	restore_ms	how long it takes
 *	close_ms	how long close_device() takes
 *	unhealthy	how many times the healthy hook says no from now on; counts down
 *	migration	create devices with migration operations; "incomplete" ones if 2; no
 *			logging if 3
 *
 * vendor_fault.h has those of its faults.
 */
#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/iova_bitmap.h>
#include <linux/mdev_recovery.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vfio_pci_core.h>

#include "count_param.h"
#include "vendor_fault.h"

#define VENDOR_STATUS	0x0008
#define VENDOR_SCRATCH	0x5800
#define VENDOR_MAGIC	0x600dcafe
#define VENDOR_IOCTL	_IO(VFIO_TYPE, VFIO_BASE + 200)
#define VENDOR_ANSWER	42
#define VENDOR_IOCTL_CHANGE _IO(VFIO_TYPE, VFIO_BASE + 201)
#define VENDOR_TYPE	(VFIO_REGION_TYPE_PCI_VENDOR_TYPE | 0x1af4)
#define VENDOR_FLAGS	(VFIO_REGION_INFO_FLAG_READ | \
			 VFIO_REGION_INFO_FLAG_WRITE | \
			 VFIO_REGION_INFO_FLAG_MMAP)

#define VENDOR_CANARY	0x5a5aa5a5c3c33c3cull

static_assert(VENDOR_SCRATCH % 4 == 0);

/* Pages of the region, by what mmap() makes of them. */
enum vendor_page {
	VENDOR_PAGE_GOOD,	/* filled by faults */
	VENDOR_PAGE_FILLED,	/* the same, but filled already */
	VENDOR_PAGE_FIXED,	/* filled, and no faults */
	VENDOR_PAGE_STRUCT,	/* its faults give a struct page */
	VENDOR_PAGE_MIXED,	/* no VM_PFNMAP */
	VENDOR_PAGES,
};

/*
 * @dead: from prepare to restore; a device that is closed is never dead
 * @canary: at the end, where the shim's data begins
 */
struct vendor_device {
	struct vfio_pci_core_device core;
	void __iomem *bar;
	struct page *page;
	struct mutex state_mutex;
	enum vfio_device_mig_state state;
	u64 canary;
};

static atomic_t vendor_trespasses, vendor_restores, vendor_opens;
static atomic_t vendor_unhealthy, vendor_mappings;
static bool vendor_dead;
static int restore_error;
module_param(restore_error, int, 0644);
static unsigned int restore_ms;
module_param(restore_ms, uint, 0644);
static unsigned int close_ms;
module_param(close_ms, uint, 0644);
static unsigned int migration = 1;
module_param(migration, uint, 0644);

module_param_cb(trespasses, &count_param_ops, &vendor_trespasses, 0644);
module_param_cb(restores, &count_param_ops, &vendor_restores, 0644);
module_param_cb(opens, &count_param_ops, &vendor_opens, 0644);
module_param_cb(unhealthy, &count_param_ops, &vendor_unhealthy, 0644);
module_param_cb(mappings, &count_param_ops, &vendor_mappings, 0444);

static struct vendor_device *to_vendor(struct vfio_device *vdev)
{
	return container_of(vdev, struct vendor_device, core.vdev);
}

/* In each operation that the gate is to keep out. */
static void vendor_touch(struct vendor_device *vendor)
{
	if (READ_ONCE(vendor_dead))
		atomic_inc(&vendor_trespasses);
	WARN_ON(vendor->canary != VENDOR_CANARY);
}

/* Memory decoding may be off: nobody has the device open. */
static int vendor_write_scratch(struct pci_dev *pdev)
{
	void __iomem *bar = ioremap(pci_resource_start(pdev, 0),
				    VENDOR_SCRATCH + 4);
	u16 command;

	if (!bar)
		return -ENOMEM;
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	pci_write_config_word(pdev, PCI_COMMAND, command | PCI_COMMAND_MEMORY);
	iowrite32(VENDOR_MAGIC, bar + VENDOR_SCRATCH);
	ioread32(bar + VENDOR_SCRATCH);
	pci_write_config_word(pdev, PCI_COMMAND, command);
	iounmap(bar);
	return 0;
}

static void vendor_prepare(struct pci_dev *pdev)
{
	WRITE_ONCE(vendor_dead, true);
}

static int vendor_restore(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);
	u16 command;
	int ret;

	msleep(restore_ms);
	if (restore_error)
		return restore_error;
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	if (command & PCI_COMMAND_MASTER)
		return -EINVAL; /* it must be off */
	ret = vendor_write_scratch(pdev);
	if (ret)
		return ret;
	/* an open device is in this state after a reset */
	if (core)
		WRITE_ONCE(to_vendor(&core->vdev)->state,
			   VFIO_DEVICE_STATE_RUNNING);
	WRITE_ONCE(vendor_dead, false);
	atomic_inc(&vendor_restores);
	return 0;
}

static bool vendor_healthy(struct pci_dev *pdev)
{
	return atomic_dec_if_positive(&vendor_unhealthy) < 0;
}

/* The data of a migration comes out of the device, outside of any operation. */
static ssize_t vendor_data_read(struct file *file, char __user *buf,
				size_t count, loff_t *pos)
{
	struct vendor_device *vendor = file->private_data;
	struct mdr_parent_entry entry;
	u32 value;
	int ret;

	if (count < sizeof(value))
		return -EINVAL;
	ret = mdr_parent_enter(&vendor->core.vdev, &entry);
	if (ret)
		return ret;
	vendor_touch(vendor);
	value = ioread32(vendor->bar + VENDOR_STATUS);
	mdr_parent_exit(&entry);
	return copy_to_user(buf, &value, sizeof(value)) ? -EFAULT :
							  sizeof(value);
}

static int vendor_data_release(struct inode *inode, struct file *file)
{
	struct vendor_device *vendor = file->private_data;

	put_device(&vendor->core.vdev.device);
	return 0;
}

static const struct file_operations vendor_data_fops = {
	.owner		= THIS_MODULE,
	.read		= vendor_data_read,
	.release	= vendor_data_release,
};

static struct file *vendor_step(struct vendor_device *vendor,
				enum vfio_device_mig_state next)
{
	struct file *file = NULL;

	if (ioread32(vendor->bar + VENDOR_SCRATCH) != VENDOR_MAGIC)
		return ERR_PTR(-EIO);
	if (next == VFIO_DEVICE_STATE_STOP_COPY) {
		file = anon_inode_getfile("mdr-vendor", &vendor_data_fops,
					  vendor, O_RDONLY);
		if (!IS_ERR(file))
			get_device(&vendor->core.vdev.device);
	}
	if (!IS_ERR(file))
		vendor->state = next;
	return file;
}

static struct file *vendor_set_state(struct vfio_device *vdev,
				     enum vfio_device_mig_state state)
{
	struct vendor_device *vendor = to_vendor(vdev);
	enum vfio_device_mig_state next;
	struct file *file = NULL;
	int ret;

	vendor_touch(vendor);
	guard(mutex)(&vendor->state_mutex);
	while (!file && vendor->state != state) {
		ret = vfio_mig_get_next_state(vdev, vendor->state, state, &next);
		if (ret)
			return ERR_PTR(ret);
		file = vendor_step(vendor, next);
	}
	return file;
}

static int vendor_get_state(struct vfio_device *vdev,
			    enum vfio_device_mig_state *state)
{
	struct vendor_device *vendor = to_vendor(vdev);

	vendor_touch(vendor);
	*state = READ_ONCE(vendor->state);
	return 0;
}

static int vendor_get_data_size(struct vfio_device *vdev, unsigned long *length)
{
	vendor_touch(to_vendor(vdev));
	*length = sizeof(u32);
	return 0;
}

static const struct vfio_migration_ops vendor_migration_ops = {
	.migration_set_state		= vendor_set_state,
	.migration_get_state		= vendor_get_state,
	.migration_get_data_size	= vendor_get_data_size,
};

static const struct vfio_migration_ops vendor_incomplete_ops = {
	.migration_get_state		= vendor_get_state,
};

static int vendor_log_start(struct vfio_device *vdev,
			    struct rb_root_cached *ranges, u32 nnodes,
			    u64 *page_size)
{
	vendor_touch(to_vendor(vdev));
	return 0;
}

static int vendor_log_stop(struct vfio_device *vdev)
{
	vendor_touch(to_vendor(vdev));
	return 0;
}

/* Each page is dirty. Setting the bits may wait for the user, so it is done outside. */
static int vendor_log_read(struct vfio_device *vdev, unsigned long iova,
			   unsigned long length, struct iova_bitmap *dirty)
{
	struct vendor_device *vendor = to_vendor(vdev);
	struct mdr_parent_entry entry;
	int ret;

	ret = mdr_parent_enter(vdev, &entry);
	if (ret)
		return ret;
	vendor_touch(vendor);
	if (ioread32(vendor->bar + VENDOR_SCRATCH) != VENDOR_MAGIC)
		ret = -EIO;
	mdr_parent_exit(&entry);
	if (!ret)
		iova_bitmap_set(dirty, iova, length);
	return ret;
}

static const struct vfio_log_ops vendor_log_ops = {
	.log_start		= vendor_log_start,
	.log_stop		= vendor_log_stop,
	.log_read_and_clear	= vendor_log_read,
};

static ssize_t vendor_region_rw(struct vfio_pci_core_device *core,
				char __user *buf, size_t count, loff_t *ppos,
				bool write)
{
	struct vendor_device *vendor = to_vendor(&core->vdev);
	loff_t pos = *ppos & VFIO_PCI_OFFSET_MASK;
	void *at;

	vendor_touch(vendor);
	if (pos >= PAGE_SIZE)
		return -EINVAL;
	count = min_t(size_t, count, PAGE_SIZE - pos);
	at = page_address(vendor->page) + pos;
	if (write ? copy_from_user(at, buf, count) : copy_to_user(buf, at, count))
		return -EFAULT;
	*ppos += count;
	return count;
}

static void vendor_region_release(struct vfio_pci_core_device *core,
				  struct vfio_pci_region *region)
{
}

static const struct vfio_pci_regops vendor_regops = {
	.rw		= vendor_region_rw,
	.release	= vendor_region_release,
};

static vm_fault_t vendor_fault(struct vm_fault *vmf)
{
	struct vendor_device *vendor = vmf->vma->vm_private_data;
	vm_fault_t ret;

	vendor_touch(vendor);
	if (vendor_fault_ends(vmf, &ret))
		return ret;
	ret = vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(vendor->page));
	return vendor_fault_completes(vmf, ret);
}

static vm_fault_t vendor_fault_page(struct vm_fault *vmf)
{
	struct vendor_device *vendor = vmf->vma->vm_private_data;

	get_page(vendor->page);
	vmf->page = vendor->page;
	return 0;
}

static void vendor_vm_open(struct vm_area_struct *vma)
{
	atomic_inc(&vendor_mappings);
}

static void vendor_vm_close(struct vm_area_struct *vma)
{
	atomic_dec(&vendor_mappings);
}

static const struct vm_operations_struct vendor_vm_ops[VENDOR_PAGES] = {
	[VENDOR_PAGE_GOOD ... VENDOR_PAGE_FILLED] = {
		.open = vendor_vm_open,
		.close = vendor_vm_close,
		.fault = vendor_fault,
	},
	[VENDOR_PAGE_FIXED] = {
		.open = vendor_vm_open,
		.close = vendor_vm_close,
	},
	[VENDOR_PAGE_STRUCT ... VENDOR_PAGE_MIXED] = {
		.open = vendor_vm_open,
		.close = vendor_vm_close,
		.fault = vendor_fault_page,
	},
};

static int vendor_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct vendor_device *vendor = to_vendor(vdev);
	unsigned int shift = VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT;
	unsigned long page = vma->vm_pgoff & (BIT(shift) - 1);
	int ret = 0;

	if (vma->vm_pgoff >> shift != VFIO_PCI_NUM_REGIONS)
		return vfio_pci_core_mmap(vdev, vma);
	if (page >= VENDOR_PAGES || vma->vm_end - vma->vm_start != PAGE_SIZE)
		return -EINVAL;

	vma->vm_private_data = vendor;
	vma->vm_ops = &vendor_vm_ops[page];
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	if (page != VENDOR_PAGE_MIXED)
		vm_flags_set(vma, VM_IO | VM_PFNMAP);
	if (page == VENDOR_PAGE_FILLED || page == VENDOR_PAGE_FIXED)
		ret = remap_pfn_range(vma, vma->vm_start,
				      page_to_pfn(vendor->page), PAGE_SIZE,
				      vma->vm_page_prot);
	if (!ret)
		vendor_vm_open(vma);
	return ret;
}

/* Turns the bits of the word behind argsz over: reads from the user, and writes. */
static long vendor_change(u32 __user *user)
{
	u32 word;

	if (get_user(word, user + 1))
		return -EFAULT;
	return put_user(~word, user + 1);
}

static long vendor_ioctl(struct vfio_device *vdev, unsigned int cmd,
			 unsigned long arg)
{
	struct vendor_device *vendor = to_vendor(vdev);

	if (cmd != VFIO_DEVICE_RESET && cmd != VFIO_DEVICE_PCI_HOT_RESET &&
	    cmd != VFIO_DEVICE_GET_PCI_HOT_RESET_INFO)
		vendor_touch(vendor);
	if (cmd == VENDOR_IOCTL)
		return VENDOR_ANSWER;
	if (cmd == VENDOR_IOCTL_CHANGE)
		return vendor_change((void __user *)arg);
	return vfio_pci_core_ioctl(vdev, cmd, arg);
}

static ssize_t vendor_read(struct vfio_device *vdev, char __user *buf,
			   size_t count, loff_t *ppos)
{
	vendor_touch(to_vendor(vdev));
	return vfio_pci_core_read(vdev, buf, count, ppos);
}

static ssize_t vendor_write(struct vfio_device *vdev, const char __user *buf,
			    size_t count, loff_t *ppos)
{
	vendor_touch(to_vendor(vdev));
	return vfio_pci_core_write(vdev, buf, count, ppos);
}

#ifdef MDR_TEST_HAVE_get_region_info_caps
static int vendor_region_info(struct vfio_device *vdev,
			      struct vfio_region_info *info,
			      struct vfio_info_cap *caps)
{
	vendor_touch(to_vendor(vdev));
	return vfio_pci_ioctl_get_region_info(vdev, info, caps);
}
#endif

static int vendor_init(struct vfio_device *vdev)
{
	struct vendor_device *vendor = to_vendor(vdev);
	int ret;

	ret = vfio_pci_core_init_dev(vdev);
	if (ret)
		return ret;
	vendor->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!vendor->page) {
		vfio_pci_core_release_dev(vdev);
		return -ENOMEM;
	}
	*(u32 *)page_address(vendor->page) = VENDOR_MAGIC;
	mutex_init(&vendor->state_mutex);
	vendor->canary = VENDOR_CANARY;
	/* the shim's data begins with the operations that vfio core calls */
	WARN_ON((void *)vdev->ops < (void *)(vendor + 1));

	if (migration) {
		vdev->migration_flags = VFIO_MIGRATION_STOP_COPY;
		vdev->mig_ops = migration == 2 ? &vendor_incomplete_ops :
						 &vendor_migration_ops;
		vdev->log_ops = migration == 3 ? NULL : &vendor_log_ops;
	}
	return 0;
}

static void vendor_release(struct vfio_device *vdev)
{
	struct vendor_device *vendor = to_vendor(vdev);

	WARN_ON(vendor->canary != VENDOR_CANARY);
	mutex_destroy(&vendor->state_mutex);
	__free_page(vendor->page);
	vfio_pci_core_release_dev(vdev);
}

static int vendor_open(struct vfio_device *vdev)
{
	struct vendor_device *vendor = to_vendor(vdev);
	struct pci_dev *pdev = vendor->core.pdev;
	int ret;

	ret = vfio_pci_core_enable(&vendor->core);
	if (ret)
		return ret;
	ret = vfio_pci_core_register_dev_region(&vendor->core, VENDOR_TYPE, 1,
						&vendor_regops, PAGE_SIZE,
						VENDOR_FLAGS, NULL);
	if (ret)
		goto err_disable;
	vendor->bar = ioremap(pci_resource_start(pdev, 0), VENDOR_SCRATCH + 4);
	if (!vendor->bar) {
		ret = -ENOMEM;
		goto err_disable;
	}
	vendor->state = VFIO_DEVICE_STATE_RUNNING;
	vfio_pci_core_finish_enable(&vendor->core);
	atomic_inc(&vendor_opens);
	return 0;

err_disable:
	vfio_pci_core_disable(&vendor->core);
	return ret;
}

static void vendor_close(struct vfio_device *vdev)
{
	struct vendor_device *vendor = to_vendor(vdev);

	iounmap(vendor->bar);
	vendor->bar = NULL;
	msleep(close_ms);
	vfio_pci_core_close_device(vdev);
}

static const struct vfio_device_ops vendor_device_ops = {
	.name		= "mdr-vendor",
	.init		= vendor_init,
	.release	= vendor_release,
	.open_device	= vendor_open,
	.close_device	= vendor_close,
	.read		= vendor_read,
	.write		= vendor_write,
	.ioctl		= vendor_ioctl,
	.device_feature	= vfio_pci_core_ioctl_feature,
	.mmap		= vendor_mmap,
	.request	= vfio_pci_core_request,
	.match		= vfio_pci_core_match,
#ifdef MDR_TEST_HAVE_get_region_info_caps
	.get_region_info_caps = vendor_region_info,
	.match_token_uuid = vfio_pci_core_match_token_uuid,
#endif
	.bind_iommufd	= vfio_iommufd_physical_bind,
	.unbind_iommufd	= vfio_iommufd_physical_unbind,
	.attach_ioas	= vfio_iommufd_physical_attach_ioas,
	.detach_ioas	= vfio_iommufd_physical_detach_ioas,
};

static const struct mdr_parent_ops vendor_ops = {
	.prepare	= vendor_prepare,
	.restore	= vendor_restore,
	.healthy	= vendor_healthy,
	.device_ops	= &vendor_device_ops,
	.device_size	= MDR_DEVICE_SIZE(struct vendor_device, core),
};

static int vendor_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return mdr_register_function(pdev, &vendor_ops);
}

static void vendor_remove(struct pci_dev *pdev)
{
	mdr_unregister_function(pdev);
}

static const struct pci_device_id vendor_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID) },
	{}
};

static struct pci_driver vendor_driver = {
	.name			= "mdr-vendor",
	.id_table		= vendor_ids,
	.probe			= vendor_probe,
	.remove			= vendor_remove,
	.err_handler		= &mdr_pci_error_handlers,
	.driver_managed_dma	= true,
};
module_pci_driver(vendor_driver);

/* of iova_bitmap_set(); MODULE_IMPORT_NS() takes a string only since 6.13 */
MODULE_INFO(import_ns, "IOMMUFD");
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("A parent driver with a vfio driver of its own, for the tests of mdev_recovery");
