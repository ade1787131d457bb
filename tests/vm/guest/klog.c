// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "klog.h"

static const char * const splats[] = {
#include "complaints.h"
};

/*
 * The messages since the mark, each with its 0. They are kept, because to read the whole
 * log takes longer than most scenarios.
 */
static struct {
	int fd;
	pid_t owner;		/* of fd; a child needs one of its own */
	uint64_t next_seq;
	char *text;
	size_t len, size;
} kept = { .fd = -1 };

static bool log_open(void)
{
	if (kept.fd >= 0 && kept.owner == getpid())
		return true;
	if (kept.fd >= 0)
		close(kept.fd);
	kept.fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	kept.owner = getpid();
	return kept.fd >= 0;
}

static void log_keep(const char *text)
{
	size_t len = strlen(text) + 1;

	if (kept.len + len > kept.size) {
		kept.size = 2 * (kept.len + len);
		kept.text = realloc(kept.text, kept.size);
		if (!kept.text)
			abort();
	}
	memcpy(kept.text + kept.len, text, len);
	kept.len += len;
}

/*
 * Reads what is new. The text of a record stands after its first ';' and ends with a
 * newline; further lines of the record are its dictionary.
 */
static void log_read(void)
{
	char record[8192], *text;
	uint64_t seq;
	ssize_t len;

	if (!log_open())
		return;
	for (;;) {
		len = read(kept.fd, record, sizeof(record) - 1);
		if (len < 0 && errno == EPIPE)	/* overwritten meanwhile */
			continue;
		if (len <= 0)
			return;
		record[len] = 0;
		text = strchr(record, ';');
		if (!text || sscanf(record, "%*u,%ju", &seq) != 1 || seq < kept.next_seq)
			continue;
		kept.next_seq = seq + 1;
		text++;
		text[strcspn(text, "\n")] = 0;
		log_keep(text);
	}
}

/* Calls see() for every message since the mark until it returns true. */
static bool each(bool (*see)(const char *text, void *arg), void *arg)
{
	log_read();
	for (size_t at = 0; at < kept.len; at += strlen(kept.text + at) + 1)
		if (see(kept.text + at, arg))
			return true;
	return false;
}

void klog_mark(void)
{
	log_read();
	kept.len = 0;
}

struct search {
	const char *text;
	unsigned int count;
	bool stop;
	char *line;
	size_t size;
};

static bool see_text(const char *text, void *arg)
{
	struct search *s = arg;

	if (!strstr(text, s->text))
		return false;
	s->count++;
	if (s->line && s->count == 1)
		snprintf(s->line, s->size, "%s", text);
	return s->stop;
}

unsigned int klog_count(const char *text)
{
	struct search s = { .text = text };

	each(see_text, &s);
	return s.count;
}

bool klog_wait(const char *text, unsigned int ms, char *line, size_t size)
{
	struct search s = { .text = text, .stop = true, .line = line, .size = size };

	return WAIT_FOR(each(see_text, &s), ms);
}

static bool see_splat(const char *text, void *arg)
{
	struct search *s = arg;

	for (size_t i = 0; i < sizeof(splats) / sizeof(splats[0]); i++) {
		if (strstr(text, splats[i])) {
			snprintf(s->line, s->size, "%s", text);
			return true;
		}
	}
	return false;
}

bool klog_splat(char *line, size_t size)
{
	struct search s = { .line = line, .size = size };

	return each(see_splat, &s);
}

void klog_say(const char *fmt, ...)
{
	char line[1024];
	va_list args;
	int fd;

	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	/* without a newline the kernel keeps it open for more, and hidden */
	strcat(line, "\n");
	if (write(fd, line, strlen(line)) < 0)
		perror("/dev/kmsg");
	close(fd);
}
