// SPDX-License-Identifier: GPL-2.0-only
/*
 * uevents of groups, received from the kernel itself. They need no udevd, and are not
 * delayed by it.
 */
#include <errno.h>
#include <stdlib.h>

#include <libudev.h>

#include "private.h"

/* Bytes, enough for a hundred functions that recover at once. */
#define BUFFER (1024 * 1024)

struct mdr_change {
	struct udev_device *device;
};

struct mdr_monitor {
	struct udev *udev;
	struct udev_monitor *monitor;
	struct mdr_change change;
	bool lost;
};

int mdr_monitor_new(struct mdr *mdr, struct mdr_monitor **result)
{
	struct mdr_monitor *monitor = calloc(1, sizeof(*monitor));
	int ret = -ENOMEM;

	(void)mdr;
	if (!monitor)
		return ret;
	monitor->udev = udev_new();
	if (monitor->udev)
		monitor->monitor = udev_monitor_new_from_netlink(monitor->udev, "kernel");
	if (monitor->monitor) {
		udev_monitor_set_receive_buffer_size(monitor->monitor, BUFFER);
		ret = udev_monitor_filter_add_match_subsystem_devtype(monitor->monitor,
								      "mdev_recovery", NULL);
		if (ret >= 0)
			ret = udev_monitor_enable_receiving(monitor->monitor);
	} else if (errno) {
		ret = -errno;
	}
	if (ret < 0) {
		mdr_monitor_free(monitor);
		return ret;
	}
	*result = monitor;
	return 0;
}

void mdr_monitor_free(struct mdr_monitor *monitor)
{
	if (!monitor)
		return;
	if (monitor->change.device)
		udev_device_unref(monitor->change.device);
	if (monitor->monitor)
		udev_monitor_unref(monitor->monitor);
	if (monitor->udev)
		udev_unref(monitor->udev);
	free(monitor);
}

int mdr_monitor_fd(const struct mdr_monitor *monitor)
{
	return udev_monitor_get_fd(monitor->monitor);
}

const struct mdr_change *mdr_monitor_next(struct mdr_monitor *monitor)
{
	if (monitor->change.device)
		udev_device_unref(monitor->change.device);
	errno = 0;
	monitor->change.device = udev_monitor_receive_device(monitor->monitor);
	if (monitor->change.device)
		return &monitor->change;
	monitor->lost |= errno == ENOBUFS;
	return NULL;
}

bool mdr_monitor_lost(struct mdr_monitor *monitor)
{
	bool lost = monitor->lost;

	monitor->lost = false;
	return lost;
}

static const char *property(const struct mdr_change *change, const char *key)
{
	return udev_device_get_property_value(change->device, key);
}

const char *mdr_change_action(const struct mdr_change *change)
{
	return udev_device_get_action(change->device);
}

const char *mdr_change_group(const struct mdr_change *change)
{
	return udev_device_get_sysname(change->device);
}

const char *mdr_change_state(const struct mdr_change *change)
{
	return property(change, "MDR_STATE");
}

uint64_t mdr_change_event(const struct mdr_change *change)
{
	const char *event = property(change, "MDR_EVENT");

	return event ? strtoull(event, NULL, 10) : 0;
}

const char *mdr_change_cause(const struct mdr_change *change)
{
	return property(change, "MDR_CAUSE");
}

const char *mdr_change_function(const struct mdr_change *change)
{
	return property(change, "MDR_DEVICE");
}
