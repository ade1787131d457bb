// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "klog.h"

static const char * const splats[] = {
#include "complaints.h"
};

/* Of the first message since the mark, and of the last that was read. */
static uint64_t first_seq, last_seq;

/*
 * Calls see() for every message since the mark until it returns true. The
 * text of a record stands after its first ';' and ends with a newline; further
 * lines of the record are its dictionary.
 */
static bool each(bool (*see)(const char *text, void *arg), void *arg)
{
	uint64_t seq = last_seq;
	char record[8192];
	bool hit = false;
	ssize_t len;
	char *text;
	int fd;

	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (!hit) {
		len = read(fd, record, sizeof(record) - 1);
		if (len < 0 && errno == EPIPE)	/* overwritten meanwhile */
			continue;
		if (len <= 0)
			break;
		record[len] = 0;
		text = strchr(record, ';');
		if (!text || sscanf(record, "%*u,%ju", &seq) != 1)
			continue;
		text++;
		text[strcspn(text, "\n")] = 0;
		if (seq >= first_seq)
			hit = see(text, arg);
	}
	close(fd);
	last_seq = seq;
	return hit;
}

static bool see_nothing(const char *text, void *arg)
{
	(void)text;
	(void)arg;
	return false;
}

void klog_mark(void)
{
	each(see_nothing, NULL);
	first_seq = last_seq + 1;
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
