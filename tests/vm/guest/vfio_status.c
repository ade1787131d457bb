// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio_status.h"

int vfio_feature(struct vfio_user *u, uint32_t flags, void *data, size_t size)
{
	struct vfio_device_feature *feature = calloc(1, sizeof(*feature) + size);
	int ret;

	feature->argsz = sizeof(*feature) + size;
	feature->flags = flags;
	if (size)
		memcpy(feature->data, data, size);
	ret = ioctl(u->device, VFIO_DEVICE_FEATURE, feature) < 0 ? -errno : 0;
	if (!ret && (flags & VFIO_DEVICE_FEATURE_GET) && size)
		memcpy(data, feature->data, size);
	free(feature);
	return ret;
}

int vfio_status(struct vfio_user *u, struct mdr_status *status)
{
	return vfio_feature(u, VFIO_DEVICE_FEATURE_GET | MDR_DEVICE_FEATURE_STATUS, status,
			    sizeof(*status));
}

int vfio_acknowledge(struct vfio_user *u, uint64_t event)
{
	struct mdr_device_feature_acknowledge request = { .event = event };

	return vfio_feature(u, VFIO_DEVICE_FEATURE_SET | MDR_DEVICE_FEATURE_ACKNOWLEDGE, &request,
			    sizeof(request));
}

int vfio_status_eventfd(struct vfio_user *u, int fd)
{
	struct mdr_device_feature_eventfd request = { .fd = fd };

	return vfio_feature(u, VFIO_DEVICE_FEATURE_SET | MDR_DEVICE_FEATURE_EVENTFD, &request,
			    sizeof(request));
}

/* Is this region of the type of the status page? */
static bool is_status(struct vfio_region_info *info)
{
	struct vfio_region_info_cap_type *type;
	struct vfio_info_cap_header *cap;

	for (uint32_t at = info->cap_offset; at; at = cap->next) {
		cap = (void *)((char *)info + at);
		type = (void *)cap;
		if (cap->id == VFIO_REGION_INFO_CAP_TYPE && type->type == MDR_REGION_TYPE &&
		    type->subtype == MDR_REGION_SUBTYPE_STATUS)
			return true;
	}
	return false;
}

int vfio_status_region(struct vfio_user *u, uint64_t *size, uint64_t *offset)
{
	union {
		struct vfio_region_info info;
		char room[256];
	} region;

	for (uint32_t i = VFIO_PCI_NUM_REGIONS; i < u->info.num_regions; i++) {
		region.info = (struct vfio_region_info) { .argsz = sizeof(region), .index = i };
		if (ioctl(u->device, VFIO_DEVICE_GET_REGION_INFO, &region.info) < 0)
			return -errno;
		if (!is_status(&region.info))
			continue;
		if (size)
			*size = region.info.size;
		if (offset)
			*offset = region.info.offset;
		return i;
	}
	return -ENOENT;
}

const struct mdr_status_page *vfio_status_map(struct vfio_user *u)
{
	uint64_t size, offset;
	void *page;
	int ret = vfio_status_region(u, &size, &offset);

	if (ret < 0) {
		errno = -ret;
		return NULL;
	}
	page = mmap(NULL, size, PROT_READ, MAP_SHARED, u->device, offset);
	return page == MAP_FAILED ? NULL : page;
}

struct mdr_status vfio_status_look(const struct mdr_status_page *page)
{
	struct mdr_status status;
	uint32_t before;

	do {
		before = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
		memcpy(&status, (const void *)&page->status, sizeof(status));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (before & 1 || before != __atomic_load_n(&page->sequence, __ATOMIC_RELAXED));
	return status;
}
