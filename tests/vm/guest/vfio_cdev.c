// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vfio_cdev.h"

/* "vfio3", from the directory that a VMM looks into. */
static int device_name(const char *name, char *device, size_t size)
{
	const char *bus = strchr(name, ':') ? "pci" : "mdev";
	int ret = -ENOENT;
	struct dirent *e;
	char path[128];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/vfio-dev", bus, name);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (ret && (e = readdir(dir))) {
		if (strncmp(e->d_name, "vfio", 4))
			continue;
		snprintf(device, size, "%.15s", e->d_name);
		ret = 0;
	}
	closedir(dir);
	return ret;
}

int vfio_cdev_open(const char *name)
{
	char device[16], path[64];
	int fd, ret;

	ret = device_name(name, device, sizeof(device));
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", device);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int space_init(struct vfio_space *s)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	memset(s, 0, sizeof(*s));
	s->next_iova = 0x10000000;
	s->container = -1;
	s->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (s->iommufd < 0)
		return -errno;
	if (ioctl(s->iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return -errno;
	s->ioas = alloc.out_ioas_id;
	return 0;
}

static int vfio_cdev_bind(int device, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind), .iommufd = iommufd,
	};

	return ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind) ? -errno : 0;
}

int vfio_cdev_attach(int device, uint32_t ioas)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach), .pt_id = ioas,
	};

	return ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno : 0;
}

int vfio_cdev_detach(int device)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	return ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach) ? -errno : 0;
}

static int open_device(struct vfio_user *u)
{
	int ret;

	u->device = vfio_cdev_open(u->name);
	if (u->device < 0)
		return u->device;
	ret = vfio_cdev_bind(u->device, u->space->iommufd);
	if (!ret)
		ret = vfio_cdev_attach(u->device, u->space->ioas);
	return ret ? ret : vfio_user_learn(u);
}

int vfio_cdev_user_open_in(struct vfio_user *u, const char *name, struct vfio_space *space)
{
	static const struct vfio_way cdev = { space_init, open_device };

	return vfio_user_open_by(u, name, space, &cdev);
}

int vfio_cdev_user_open(struct vfio_user *u, const char *name)
{
	return vfio_cdev_user_open_in(u, name, NULL);
}

int vfio_cdev_dma_map(struct vfio_space *s, const struct vfio_dma *dma)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = s->ioas,
		.user_va = (uintptr_t)dma->va,
		.length = dma->size,
		.iova = dma->iova,
	};

	return ioctl(s->iommufd, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}

int vfio_cdev_dma_unmap(struct vfio_space *s, const struct vfio_dma *dma)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = s->ioas,
		.iova = dma->iova, .length = dma->size,
	};

	return ioctl(s->iommufd, IOMMU_IOAS_UNMAP, &unmap) ? -errno : 0;
}
