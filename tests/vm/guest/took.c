// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "pci.h"
#include "took.h"

/* the group may be open before the kernel says that the port is done */
#define SAID_MS 2000

static uint64_t longest_ms;

struct span {
	uint64_t start_us;
	uint64_t us;
};

static void see(struct span *span, const char *record, const char *port)
{
	uint64_t us;

	if (!strstr(record, port) || sscanf(record, "%*u,%*u,%ju", &us) != 1)
		return;
	if (strstr(record, "rror message received")) {
		span->start_us = us;
		span->us = 0;
	} else if (strstr(record, "device recovery ")) {
		span->us = span->start_us ? us - span->start_us : 0;
		span->start_us = 0;
	}
}

/* The last one in the log; 0 if it has not ended, or its begin was not told. */
static unsigned int last_ms(const char *port)
{
	struct span span = { 0 };
	char record[8192];
	ssize_t len;
	int fd;

	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	while ((len = read(fd, record, sizeof(record) - 1)) > 0) {
		record[len] = 0;
		see(&span, record, port);
	}
	close(fd);
	return span.us / 1000;
}

unsigned int took_host_ms(const struct shim *s)
{
	char port[PCI_ADDR_LEN + 16];
	unsigned int ms;

	if (shim_status(s->group, "domain", port, sizeof(port)) <= 0 ||
	    !WAIT_FOR(last_ms(port), SAID_MS))
		return TOOK_HOST_MS;
	ms = last_ms(port);
	return ms < TOOK_HOST_MS ? ms : TOOK_HOST_MS;
}

void took_note(const struct shim *s)
{
	uint64_t ms = shim_number(s->group, "stats/recovery_ns_last") / NS_PER_MS;

	longest_ms = ms > longest_ms ? ms : longest_ms;
}

uint64_t took_longest_ms(void)
{
	return longest_ms;
}
