// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program as systemd runs it, with a libvirt or a QEMU that accepts connections and
 * does not answer: it says that it is ready and alive, and ends at once when it is told
 * to, wherever a call hangs.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
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

#define ENDS_MS 900		/* with a call that hangs */

static char program[512], preload[512];
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

static const char *libvirt_at(const char *socket)
{
	static char option[256];

	snprintf(option, sizeof(option), "--connect=qemu+unix:///system?socket=%s&mode=direct",
		 fake_path("%s", socket));
	return option;
}

static const char *qemu_at(const char *socket)
{
	static char option[256];

	snprintf(option, sizeof(option), "--qmp=%s", fake_path("%s", socket));
	return option;
}

static void start(const char *other_end)
{
	char state[256], sysfs[256];

	snprintf(state, sizeof(state), "--state=%s", fake_root);
	snprintf(sysfs, sizeof(sysfs), "--sysfs=%s", fake_path("sys"));
	setenv("NOTIFY_SOCKET", fake_path("notify"), 1);
	setenv("WATCHDOG_USEC", "600000", 1);
	child = fork();
	if (child)
		return;
	if (getenv("MDR_HANG"))
		setenv("LD_PRELOAD", preload, 1);
	execl(program, program, other_end, state, sysfs, NULL);
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
	unsetenv("MDR_HANG");
	close(notify_fd);
	fake_root_remove();
	return 0;
}

static void is_alive(void)
{
	for (int i = 0; i < 5; i++)
		assert_string_equal(notified(1000), "WATCHDOG=1");
}

static void ends_at_once(void)
{
	assert_int_equal(kill(child, SIGTERM), 0);
	assert_int_equal(ended(ENDS_MS), 0);
}

/* The other end accepts, and that is all. */
static void is_not_answered(const char *other_end)
{
	int silent = open_socket("silent", SOCK_STREAM), accepted;
	struct pollfd fd = { .fd = silent, .events = POLLIN };

	assert_int_equal(listen(silent, 5), 0);
	start(other_end);
	assert_string_equal(notified(5000), "READY=1");
	/* it is in a call by now */
	assert_true(poll(&fd, 1, 5000) > 0);
	accepted = accept(silent, NULL, NULL);
	assert_true(accepted >= 0);
	is_alive();
	assert_int_equal(kill(child, SIGHUP), 0);
	assert_int_equal(ended(500), -1);
	is_alive();
	ends_at_once();
	close(accepted);
	close(silent);
}

static void libvirt_does_not_answer(void **state)
{
	(void)state;
	is_not_answered(libvirt_at("silent"));
}

static void qemu_does_not_answer(void **state)
{
	(void)state;
	is_not_answered(qemu_at("silent"));
}

/* The other end does not even accept, and its queue is full: connect() waits. */
static void is_not_accepted(const char *other_end)
{
	int silent = open_socket("silent", SOCK_STREAM), waiting[8], n = 0;
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake_path("silent"));
	assert_int_equal(listen(silent, 0), 0);
	do {
		assert_true(n < 8);
		waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	} while (!connect(waiting[n++], (struct sockaddr *)&address, sizeof(address)));
	start(other_end);
	assert_string_equal(notified(5000), "READY=1");
	is_alive();
	ends_at_once();
	while (n)
		close(waiting[--n]);
	close(silent);
}

static void libvirt_does_not_accept(void **state)
{
	(void)state;
	is_not_accepted(libvirt_at("silent"));
}

static void qemu_does_not_accept(void **state)
{
	(void)state;
	is_not_accepted(qemu_at("silent"));
}

/* With a connection, libvirt's own test driver: this one call does not return. */
static void hangs_in(const char *call, bool at_end)
{
	char file[256];

	snprintf(file, sizeof(file), "%s", fake_path("hangs"));
	setenv("MDR_HANG", call, 1);
	setenv("MDR_HANG_FILE", file, 1);
	start("--connect=test:///default");
	assert_string_equal(notified(5000), "READY=1");
	for (int i = 0; i < 100 && !at_end && access(file, F_OK); i++)
		usleep(50000);
	is_alive();
	assert_int_equal(access(file, F_OK), at_end ? -1 : 0);
	ends_at_once();
	assert_int_equal(access(file, F_OK), 0);
}

static void a_call_hangs(void **state)
{
	static const char * const calls[] = {
		"virConnectOpen", "virConnectListAllDomains", "virDomainGetXMLDesc",
	};

	for (int i = 0; i < 3; i++) {
		hangs_in(calls[i], false);
		teardown(state);
		setup(state);
	}
}

static void the_end_hangs(void **state)
{
	hangs_in("virConnectClose", true);
	teardown(state);
	setup(state);
	hangs_in("virEventUpdateTimeout", true);
}

static void no_libvirt(void **state)
{
	(void)state;
	start(libvirt_at("silent"));
	assert_string_equal(notified(5000), "READY=1");
	ends_at_once();
}

/* systemd starts it again only if it says that it has failed. */
static void no_uevents(void **state)
{
	(void)state;
	setenv("MDR_HANG", "uevents", 1);
	start("--connect=test:///default");
	assert_string_equal(notified(5000), "READY=1");
	assert_int_equal(ended(5000), 1);
}

/* However many uevents come, it says that it is alive, and ends when it is told to. */
static void uevents_without_end(void **state)
{
	(void)state;
	setenv("MDR_HANG", "flood", 1);
	start(libvirt_at("silent"));
	assert_string_equal(notified(5000), "READY=1");
	is_alive();
	ends_at_once();
}

/* What the check has found, and cannot write, is no success. */
static void full_disk(void **state)
{
	char command[1024];

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(command, sizeof(command),
			 "%s --connect=test:///default --check=test >/dev/%s 2>&1", program,
			 i ? "full" : "null");
		assert_int_equal(WEXITSTATUS(system(command)), i);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(libvirt_does_not_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(libvirt_does_not_accept, setup, teardown),
		cmocka_unit_test_setup_teardown(qemu_does_not_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(qemu_does_not_accept, setup, teardown),
		cmocka_unit_test_setup_teardown(a_call_hangs, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_hangs, setup, teardown),
		cmocka_unit_test_setup_teardown(no_libvirt, setup, teardown),
		cmocka_unit_test_setup_teardown(no_uevents, setup, teardown),
		cmocka_unit_test_setup_teardown(uevents_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(full_disk, setup, teardown),
	};
	int dir = strrchr(argv[0], '/') + 1 - argv[0];

	(void)argc;
	snprintf(program, sizeof(program), "%.*sprograms/mdr-agent", dir, argv[0]);
	snprintf(preload, sizeof(preload), "%.*shang.so", dir, argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
