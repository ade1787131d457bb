// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program as systemd runs it, with a libvirt that accepts connections and does not
 * answer: it says that it is ready and alive, and ends at once when it is told to.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_root.h"

static char program[512];
static int notify_fd;
static pid_t child;

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int open_socket(const char *name, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake_path("%s", name));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void start(void)
{
	char connect[256], state[256], sysfs[256];

	snprintf(connect, sizeof(connect),
		 "--connect=qemu+unix:///system?socket=%s&mode=direct", fake_path("silent"));
	snprintf(state, sizeof(state), "--state=%s", fake_root);
	snprintf(sysfs, sizeof(sysfs), "--sysfs=%s", fake_path("sys"));
	setenv("NOTIFY_SOCKET", fake_path("notify"), 1);
	setenv("WATCHDOG_USEC", "600000", 1);
	child = fork();
	if (child)
		return;
	execl(program, program, connect, state, sysfs, NULL);
	_exit(127);
}

/* The next message to systemd within so many ms, or "". */
static const char *notified(int ms)
{
	struct pollfd fd = { .fd = notify_fd, .events = POLLIN };
	static char text[1024];
	ssize_t got = 0;

	if (poll(&fd, 1, ms) > 0)
		got = recv(notify_fd, text, sizeof(text) - 1, 0);
	text[got > 0 ? got : 0] = 0;
	return text;
}

/* Its exit code, or -1 if it has not ended within so many ms. */
static int ended(int ms)
{
	int64_t end = now_ms() + ms;
	int status;

	while (now_ms() < end) {
		if (waitpid(child, &status, WNOHANG) == child) {
			child = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
		}
		usleep(10000);
	}
	return -1;
}

static int setup(void **state)
{
	(void)state;
	fake_root_make();
	fake_group("group16", "open", "evict", 7, MDEV_A);
	notify_fd = open_socket("notify", SOCK_DGRAM);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	close(notify_fd);
	fake_root_remove();
	return 0;
}

static void libvirt_does_not_answer(void **state)
{
	int silent = open_socket("silent", SOCK_STREAM), accepted;
	struct pollfd fd = { .fd = silent, .events = POLLIN };

	(void)state;
	assert_int_equal(listen(silent, 5), 0);
	start();
	assert_string_equal(notified(5000), "READY=1");
	/* it is in libvirt by now */
	assert_true(poll(&fd, 1, 5000) > 0);
	accepted = accept(silent, NULL, NULL);
	assert_true(accepted >= 0);
	for (int i = 0; i < 5; i++)
		assert_string_equal(notified(1000), "WATCHDOG=1");
	assert_int_equal(kill(child, SIGHUP), 0);
	assert_int_equal(ended(500), -1);
	assert_int_equal(kill(child, SIGTERM), 0);
	assert_int_equal(ended(3000), 0);
	close(accepted);
	close(silent);
}

static void no_libvirt(void **state)
{
	(void)state;
	start();
	assert_string_equal(notified(5000), "READY=1");
	assert_int_equal(kill(child, SIGTERM), 0);
	assert_int_equal(ended(3000), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(libvirt_does_not_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(no_libvirt, setup, teardown),
	};

	(void)argc;
	snprintf(program, sizeof(program), "%.*sprograms/mdr-agent",
		 (int)(strrchr(argv[0], '/') + 1 - argv[0]), argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
