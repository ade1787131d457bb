// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "uevent.h"

int uevent_listen(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int size = 1 << 20;
	int fd, err;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

const char *uevent_get(const struct uevent *event, const char *key)
{
	size_t key_len = strlen(key);
	const char *p = event->text;

	for (; p < event->text + event->len; p += strlen(p) + 1)
		if (!strncmp(p, key, key_len) && p[key_len] == '=')
			return p + key_len + 1;
	return NULL;
}

bool uevent_wait(int fd, const char *key, const char *value, unsigned int ms,
		 struct uevent *event)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now, end = now_ms() + patient_ms(ms);
	const char *got;
	ssize_t len;

	while ((now = now_ms()) < end) {
		if (poll(&p, 1, end - now) <= 0)
			continue;
		len = recv(fd, event->text, sizeof(event->text) - 1, 0);
		if (len <= 0)
			continue;
		event->text[len] = 0;
		event->len = len;
		got = uevent_get(event, key);
		if (got && (!value || !strcmp(got, value)))
			return true;
	}
	return false;
}
