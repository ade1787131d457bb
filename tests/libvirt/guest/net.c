// SPDX-License-Identifier: GPL-2.0-only
/*
 * One TCP connection through one function: send a message, compare its echo, repeat. If
 * the connection survives an error, so did the driver.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "pattern.h"
#include "say.h"
#include "work.h"

#define PORT 7
#define MESSAGE 4096
#define REPORT_MS 2000

/* The interface of a driver; virtio's device has the function as its parent. */
static int find(const char *driver, char *name)
{
	char path[300], link[300], *base;
	struct dirent *entry;
	int found = 0;
	ssize_t len;
	DIR *dir = opendir("/sys/class/net");

	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/device/driver", entry->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		if (len < 0)
			continue;
		link[len] = 0;
		base = strrchr(link, '/');
		found = base && !strcmp(base + 1, driver);
		if (found)
			snprintf(name, IFNAMSIZ, "%.*s", IFNAMSIZ - 1, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

static int configure(const char *name, unsigned int subnet)
{
	struct ifreq req = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&req.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), ret = 0;

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(0x0a000002 | subnet << 8);
	if (ioctl(fd, SIOCSIFADDR, &req))
		ret = -errno;
	in->sin_addr.s_addr = htonl(0xffffff00);
	if (!ret && ioctl(fd, SIOCSIFNETMASK, &req))
		ret = -errno;
	req.ifr_flags = IFF_UP | IFF_RUNNING;
	if (!ret && ioctl(fd, SIOCSIFFLAGS, &req))
		ret = -errno;
	close(fd);
	return ret;
}

static int dial(unsigned int subnet)
{
	struct sockaddr_in peer = {
		.sin_family = AF_INET, .sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(0x0a000001 | subnet << 8),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&peer, sizeof(peer))) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* The interface in use. After its removal another one may soon get its name. */
struct interface {
	char name[IFNAMSIZ];
	unsigned int index;
};

static int is_there(const struct interface *interface)
{
	return if_nametoindex(interface->name) == interface->index;
}

/* Waits for fd, with a message if that takes long. -ENODEV if the interface is gone. */
static int wait_ready(int fd, short events, const char *driver, const struct interface *interface)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t start = now_ms();
	int said = 0;

	while (poll(&p, 1, REPORT_MS) <= 0) {
		if (!is_there(interface))
			return -ENODEV;
		if (!said++)
			say("net %s waits", driver);
	}
	if (said)
		say("net %s goes on after %ju ms", driver, (uintmax_t)(now_ms() - start));
	return 0;
}

static int transfer(int fd, char *buf, int out, const char *driver,
		    const struct interface *interface)
{
	ssize_t n;
	int ret;

	for (size_t done = 0; done < MESSAGE; done += n) {
		ret = wait_ready(fd, out ? POLLOUT : POLLIN, driver, interface);
		if (ret)
			return ret;
		n = out ? send(fd, buf + done, MESSAGE - done, MSG_NOSIGNAL | MSG_DONTWAIT) :
			  recv(fd, buf + done, MESSAGE - done, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			n = 0;
		else if (n <= 0)
			return n ? -errno : -ECONNRESET;
	}
	return 0;
}

static int exchange(int fd, const char *driver, const struct interface *interface)
{
	static uint64_t buf[MESSAGE / sizeof(uint64_t)];
	uint64_t said = 0, start, ms, stall = 0;
	size_t wrong = 0;
	int ret;

	for (uint64_t n = 1;; n++) {
		start = now_ms();
		pattern_fill(buf, MESSAGE, 0, n * MESSAGE);
		ret = transfer(fd, (char *)buf, 1, driver, interface);
		memset(buf, 0, sizeof(buf));
		if (!ret)
			ret = transfer(fd, (char *)buf, 0, driver, interface);
		if (ret)
			return ret;
		wrong += pattern_wrong(buf, MESSAGE, 0, n * MESSAGE);
		ms = now_ms() - start;
		if (ms > stall)
			stall = ms;
		if (now_ms() - said >= REPORT_MS) {
			said = now_ms();
			say("net %s messages=%ju wrong=%zu stall_ms=%ju", driver, (uintmax_t)n,
			    wrong, (uintmax_t)stall);
			stall = 0;
		}
		usleep(100000);
	}
}

/*
 * Sends a datagram ten times a second that no one receives. TCP does not retransmit
 * while the first copy waits in the driver, so a connection alone may never fill the
 * transmit queue. A driver like igb notices the reset of the device when its queue is
 * full and does not move.
 */
static pid_t chatter(unsigned int subnet)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_port = htons(9),
		.sin_addr.s_addr = htonl(0x0a000001 | subnet << 8),
	};
	static char buf[1024];
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	for (;;) {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		while (sendto(fd, buf, sizeof(buf), 0, (struct sockaddr *)&in, sizeof(in)) > 0 ||
		       errno == EAGAIN)
			usleep(100000);
		close(fd);
		usleep(100000);
	}
}

void net_work(const char *driver, unsigned int subnet)
{
	struct interface interface;
	int fd, ret;
	pid_t pid;

	for (;;) {
		while (!find(driver, interface.name))
			usleep(200000);
		interface.index = if_nametoindex(interface.name);
		ret = configure(interface.name, subnet);
		say("net %s up: %s", driver, strerror(-ret));
		fd = ret ? ret : dial(subnet);
		pid = chatter(subnet);
		if (fd >= 0) {
			ret = exchange(fd, driver, &interface);
			close(fd);
		} else {
			ret = fd;
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		say("net %s failed: %s", driver, strerror(-ret));
		while (ret == -ENODEV && is_there(&interface))
			usleep(200000);
		sleep(1);
	}
}
