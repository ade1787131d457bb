// SPDX-License-Identifier: GPL-2.0-only
/*
 * libtraceevent decodes the entries by what the kernel says of their format.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event-parse.h>

#include "ring.h"
#include "trace.h"

#define SYSTEM "mdev_recovery"

#define NUMBERS_MOST 2
#define WORDS_MOST 4

/* The fields that we read, and where a point has the words. */
static const struct format {
	const char *name;
	enum point_kind kind;
	const char *numbers[NUMBERS_MOST];
	struct {
		const char *name;
		size_t to;
	} words[WORDS_MOST];
} formats[] = {
	{ "mdr_state", POINT_STATE, { "id" }, {
		{ "group", offsetof(struct point, group) },
		{ "from", offsetof(struct point, from) },
		{ "event", offsetof(struct point, why) },
		{ "to", offsetof(struct point, to) },
	} },
	{ "mdr_drain", POINT_DRAIN, { "ns", "drained" },
		{ { "group", offsetof(struct point, group) } } },
	{ "mdr_restore", POINT_RESTORE, { "ns", "result" },
		{ { "group", offsetof(struct point, group) } } },
	{ "mdr_stall", POINT_STALL, { "ns", "result" },
		{ { "group", offsetof(struct point, group) } } },
};

#define FORMATS (sizeof(formats) / sizeof(*formats))

struct reading {
	struct tep_handle *tep;
	struct trace *trace;
	uint64_t oldest_ns;	/* of the CPU */
	int ret;
};

static struct point *add_point(struct reading *reading)
{
	struct trace *trace = reading->trace;
	struct point *points;

	if (trace->count == trace->room) {
		trace->room = trace->room ? 2 * trace->room : 64;
		points = realloc(trace->points, trace->room * sizeof(*points));
		if (!points) {
			trace->room = trace->count;
			reading->ret = -ENOMEM;
			return NULL;
		}
		trace->points = points;
	}
	points = &trace->points[trace->count];
	memset(points, 0, sizeof(*points));
	points->order = ++trace->count;
	return points;
}

/* False if the entry has no such word, or one that is too long. */
static bool get_word(struct tep_event *event, const char *name, struct tep_record *record,
		     char word[WORD_SIZE])
{
	const char *data = record->data, *text;
	int size;

	text = tep_get_field_raw(NULL, event, name, record, &size, 0);
	if (!text || size <= 0 || size > WORD_SIZE || text < data ||
	    text + size > data + record->size || text[size - 1])
		return false;
	memcpy(word, text, size);
	return true;
}

static bool fill_point(const struct format *format, struct tep_event *event,
		       struct tep_record *record, struct point *point)
{
	unsigned long long numbers[NUMBERS_MOST] = { 0 };

	for (int i = 0; i < NUMBERS_MOST && format->numbers[i]; i++)
		if (tep_get_field_val(NULL, event, format->numbers[i], record, &numbers[i], 0))
			return false;
	for (int i = 0; i < WORDS_MOST && format->words[i].name; i++)
		if (!get_word(event, format->words[i].name, record,
			      (char *)point + format->words[i].to))
			return false;
	point->kind = format->kind;
	point->at_ns = record->ts;
	if (format->kind == POINT_STATE) {
		point->event = numbers[0];
	} else {
		point->ns = numbers[0];
		point->result = numbers[1];
	}
	return true;
}

static void see_entry(struct reading *reading, struct tep_record *record)
{
	struct tep_event *event = tep_find_event_by_record(reading->tep, record);
	struct point *point;

	if (record->ts < reading->oldest_ns)
		reading->oldest_ns = record->ts;
	for (size_t i = 0; event && i < FORMATS; i++) {
		if (strcmp(event->name, formats[i].name))
			continue;
		point = add_point(reading);
		if (point && !fill_point(&formats[i], event, record, point))
			reading->trace->count--;
	}
}

static void see_part(struct kbuffer *kbuf, void *arg)
{
	struct tep_record record = { .ref_count = 1 };

	for (record.data = kbuffer_read_event(kbuf, &record.ts); record.data;
	     record.data = kbuffer_next_event(kbuf, &record.ts)) {
		record.size = kbuffer_event_size(kbuf);
		see_entry(arg, &record);
	}
}

/* Of a CPU; what it wrote before its oldest entry is gone if its ring is not whole. */
static int read_ring(struct reading *reading, const char *path, struct kbuffer *kbuf)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), ret;
	struct point *lost;
	bool is_whole;

	if (fd < 0)
		return -errno;
	reading->oldest_ns = UINT64_MAX;
	ret = ring_each(fd, kbuf, see_part, reading, &is_whole);
	close(fd);
	if (ret)
		return ret == -EINVAL ? 0 : ret;
	lost = is_whole || reading->oldest_ns == UINT64_MAX ? NULL : add_point(reading);
	if (lost) {
		lost->kind = POINT_LOST;
		lost->at_ns = reading->oldest_ns;
		/* before the entry */
		lost->order = 0;
	}
	return reading->ret;
}

static int compare(const void *a, const void *b)
{
	const struct point *one = a, *other = b;

	if (one->at_ns != other->at_ns)
		return one->at_ns < other->at_ns ? -1 : 1;
	return (one->order > other->order) - (one->order < other->order);
}

static int read_rings(struct reading *reading, struct tracefs_instance *instance)
{
	struct kbuffer *kbuf = kbuffer_alloc(tep_get_header_page_size(reading->tep) == 8 ?
					     KBUFFER_LSIZE_8 : KBUFFER_LSIZE_4,
					     KBUFFER_ENDIAN_SAME_AS_HOST);
	char *pattern = tracefs_instance_get_file(instance, "per_cpu/cpu*/trace_pipe_raw");
	glob_t rings = { 0 };
	int ret = -ENOMEM;

	if (kbuf && pattern)
		ret = glob(pattern, 0, NULL, &rings) == GLOB_NOSPACE ? -ENOMEM : 0;
	for (size_t i = 0; !ret && i < rings.gl_pathc; i++)
		ret = read_ring(reading, rings.gl_pathv[i], kbuf);
	globfree(&rings);
	tracefs_put_tracing_file(pattern);
	kbuffer_free(kbuf);
	if (!ret && reading->trace->count)
		qsort(reading->trace->points, reading->trace->count, sizeof(struct point), compare);
	return ret;
}

/* Does the module have the fields that we read? */
static bool has_fields(struct tep_handle *tep, const struct format *format)
{
	struct tep_event *event = tep_find_event_by_name(tep, SYSTEM, format->name);
	struct tep_format_field *field;

	for (int i = 0; event && i < NUMBERS_MOST && format->numbers[i]; i++)
		if (!tep_find_field(event, format->numbers[i]))
			return false;
	for (int i = 0; event && i < WORDS_MOST && format->words[i].name; i++) {
		field = tep_find_field(event, format->words[i].name);
		if (!field || !(field->flags & TEP_FIELD_IS_STRING))
			return false;
	}
	return event;
}

static int read_format(struct tep_handle *tep, struct tracefs_instance *top,
		       const struct format *format)
{
	char path[PATH_MAX], *text;
	int size;

	snprintf(path, sizeof(path), "events/" SYSTEM "/%s/format", format->name);
	text = tracefs_instance_file_read(top, path, &size);
	if (!text)
		return errno == ENOENT ? -EPROTO : -errno;
	tep_parse_event(tep, text, size, SYSTEM);
	free(text);
	return has_fields(tep, format) ? 0 : -EPROTO;
}

static int read_formats(struct tep_handle *tep, struct tracefs_instance *top)
{
	char *text;
	int size, ret;

	text = tracefs_instance_file_read(top, "events/header_page", &size);
	if (!text)
		return -errno;
	ret = tep_parse_header_page(tep, text, size, sizeof(long)) ? -EPROTO : 0;
	free(text);
	for (size_t i = 0; !ret && i < FORMATS; i++)
		ret = read_format(tep, top, &formats[i]);
	return ret;
}

int trace_read(struct tracefs_instance *top, struct tracefs_instance *instance,
	       struct trace *trace)
{
	struct reading reading = { .tep = tep_alloc(), .trace = trace };
	int ret;

	if (!reading.tep)
		return -ENOMEM;
	tep_set_loglevel(TEP_LOG_NONE);
	ret = read_formats(reading.tep, top);
	if (!ret)
		ret = read_rings(&reading, instance);
	tep_free(reading.tep);
	return ret;
}
