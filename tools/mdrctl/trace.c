// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads a trace in the format of tracefs' file "trace". This can be read any number of
 * times, and on another machine. The raw ring cannot: reading consumes it.
 *
 * The file may contain anything. Lines that are not as in the driver's trace.h are
 * skipped.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

/* Bytes; a line has much text before the entry. */
#define LINE_SIZE 1024

static bool is_group(const char *name)
{
	size_t digits;

	if (strncmp(name, "group", 5))
		return false;
	digits = strspn(name + 5, "0123456789");
	return digits && digits < 10 && !name[5 + digits];
}

static bool parse_state(const char *text, struct point *point)
{
	unsigned long long event;

	if (sscanf(text, "%31s id=%llu %31[a-z_] --%31[a-z_]--> %31[a-z_]", point->group, &event,
		   point->from, point->why, point->to) != 5)
		return false;
	point->event = event;
	return event <= INT64_MAX;
}

static bool parse_time(const char *text, struct point *point, const char *form)
{
	unsigned long long ns;

	if (sscanf(text, form, point->group, &ns, &point->result) != 3)
		return false;
	point->ns = ns;
	return ns <= INT64_MAX;
}

/* The entry behind ": ". */
static bool parse_entry(const char *entry, struct point *point)
{
	static const struct {
		const char *name, *form;
		enum point_kind kind;
	} kinds[] = {
		{ "mdr_state: ", NULL, POINT_STATE },
		{ "mdr_drain: ", "%31s ns=%llu drained=%d", POINT_DRAIN },
		{ "mdr_restore: ", "%31s %*31s ns=%llu result=%d", POINT_RESTORE },
		{ "mdr_stall: ", "%31s ns=%llu result=%d", POINT_STALL },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t len = strlen(kinds[i].name);

		if (strncmp(entry, kinds[i].name, len))
			continue;
		point->kind = kinds[i].kind;
		return (kinds[i].form ? parse_time(entry + len, point, kinds[i].form) :
					parse_state(entry + len, point)) && is_group(point->group);
	}
	return false;
}

/* The word that ends at "end": seconds and six digits of a fraction. */
static bool parse_clock(const char *line, const char *end, int64_t *at_us)
{
	const char *p = end;
	char *dot, *stop;
	unsigned long long seconds, fraction;

	while (p > line && !isspace((unsigned char)p[-1]))
		p--;
	seconds = strtoull(p, &dot, 10);
	if (!isdigit((unsigned char)*p) || *dot != '.' || seconds > INT64_MAX / 2000000)
		return false;
	fraction = strtoull(dot + 1, &stop, 10);
	if (stop != end || stop - dot != 7)
		return false;
	*at_us = seconds * 1000000 + fraction;
	return true;
}

/* "    comm-123   [001] d..1.  12.345678: mdr_state: ..."; comm can be anything. */
static bool parse_line(const char *line, struct point *point)
{
	memset(point, 0, sizeof(*point));
	if (!strncmp(line, "CPU:", 4) && strstr(line, "LOST")) {
		point->kind = POINT_LOST;
		return true;
	}
	for (const char *p = strstr(line, ": mdr_"); p; p = strstr(p + 1, ": mdr_"))
		if (parse_clock(line, p, &point->at_us) && parse_entry(p + 2, point))
			return true;
	return false;
}

void trace_each(FILE *trace, void (*see)(const struct point *point, void *arg), void *arg)
{
	char line[LINE_SIZE];
	struct point point;
	bool begins = true;

	while (fgets(line, sizeof(line), trace)) {
		bool whole = strchr(line, '\n');

		if (begins && parse_line(line, &point))
			see(&point, arg);
		begins = whole;
	}
}
