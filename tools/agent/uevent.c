// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uevent.h"

#define KERNEL_GROUP	1
#define BUFFER_SIZE	(1024 * 1024)
#define MESSAGE_SIZE	8192
#define STEPS_MOST	96

/* The messages that get in begin with one of these. */
static const char * const beginnings[] = {
	"change@/devices/virtual/mdev_recovery/",
	"add@/devices/virtual/mdev_recovery/",
	"remove@/devices/virtual/mdev_recovery/",
};

struct program {
	struct sock_filter steps[STEPS_MOST];
	unsigned short count;
};

static void add_step(struct program *program, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	program->steps[program->count++] = (struct sock_filter){ code, jt, jf, k };
}

/* Accepts a message that begins so; with another one, goes on behind these steps. */
static void add_beginning(struct program *program, const char *text)
{
	static const struct {
		unsigned int size;
		uint16_t load;
	} loads[] = { { 4, BPF_W }, { 2, BPF_H }, { 1, BPF_B } };
	unsigned int at = 0, length = strlen(text), first = program->count;

	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		for (; length - at >= loads[i].size; at += loads[i].size) {
			uint32_t value = 0;

			for (unsigned int j = 0; j < loads[i].size; j++)
				value = value << 8 | (unsigned char)text[at + j];
			add_step(program, BPF_LD | BPF_ABS | loads[i].load, 0, 0, at);
			add_step(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, value);
		}
	}
	add_step(program, BPF_RET | BPF_K, 0, 0, UINT32_MAX);
	for (unsigned int i = first + 1; i < program->count; i += 2)
		program->steps[i].jf = program->count - i - 1;
}

int uevent_filter(int fd)
{
	struct program program = {};
	struct sock_fprog filter = { .filter = program.steps };

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		add_beginning(&program, beginnings[i]);
	add_step(&program, BPF_RET | BPF_K, 0, 0, 0);
	filter.len = program.count;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ? -errno : 0;
}

int uevent_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	int fd, ret, size = BUFFER_SIZE;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return -errno;
	ret = uevent_filter(fd);
	/* without CAP_NET_ADMIN net.core.rmem_max bounds it, which is enough for us */
	if (!ret && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)))
		ret = -errno;
	if (!ret && bind(fd, (struct sockaddr *)&address, sizeof(address)))
		ret = -errno;
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* The rest of a line that begins with the key, or NULL. */
static const char *value_of(const char *line, const char *key)
{
	size_t length = strlen(key);

	return strncmp(line, key, length) ? NULL : line + length;
}

static int parse(const char *message, const char *end, struct uevent *uevent)
{
	const char *value, *group = NULL;

	memset(uevent, 0, sizeof(*uevent));
	for (size_t i = 0; !group && i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		group = value_of(message, beginnings[i]);
	if (!group || strlen(group) >= GROUP_SIZE)
		return -ENOENT;
	snprintf(uevent->group, sizeof(uevent->group), "%s", group);
	for (const char *line = message; line < end; line += strlen(line) + 1) {
		value = value_of(line, "MDR_STATE=");
		if (value)
			snprintf(uevent->state, sizeof(uevent->state), "%s", value);
	}
	return 0;
}

int uevent_read(int fd, struct uevent *uevent)
{
	struct sockaddr_nl from = {};
	socklen_t size = sizeof(from);
	char message[MESSAGE_SIZE + 1];
	ssize_t got;

	got = recvfrom(fd, message, MESSAGE_SIZE, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
	if (got < 0)
		return -errno;
	/* anybody may send to the socket; the kernel's port is 0 */
	if (from.nl_family == AF_NETLINK && from.nl_pid)
		return -ENOENT;
	message[got] = 0;
	return parse(message, message + got, uevent);
}
