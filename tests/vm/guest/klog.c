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

/* The same list is in tests/vm/run, which reads the console. */
static const char * const splats[] = {
	"WARNING: ", "BUG: ", "kernel BUG at", "Oops: ", "Oops[",
	"general protection fault", "Kernel panic", "INFO: task ",
	"INFO: possible ", "possible recursive locking", "possible circular",
	"suspicious RCU usage", "detected stall", "self-detected stall",
	"soft lockup", "hard LOCKUP", "refcount_t: ", "UBSAN: ", "KASAN: ",
	"scheduling while atomic", "sleeping function called",
	"unregister_netdevice: waiting", "Bad page state",
};

static uint64_t first_seq;

/*
 * Calls see() for every message since the mark until it returns true. The
 * text of a record stands after its first ';' and ends with a newline; further
 * lines of the record are its dictionary.
 */
static bool each(bool (*see)(const char *text, void *arg), void *arg)
{
	char record[8192];
	uint64_t seq;
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
	return hit;
}

void klog_mark(void)
{
	char record[8192];
	uint64_t seq;
	ssize_t len;
	int fd;

	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	while ((len = read(fd, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		if (len < 0)
			continue;
		record[len] = 0;
		if (sscanf(record, "%*u,%ju", &seq) == 1)
			first_seq = seq + 1;
	}
	close(fd);
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

/*
 * The one report that is known and not ours: lockdep's, of the locks that the PCI
 * core's native hotplug takes in one order when a slot is reset after an error,
 * and in another when a function is plugged. It is this report only with exactly
 * these paths, and with no function of ours or of vfio in any line of it: neither
 * in a path nor among those that took the locks that are held. init.c lets the PCI
 * core reset a slot before there is anything of ours, for otherwise the path on
 * record could be that of a user's hot reset.
 */
#define LOCKDEP_FIRST "possible circular locking dependency detected"
#define LOCKDEP_LAST "</TASK>"
#define LOCKDEP_PATH "-> #"
/*
 * A line with a function and where in it. Others are no part of the report, and
 * with a question mark it is only what an earlier call left on the stack.
 */
#define FUNCTION "+0x"
#define LEFTOVER " ? "

static const char * const known_paths[] = {
	"-> #2 (&ctrl->reset_lock){", "-> #1 (pci_slot_mutex){",
	"-> #0 (pci_rescan_remove_lock){",
};

#define NR_KNOWN_PATHS (sizeof(known_paths) / sizeof(known_paths[0]))

static const char * const never_in_known[] = { "mdr_", "mdev", "vfio" };

struct splat {
	char *line;
	size_t size;
	unsigned int known;
	bool in_report;
	unsigned int paths;
	bool foreign;
};

static bool has_one_of(const char *text, const char * const *what, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(text, what[i]))
			return true;
	return false;
}

/* A report of lockdep, line by line; true if it is none that is known. */
static bool see_report(const char *text, struct splat *s)
{
	if (strstr(text, LOCKDEP_PATH)) {
		s->foreign |= s->paths >= NR_KNOWN_PATHS ||
			      !strstr(text, known_paths[s->paths]);
		s->paths++;
	}
	if (strstr(text, FUNCTION) && !strstr(text, LEFTOVER))
		s->foreign |= has_one_of(text, never_in_known,
				sizeof(never_in_known) / sizeof(never_in_known[0]));
	if (!strstr(text, LOCKDEP_LAST))
		return false;
	s->in_report = false;
	if (s->paths != NR_KNOWN_PATHS || s->foreign)
		return true;
	s->known++;
	return false;
}

static bool see_splat(const char *text, void *arg)
{
	bool splat = has_one_of(text, splats, sizeof(splats) / sizeof(splats[0]));
	struct splat *s = arg;

	if (s->in_report && !splat)
		return see_report(text, s);
	if (!splat)
		return false;
	snprintf(s->line, s->size, "%s", text);
	/* one in the middle of another is none that is known */
	if (s->in_report)
		return true;
	s->in_report = !!strstr(text, LOCKDEP_FIRST);
	s->paths = 0;
	s->foreign = false;
	return !s->in_report;
}

bool klog_splat(char *line, size_t size, unsigned int *known)
{
	struct splat s = { .line = line, .size = size };
	bool hit = each(see_splat, &s);

	*known = s.known;
	/* one whose end is missing cannot be told */
	return hit || s.in_report;
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
