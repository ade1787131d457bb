// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that its user has opened: status, changes, and the answer to an error.
 */
#include <errno.h>
#include <linux/mdev_recovery.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "private.h"

struct mdr_device {
	int device, changes;
	struct mdr_space space;
	const struct mdr_status_page *page;
	size_t page_size;
};

static int feature(const struct mdr_device *device, uint32_t flags, void *data, size_t size)
{
	struct vfio_device_feature *request = calloc(1, sizeof(*request) + size);
	int ret;

	if (!request)
		return -ENOMEM;
	request->argsz = sizeof(*request) + size;
	request->flags = flags;
	memcpy(request->data, data, size);
	ret = ioctl(device->device, VFIO_DEVICE_FEATURE, request) < 0 ? -errno : 0;
	if (!ret && flags & VFIO_DEVICE_FEATURE_GET)
		memcpy(data, request->data, size);
	free(request);
	return ret;
}

static bool is_status_page(const struct vfio_region_info *info)
{
	const struct vfio_region_info_cap_type *type;
	const struct vfio_info_cap_header *cap;

	if (!(info->flags & VFIO_REGION_INFO_FLAG_CAPS))
		return false;
	for (uint32_t at = info->cap_offset; at; at = cap->next) {
		cap = (const void *)((const char *)info + at);
		type = (const void *)cap;
		if (cap->id == VFIO_REGION_INFO_CAP_TYPE && type->type == MDR_REGION_TYPE &&
		    type->subtype == MDR_REGION_SUBTYPE_STATUS)
			return true;
	}
	return false;
}

static int map_page(struct mdr_device *device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	union {
		struct vfio_region_info info;
		char room[256];
	} region;
	void *page;

	if (ioctl(device->device, VFIO_DEVICE_GET_INFO, &info) < 0)
		return -errno;
	for (uint32_t i = VFIO_PCI_NUM_REGIONS; i < info.num_regions; i++) {
		region.info = (struct vfio_region_info) { .argsz = sizeof(region), .index = i };
		if (ioctl(device->device, VFIO_DEVICE_GET_REGION_INFO, &region.info) < 0)
			return -errno;
		if (!is_status_page(&region.info))
			continue;
		page = mmap(NULL, region.info.size, PROT_READ, MAP_SHARED, device->device,
			    region.info.offset);
		if (page == MAP_FAILED)
			return -errno;
		device->page = page;
		device->page_size = region.info.size;
		return 0;
	}
	return -ENOENT;
}

static int listen_for_changes(struct mdr_device *device)
{
	struct mdr_device_feature_eventfd request = {};

	device->changes = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (device->changes < 0)
		return -errno;
	request.fd = device->changes;
	return feature(device, VFIO_DEVICE_FEATURE_SET | MDR_DEVICE_FEATURE_EVENTFD, &request,
		       sizeof(request));
}

/* A way to a device: returns its descriptor. */
typedef int (*way_t)(const struct mdr *mdr, const char *uuid, struct mdr_space *space);

static int open_by(way_t way, const struct mdr *mdr, const char *uuid, struct mdr_device **result)
{
	struct mdr_device *device;
	int ret;

	if (!mdr_uuid_valid(uuid))
		return -EINVAL;
	device = malloc(sizeof(*device));
	if (!device)
		return -ENOMEM;
	*device = (struct mdr_device) { -1, -1, { -1, -1, -1, 0 }, NULL, 0 };
	device->device = way(mdr, uuid, &device->space);
	ret = device->device < 0 ? device->device : map_page(device);
	if (!ret)
		ret = listen_for_changes(device);
	if (ret)
		mdr_device_close(device);
	else
		*result = device;
	return ret;
}

int mdr_device_open(struct mdr *mdr, const char *uuid, struct mdr_device **device)
{
	return open_by(mdr_space_open, mdr, uuid, device);
}

int mdr_device_open_cdev(struct mdr *mdr, const char *uuid, struct mdr_device **device)
{
	return open_by(mdr_iommufd_open, mdr, uuid, device);
}

void mdr_device_close(struct mdr_device *device)
{
	if (device->page)
		munmap((void *)device->page, device->page_size);
	if (device->changes >= 0)
		close(device->changes);
	if (device->device >= 0)
		close(device->device);
	mdr_space_close(&device->space);
	free(device);
}

int mdr_device_fd(const struct mdr_device *device)
{
	return device->device;
}

int mdr_device_container(const struct mdr_device *device)
{
	return device->space.container;
}

int mdr_device_iommufd(const struct mdr_device *device, uint32_t *ioas)
{
	if (ioas)
		*ioas = device->space.ioas;
	return device->space.iommufd;
}

int mdr_device_map(const struct mdr_device *device, void *memory, size_t size, uint64_t iova)
{
	return mdr_space_map(&device->space, memory, size, iova);
}

int mdr_device_unmap(const struct mdr_device *device, uint64_t iova, size_t size)
{
	return mdr_space_unmap(&device->space, iova, size);
}

int mdr_device_changes(const struct mdr_device *device)
{
	return device->changes;
}

bool mdr_device_alive(const struct mdr_device *device, uint64_t event)
{
	return __atomic_load_n(&device->page->alive, __ATOMIC_ACQUIRE) == event;
}

int mdr_device_status(const struct mdr_device *device, struct mdr_status *status)
{
	return feature(device, VFIO_DEVICE_FEATURE_GET | MDR_DEVICE_FEATURE_STATUS, status,
		       sizeof(*status));
}

int mdr_device_wait(const struct mdr_device *device, int timeout_ms, struct mdr_status *status)
{
	struct pollfd poll_fd = { .fd = device->changes, .events = POLLIN };
	uint64_t count;
	int ret;

	for (;;) {
		/* before reading the status, so that any later change wakes the poll */
		while (read(device->changes, &count, sizeof(count)) > 0)
			;
		ret = mdr_device_status(device, status);
		if (ret || status->next != MDR_NEXT_WAIT)
			return ret;
		ret = poll(&poll_fd, 1, timeout_ms);
		if (ret <= 0)
			return ret ? -errno : -ETIMEDOUT;
	}
}

int mdr_device_acknowledge(const struct mdr_device *device, uint64_t event)
{
	struct mdr_device_feature_acknowledge request = { .event = event };

	return feature(device, VFIO_DEVICE_FEATURE_SET | MDR_DEVICE_FEATURE_ACKNOWLEDGE, &request,
		       sizeof(request));
}
