// SPDX-License-Identifier: GPL-2.0-only
/*
 * The address space of a device, for its DMA: a container with the device's IOMMU group,
 * or an iommufd (iommufd.c). It is the way to the device, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "private.h"

int mdr_open_dev(const struct mdr *mdr, const char *name)
{
	char path[PATH_MAX];
	int ret = mdr_path(mdr, path, "dev/%s", name), fd;

	if (ret)
		return ret;
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_group(const struct mdr *mdr, const char *uuid)
{
	char *number = mdr_read_link(mdr, MDR_MDEVS "/%s/iommu_group", uuid), name[64];

	if (!number)
		return -ENOENT;
	snprintf(name, sizeof(name), "vfio/%s", number);
	free(number);
	return mdr_open_dev(mdr, name);
}

/* Attaches the group to a new container. */
int mdr_space_open(const struct mdr *mdr, const char *uuid, struct mdr_space *space)
{
	int device;

	space->group = open_group(mdr, uuid);
	if (space->group < 0)
		return space->group;
	space->container = mdr_open_dev(mdr, "vfio/vfio");
	if (space->container < 0)
		return space->container;
	if (ioctl(space->group, VFIO_GROUP_SET_CONTAINER, &space->container) ||
	    ioctl(space->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	device = ioctl(space->group, VFIO_GROUP_GET_DEVICE_FD, uuid);
	return device < 0 ? -errno : device;
}

int mdr_space_map(const struct mdr_space *space, void *memory, size_t size, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = size,
	};

	if (space->container < 0)
		return mdr_iommufd_map(space, memory, size, iova);
	return ioctl(space->container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

int mdr_space_unmap(const struct mdr_space *space, uint64_t iova, size_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = size,
	};

	if (space->container < 0)
		return mdr_iommufd_unmap(space, iova, size);
	if (ioctl(space->container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		return -errno;
	return unmap.size ? 0 : -ENOENT;
}

void mdr_space_close(struct mdr_space *space)
{
	const int fds[] = { space->group, space->container, space->iommufd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
