// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel says of a group gets through its socket filter, nothing else does: no
 * foreign uevent, however many, wakes the agent or takes room in its buffer.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "uevent.h"

#define GROUP_PATH "/devices/virtual/mdev_recovery/group16"

static int ends[2];

static int setup(void **state)
{
	(void)state;
	/* the same filter on a socket that a test may write to */
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	assert_int_equal(uevent_filter(ends[0]), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* Sends one of several lines, each with its null byte. */
static void emit(const char *text, size_t size)
{
	assert_int_equal(send(ends[1], text, size, 0), size);
}

#define EMIT(text_) emit(text_, sizeof(text_))

static bool wakes(void)
{
	struct pollfd fd = { .fd = ends[0], .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

static void of_a_group(void **state)
{
	struct uevent uevent;

	(void)state;
	EMIT("change@" GROUP_PATH "\0ACTION=change\0DEVPATH=" GROUP_PATH
	     "\0SUBSYSTEM=mdev_recovery\0MDR_STATE=evicting\0MDR_EVENT=12\0MDR_CAUSE=fatal\0SEQNUM=5");
	assert_int_equal(uevent_read(ends[0], &uevent), 0);
	assert_string_equal(uevent.group, "group16");
	assert_string_equal(uevent.state, "evicting");
	EMIT("add@" GROUP_PATH "\0ACTION=add");
	assert_int_equal(uevent_read(ends[0], &uevent), 0);
	assert_string_equal(uevent.state, "");
	EMIT("remove@" GROUP_PATH "\0ACTION=remove");
	assert_int_equal(uevent_read(ends[0], &uevent), 0);
	assert_int_equal(uevent_read(ends[0], &uevent), -EAGAIN);
}

static void foreign(void **state)
{
	struct uevent uevent;

	(void)state;
	/* far more than the buffer takes */
	for (int i = 0; i < 1000; i++) {
		EMIT("change@/devices/virtual/net/lo\0ACTION=change\0SUBSYSTEM=net");
		EMIT("add@/devices/pci0000:00/0000:00:01.0\0ACTION=add\0SUBSYSTEM=pci");
		EMIT("change@/devices/virtual/mdev_recoverx/group16\0ACTION=change");
		EMIT("bind@/x");
		EMIT("");
	}
	assert_false(wakes());
	EMIT("change@" GROUP_PATH "\0MDR_STATE=open\0MDR_EVENT=3");
	assert_true(wakes());
	assert_int_equal(uevent_read(ends[0], &uevent), 0);
}

/* A name that is too long, and a message that is cut off. */
static void strange(void **state)
{
	struct uevent uevent;

	(void)state;
	EMIT("change@/devices/virtual/mdev_recovery/group1111111111111111111111\0MDR_STATE=open");
	assert_int_equal(uevent_read(ends[0], &uevent), -ENOENT);
	emit("change@" GROUP_PATH "\0MDR_STATE=open", sizeof("change@" GROUP_PATH) + 8);
	assert_int_equal(uevent_read(ends[0], &uevent), 0);
	assert_string_equal(uevent.state, "");
	EMIT("change@" GROUP_PATH "\0MDR_STATE=a-state-that-is-far-too-long-for-it");
	assert_int_equal(uevent_read(ends[0], &uevent), 0);
	assert_string_equal(uevent.state, "a-state-that-is");
}

/* The real socket opens without a capability. */
static void opens(void **state)
{
	int fd = uevent_open();

	(void)state;
	assert_true(fd >= 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(of_a_group, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(strange, setup, teardown),
		cmocka_unit_test(opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
