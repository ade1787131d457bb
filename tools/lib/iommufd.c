// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's address space in an iommufd. The way to the device is its character device
 * then, which kernels with CONFIG_VFIO_DEVICE_CDEV have.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "private.h"

/* the kernel's headers have it since 6.6 */
#ifdef VFIO_DEVICE_BIND_IOMMUFD

#include <linux/iommufd.h>

static int open_cdev(const struct mdr *mdr, const char *uuid)
{
	struct mdr_list names = {};
	char file[64] = "";
	int ret;

	ret = mdr_read_dir(mdr, &names, MDR_MDEVS "/%s/vfio-dev", uuid);
	if (!ret && !names.count)
		ret = -ENOENT;
	/* a kernel without character devices has the directory, but no device number */
	if (!ret && !mdr_exists(mdr, MDR_MDEVS "/%s/vfio-dev/%s/dev", uuid, names.items[0]))
		ret = -EOPNOTSUPP;
	if (!ret)
		snprintf(file, sizeof(file), "vfio/devices/%s", names.items[0]);
	mdr_list_free(&names);
	return ret ? ret : mdr_open_dev(mdr, file);
}

static int attach(int device, struct mdr_space *space)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_attach_iommufd_pt to = { .argsz = sizeof(to) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	bind.iommufd = space->iommufd;
	if (ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind) ||
	    ioctl(space->iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return -errno;
	space->ioas = alloc.out_ioas_id;
	to.pt_id = space->ioas;
	return ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &to) ? -errno : 0;
}

/* Binds the device to a new iommufd. */
int mdr_iommufd_open(const struct mdr *mdr, const char *uuid, struct mdr_space *space)
{
	int device = open_cdev(mdr, uuid), ret;

	if (device < 0)
		return device;
	space->iommufd = mdr_open_dev(mdr, "iommu");
	ret = space->iommufd < 0 ? space->iommufd : attach(device, space);
	if (!ret)
		return device;
	close(device);
	return ret;
}

int mdr_iommufd_map(const struct mdr_space *space, void *memory, size_t size, uint64_t iova)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = space->ioas,
		.user_va = (uintptr_t)memory,
		.length = size,
		.iova = iova,
	};

	return ioctl(space->iommufd, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}

int mdr_iommufd_unmap(const struct mdr_space *space, uint64_t iova, size_t size)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = space->ioas,
		.iova = iova,
		.length = size,
	};

	return ioctl(space->iommufd, IOMMU_IOAS_UNMAP, &unmap) ? -errno : 0;
}

#else

int mdr_iommufd_open(const struct mdr *mdr, const char *uuid, struct mdr_space *space)
{
	(void)space;
	return mdr_exists(mdr, MDR_MDEVS "/%s", uuid) ? -EOPNOTSUPP : -ENOENT;
}

int mdr_iommufd_map(const struct mdr_space *space, void *memory, size_t size, uint64_t iova)
{
	(void)space, (void)memory, (void)size, (void)iova;
	return -EOPNOTSUPP;
}

int mdr_iommufd_unmap(const struct mdr_space *space, uint64_t iova, size_t size)
{
	(void)space, (void)iova, (void)size;
	return -EOPNOTSUPP;
}

#endif
