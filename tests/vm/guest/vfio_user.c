// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sysfs.h"
#include "vfio_cdev.h"
#include "vfio_user.h"

/* The IOMMU group number of a PCI function or mdev. */
static int vfio_group_number(const char *name)
{
	const char *bus = strchr(name, ':') ? "pci" : "mdev";
	char group[16];
	int ret;

	ret = sysfs_link(group, sizeof(group), "/sys/bus/%s/devices/%s/iommu_group",
			 bus, name);
	return ret < 0 ? ret : atoi(group);
}

static int space_open(struct vfio_space *s, const char *container)
{
	memset(s, 0, sizeof(*s));
	s->next_iova = 0x10000000;
	s->iommufd = -1;
	s->container = open(container, O_RDWR | O_CLOEXEC);
	return s->container < 0 ? -errno : 0;
}

static int space_init(struct vfio_space *s)
{
	return space_open(s, "/dev/vfio/vfio");
}

static int compat_space_init(struct vfio_space *s)
{
	return space_open(s, "/dev/iommu");
}

static void space_close(struct vfio_space *s)
{
	for (unsigned int i = 0; i < s->nr_groups; i++)
		close(s->groups[i].fd);
	s->nr_groups = 0;
	if (s->container >= 0)
		close(s->container);
	if (s->iommufd >= 0)
		close(s->iommufd);
}

/* Opens the group into the container. */
static int group_add(struct vfio_space *s, int number)
{
	char path[32];
	int fd, err;

	if (s->nr_groups == sizeof(s->groups) / sizeof(s->groups[0]))
		return -E2BIG;
	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &s->container) ||
	    (!s->nr_groups &&
	     ioctl(s->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))) {
		err = -errno;
		close(fd);
		return err;
	}
	s->groups[s->nr_groups].number = number;
	s->groups[s->nr_groups++].fd = fd;
	return fd;
}

static int group_fd(struct vfio_space *s, int number)
{
	for (unsigned int i = 0; i < s->nr_groups; i++)
		if (s->groups[i].number == number)
			return s->groups[i].fd;
	return group_add(s, number);
}

static int read_regions(struct vfio_user *u)
{
	for (unsigned int i = 0; i < VFIO_USER_REGIONS; i++) {
		struct vfio_region_info info = {
			.argsz = sizeof(info), .index = i,
		};

		/* a device without VGA has no VGA region, and few have one of their own */
		if (ioctl(u->device, VFIO_DEVICE_GET_REGION_INFO, &info)) {
			if (i >= VFIO_PCI_VGA_REGION_INDEX)
				continue;
			return -errno;
		}
		u->regions[i].size = info.size;
		u->regions[i].offset = info.offset;
		u->regions[i].flags = info.flags;
	}
	return 0;
}

int vfio_user_learn(struct vfio_user *u)
{
	u->info.argsz = sizeof(u->info);
	if (ioctl(u->device, VFIO_DEVICE_GET_INFO, &u->info))
		return -errno;
	return read_regions(u);
}

static int open_device(struct vfio_user *u)
{
	int number, group;

	number = vfio_group_number(u->name);
	if (number < 0)
		return number;
	group = group_fd(u->space, number);
	if (group < 0)
		return group;
	u->device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, u->name);
	return u->device < 0 ? -errno : vfio_user_learn(u);
}

int vfio_user_open_by(struct vfio_user *u, const char *name, struct vfio_space *space,
		      const struct vfio_way *way)
{
	int ret = 0;

	memset(u, 0, sizeof(*u));
	snprintf(u->name, sizeof(u->name), "%s", name);
	u->device = -1;
	u->space = space ?: &u->own;
	if (!space)
		ret = way->space_init(u->space);
	if (!ret)
		ret = way->open_device(u);
	if (ret)
		vfio_user_close(u);
	return ret;
}

int vfio_user_open_in(struct vfio_user *u, const char *name, struct vfio_space *space)
{
	static const struct vfio_way group = { space_init, open_device };

	return vfio_user_open_by(u, name, space, &group);
}

int vfio_user_open(struct vfio_user *u, const char *name)
{
	return vfio_user_open_in(u, name, NULL);
}

int vfio_user_open_compat(struct vfio_user *u, const char *name)
{
	static const struct vfio_way compat = { compat_space_init, open_device };

	return vfio_user_open_by(u, name, NULL, &compat);
}

void vfio_user_close(struct vfio_user *u)
{
	for (unsigned int i = 0; i < VFIO_USER_REGIONS; i++)
		vfio_user_unmap(u, i);
	if (u->device >= 0)
		close(u->device);
	u->device = -1;
	if (u->space == &u->own)
		space_close(u->space);
	u->space = NULL;
}

void *vfio_user_map(struct vfio_user *u, unsigned int region)
{
	void *map;

	if (u->regions[region].map)
		return u->regions[region].map;
	map = mmap(NULL, u->regions[region].size, PROT_READ | PROT_WRITE,
		   MAP_SHARED, u->device, u->regions[region].offset);
	if (map == MAP_FAILED)
		return NULL;
	u->regions[region].map = map;
	return map;
}

void vfio_user_unmap(struct vfio_user *u, unsigned int region)
{
	if (u->regions[region].map)
		munmap(u->regions[region].map, u->regions[region].size);
	u->regions[region].map = NULL;
}

ssize_t vfio_user_pread(struct vfio_user *u, unsigned int region, void *buf,
			size_t len, uint64_t off)
{
	ssize_t ret = pread(u->device, buf, len, u->regions[region].offset + off);

	return ret < 0 ? -errno : ret;
}

ssize_t vfio_user_pwrite(struct vfio_user *u, unsigned int region, const void *buf,
			 size_t len, uint64_t off)
{
	ssize_t ret = pwrite(u->device, buf, len, u->regions[region].offset + off);

	return ret < 0 ? -errno : ret;
}

uint32_t vfio_user_read(struct vfio_user *u, unsigned int region, uint64_t off,
			unsigned int width)
{
	uint32_t value = 0;

	if (vfio_user_pread(u, region, &value, width, off) != (ssize_t)width)
		return ~0u;
	return le32toh(value);
}

int vfio_user_write(struct vfio_user *u, unsigned int region, uint64_t off,
		    unsigned int width, uint32_t value)
{
	ssize_t ret;

	value = htole32(value);
	ret = vfio_user_pwrite(u, region, &value, width, off);
	if (ret < 0)
		return ret;
	return ret == (ssize_t)width ? 0 : -EIO;
}

int vfio_user_bus_master(struct vfio_user *u, bool on)
{
	uint16_t command = vfio_user_command(u);

	command = on ? command | 0x0004 : command & ~0x0004;
	return vfio_user_write(u, VFIO_CONFIG, 0x04, 2, command);
}

int vfio_user_reset(struct vfio_user *u)
{
	return ioctl(u->device, VFIO_DEVICE_RESET) ? -errno : 0;
}

static int space_map(struct vfio_space *s, const struct vfio_dma *dma)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)dma->va,
		.iova = dma->iova,
		.size = dma->size,
	};

	if (s->iommufd >= 0)
		return vfio_cdev_dma_map(s, dma);
	return ioctl(s->container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static int space_unmap(struct vfio_space *s, const struct vfio_dma *dma)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = dma->iova, .size = dma->size,
	};

	if (s->iommufd >= 0)
		return vfio_cdev_dma_unmap(s, dma);
	return ioctl(s->container, VFIO_IOMMU_UNMAP_DMA, &unmap) ? -errno : 0;
}

int vfio_user_dma_map(struct vfio_user *u, struct vfio_dma *dma, uint64_t size)
{
	void *va;
	int ret;

	va = mmap(NULL, size, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (va == MAP_FAILED)
		return -errno;
	*dma = (struct vfio_dma){ .va = va, .iova = u->space->next_iova, .size = size };
	ret = space_map(u->space, dma);
	if (ret) {
		munmap(va, size);
		return ret;
	}
	u->space->next_iova += size;
	return 0;
}

int vfio_user_dma_unmap(struct vfio_user *u, struct vfio_dma *dma)
{
	int ret = space_unmap(u->space, dma);

	munmap(dma->va, dma->size);
	return ret;
}
