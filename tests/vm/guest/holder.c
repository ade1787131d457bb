// SPDX-License-Identifier: GPL-2.0-only
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "holder.h"
#include "scenario.h"
#include "vfio_irq.h"
#include "vfio_user.h"

#define OPEN_MS 3000
#define REQ_MS 20000

static struct vfio_user user;

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void read_for_ever(volatile uint32_t *regs)
{
	for (;;) {
		(void)regs[0];
		sleep_ms(1);
	}
}

static void close_files(void)
{
	close(user.device);
	close(user.space->groups[0].fd);
	close(user.space->container);
}

int holder_hide(int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec byte = { .iov_base = control, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &byte, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
	int ends[2];

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	REQUIRE(sendmsg(ends[0], &msg, 0) == 1, "sendmsg");
	return ends[1];
}

static void hide_in_ring(int fd)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &params);

	REQUIRE(ring >= 0, "io_uring_setup");
	REQUIRE(!syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &fd, 1),
		"io_uring_register");
}

static void *keep_files(void *kept)
{
	REQUIRE(!unshare(CLONE_FILES), "unshare");
	atomic_store((atomic_bool *)kept, true);
	return wait_for_ever(NULL);
}

static void keep_in_thread(void)
{
	static atomic_bool kept;
	pthread_t thread;

	REQUIRE(!pthread_create(&thread, NULL, keep_files, &kept), "no thread");
	REQUIRE(WAIT_FOR(atomic_load(&kept), OPEN_MS), "no descriptors of its own");
}

static void hold_on(enum grip grip, atomic_bool *ready)
{
	bool sent = grip == GRIP_SOCKET || grip == GRIP_SOCKET_THREAD;
	bool hidden = sent || grip == GRIP_RING || grip == GRIP_OWN_FILES;
	pthread_t thread;
	int req;

	REQUIRE(hidden || vfio_user_map(&user, VFIO_PCI_BAR0_REGION_INDEX), "mmap");
	/* a call of its own would tell that it is a user */
	if (grip != GRIP_OWN_FILES)
		REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_REQ_IRQ_INDEX, 1, &req));
	if (sent)
		holder_hide(user.device);
	if (grip == GRIP_RING)
		hide_in_ring(user.device);
	if (grip == GRIP_OWN_FILES)
		keep_in_thread();
	if (grip == GRIP_MAPPING || hidden)
		close_files();
	atomic_store(ready, true);
	if (grip == GRIP_LEAVES) {
		vfio_irq_wait(req, REQ_MS, NULL);
		vfio_user_close(&user);
		_exit(0);
	}
	if (grip == GRIP_READS)
		read_for_ever(vfio_user_map(&user, VFIO_PCI_BAR0_REGION_INDEX));
	if (grip == GRIP_THREAD || grip == GRIP_SOCKET_THREAD) {
		pthread_create(&thread, NULL, wait_for_ever, NULL);
		pthread_exit(NULL);
	}
	wait_for_ever(NULL);
}

static pid_t wait_ready(pid_t pid, atomic_bool *ready)
{
	REQUIRE(pid >= 0, "fork");
	REQUIRE(WAIT_FOR(atomic_load(ready), OPEN_MS), "no user");
	return pid;
}

static atomic_bool *shared_flag(void)
{
	return mmap(NULL, sizeof(atomic_bool), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

pid_t holder_fork(enum grip grip, const char *uuid)
{
	atomic_bool *ready = shared_flag();
	pid_t pid = fork();

	if (!pid) {
		REQUIRE_OK(vfio_user_open(&user, uuid));
		hold_on(grip, ready);
	}
	return wait_ready(pid, ready);
}

pid_t holder_inherit(enum grip grip, struct vfio_user *parent)
{
	atomic_bool *ready = shared_flag();
	pid_t pid = fork();

	if (!pid) {
		user = *parent;
		if (user.space == &parent->own)
			user.space = &user.own;
		if (grip != GRIP_OWN_FILES)
			REQUIRE_OK(vfio_user_learn(&user));
		hold_on(grip, ready);
	}
	return wait_ready(pid, ready);
}
