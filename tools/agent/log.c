// SPDX-License-Identifier: GPL-2.0-only
/*
 * The journal's own protocol is a datagram of lines FIELD=value, see
 * https://systemd.io/JOURNAL_NATIVE_PROTOCOL. A message has one line here.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define NAME "mdr-agent"

static struct sockaddr_un journal = { .sun_family = AF_UNIX };
static int journal_fd = -1;

void log_to_journal(const char *path)
{
	if (journal_fd < 0)
		journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(journal.sun_path, sizeof(journal.sun_path), "%s", path);
}

int log_is_service(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == dev && st.st_ino == ino;
}

static void one_line(char *text)
{
	for (; (text = strpbrk(text, "\n\r")); text++)
		*text = ' ';
}

static void add_field(FILE *entry, const char *name, const char *value)
{
	if (!value)
		return;
	fprintf(entry, "%s=", name);
	/* a newline would begin a field of its own: QEMU's name may be anything */
	for (; *value; value++)
		fputc(*value == '\n' ? ' ' : *value, entry);
	fputc('\n', entry);
}

static int send_entry(enum log_level level, const struct log_about *about, const char *message)
{
	char text[8192];
	FILE *entry = fmemopen(text, sizeof(text), "w");
	ssize_t sent;
	long size;

	if (!entry)
		return -1;
	fprintf(entry, "PRIORITY=%d\nSYSLOG_IDENTIFIER=" NAME "\nSYSLOG_PID=%d\n", level, getpid());
	if (about) {
		add_field(entry, "MDR_GROUP", about->group);
		add_field(entry, "MDR_UUID", about->mdev);
		add_field(entry, "MDR_DOMAIN", about->domain);
		add_field(entry, "MDR_DOMAIN_UUID", about->domain_uuid);
		if (about->event)
			fprintf(entry, "MDR_EVENT=%llu\n", about->event);
	}
	add_field(entry, "MESSAGE", message);
	size = ftell(entry);
	if (fclose(entry))
		return -1;
	sent = sendto(journal_fd, text, size, MSG_NOSIGNAL, (struct sockaddr *)&journal,
		      sizeof(journal));
	return sent == size ? 0 : -1;
}

void log_about(enum log_level level, const struct log_about *about, const char *format, ...)
{
	char message[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	one_line(message);
	if (journal_fd >= 0 && !send_entry(level, about, message))
		return;
	/* in a service the line begins with its priority, which the journal removes */
	if (log_is_service())
		fprintf(stderr, "<%d>%s\n", level, message);
	else
		fprintf(stderr, NAME ": %s\n", message);
}
