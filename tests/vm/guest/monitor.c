// SPDX-License-Identifier: GPL-2.0-only
/*
 * The serial port speaks QMP: one JSON object per line, in both directions. Each command
 * has an id; lines without it (greeting, events) are skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <termios.h>
#include <unistd.h>

#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "scenario.h"

#define MONITOR_TTY "/dev/ttyS1"
#define ANSWER_MS 10000
#define GREETING_TRIES 10
#define UNPLUG_MS 15000

#define LOCK "/tmp/monitor.lock"

/* Opened by PID 1, inherited by all; used with LOCK held. */
static int tty = -1;

/* The answer to id, as a line of JSON. */
static int read_answer(unsigned int id, char *line, size_t size, unsigned int ms)
{
	uint64_t end = now_ms() + patient_ms(ms);
	struct pollfd p = { .fd = tty, .events = POLLIN };
	char want[32];
	size_t len = 0;
	char c;

	snprintf(want, sizeof(want), "\"id\": %u}", id);
	while (now_ms() < end) {
		if (poll(&p, 1, 100) <= 0 || read(tty, &c, 1) != 1)
			continue;
		if (c != '\n') {
			if (len < size - 1)
				line[len++] = c;
			continue;
		}
		line[len] = 0;
		if (strstr(line, want))
			return 0;
		len = 0;
	}
	return -ETIMEDOUT;
}

/* Both {"error": {...}} and text from the human monitor mean failure. */
static int judge_answer(const char *command, const char *line)
{
	if (!strncmp(line, "{\"return\": {}", 13) ||
	    !strncmp(line, "{\"return\": \"\"", 13))
		return 0;
	/* pcie_aer_inject_error answers with what it did */
	if (strstr(line, "OK id: "))
		return 0;
	klog_say("mdr: monitor: %s: %s", command, line);
	return -EIO;
}

static int execute(const char *command, const char *json)
{
	static unsigned int last_id;
	unsigned int id = getpid() * 1000 + ++last_id % 1000;
	char line[4096];
	int ret;

	dprintf(tty, "{\"execute\": %s, \"id\": %u}\n", json, id);
	ret = read_answer(id, line, sizeof(line), ANSWER_MS);
	if (ret) {
		note("monitor: %s: no answer", command);
		return ret;
	}
	return judge_answer(command, line);
}

int monitor_init(void)
{
	char line[4096];
	struct termios t;
	int ret = -EIO;

	tty = open(MONITOR_TTY, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty < 0)
		return -errno;
	tcgetattr(tty, &t);
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	t.c_cflag |= CLOCAL | CREAD;
	tcsetattr(tty, TCSANOW, &t);

	/*
	 * Until here the line echoed, so the monitor may have heard a part of
	 * its own greeting. 0xff makes its parser forget what it has.
	 */
	for (int i = 0; i < GREETING_TRIES && ret; i++) {
		tcflush(tty, TCIOFLUSH);
		dprintf(tty, "\xff\n{\"execute\": \"qmp_capabilities\", \"id\": 1}\n");
		ret = read_answer(1, line, sizeof(line), 500);
	}
	return ret;
}

int monitor(const char *fmt, ...)
{
	char command[512], json[640];
	va_list args;
	int lock, ret;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	snprintf(json, sizeof(json),
		 "\"human-monitor-command\", \"arguments\": {\"command-line\": \"%s\"}",
		 command);

	/* opens its own file: processes that share one share its lock */
	lock = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0)
		return -errno;
	flock(lock, LOCK_EX);
	ret = execute(command, json);
	close(lock);
	return ret;
}

int aer_inject(const char *device_id, const char *status)
{
	return monitor("pcie_aer_inject_error %s %s", device_id, status);
}

int device_add(const char *arguments)
{
	return monitor("device_add %s", arguments);
}

int device_del(const char *device_id)
{
	/* refused while the slot is still busy with plugging */
	return WAIT_FOR(!monitor("device_del %s", device_id), UNPLUG_MS) ? 0 : -EBUSY;
}
