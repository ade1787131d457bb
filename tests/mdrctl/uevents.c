// SPDX-License-Identifier: GPL-2.0-only
/*
 * uevents: what mdrctl uses of libudev, preloaded in its place. A line of the pipe $UEVENTS
 * is a uevent, "ACTION GROUP [STATE EVENT CAUSE FUNCTION]", or "lost": the kernel had more
 * than the socket takes. "-" is a value that is not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACTION, GROUP, STATE, EVENT, CAUSE, FUNCTION, WORDS };

static char words[WORDS][64];
static int pipe_fd = -1;

struct udev *udev_new(void)
{
	return (struct udev *)words;
}

struct udev *udev_unref(struct udev *udev)
{
	(void)udev;
	return NULL;
}

struct udev_monitor *udev_monitor_new_from_netlink(struct udev *udev, const char *name)
{
	(void)udev;
	(void)name;
	/* for writing too, so that it has no end */
	pipe_fd = open(getenv("UEVENTS"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return pipe_fd < 0 ? NULL : (struct udev_monitor *)words;
}

struct udev_monitor *udev_monitor_unref(struct udev_monitor *monitor)
{
	(void)monitor;
	return NULL;
}

int udev_monitor_set_receive_buffer_size(struct udev_monitor *monitor, int size)
{
	(void)monitor;
	(void)size;
	return 0;
}

int udev_monitor_filter_add_match_subsystem_devtype(struct udev_monitor *monitor,
						    const char *subsystem, const char *devtype)
{
	(void)monitor;
	(void)subsystem;
	(void)devtype;
	return 0;
}

int udev_monitor_enable_receiving(struct udev_monitor *monitor)
{
	(void)monitor;
	return 0;
}

int udev_monitor_get_fd(struct udev_monitor *monitor)
{
	(void)monitor;
	return pipe_fd;
}

struct udev_device *udev_monitor_receive_device(struct udev_monitor *monitor)
{
	char line[256];
	size_t len = 0, count = 0;

	(void)monitor;
	while (len < sizeof(line) - 1 && read(pipe_fd, line + len, 1) == 1 && line[len] != '\n')
		len++;
	line[len] = 0;
	if (!len) {
		errno = EAGAIN;
		return NULL;
	}
	if (!strcmp(line, "lost")) {
		errno = ENOBUFS;
		return NULL;
	}
	memset(words, 0, sizeof(words));
	for (char *rest, *one = strtok_r(line, " ", &rest); one && count < WORDS;
	     one = strtok_r(NULL, " ", &rest))
		snprintf(words[count++], sizeof(*words), "%s", one);
	return (struct udev_device *)words;
}

struct udev_device *udev_device_unref(struct udev_device *device)
{
	(void)device;
	return NULL;
}

static const char *word(int at)
{
	return *words[at] && strcmp(words[at], "-") ? words[at] : NULL;
}

const char *udev_device_get_action(struct udev_device *device)
{
	(void)device;
	return word(ACTION);
}

const char *udev_device_get_sysname(struct udev_device *device)
{
	(void)device;
	return word(GROUP);
}

const char *udev_device_get_property_value(struct udev_device *device, const char *key)
{
	static const char * const keys[] = {
		[STATE] = "MDR_STATE",
		[EVENT] = "MDR_EVENT",
		[CAUSE] = "MDR_CAUSE",
		[FUNCTION] = "MDR_DEVICE",
	};

	(void)device;
	for (int i = STATE; i < WORDS; i++)
		if (!strcmp(keys[i], key))
			return word(i);
	return NULL;
}
