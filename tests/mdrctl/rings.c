// SPDX-License-Identifier: GPL-2.0-only
/*
 * rings TRACEFS: writes a trace, which it reads as text from stdin, as the kernel has it:
 * the rings of the CPUs in the instance mdev_recovery, and the formats of the entries.
 *
 * The text is that of tracefs' file "trace". "CPU:0 [LOST 12 EVENTS]" says that the ring
 * of this CPU has overwritten that many, "CPU:0 [TAKEN 12 EVENTS]" that a reader has taken
 * them. Every ring begins in its middle, and has parts that are empty, and entries that are
 * not ours or were discarded.
 */
#include <err.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE 4096
#define PARTS 64
#define CPUS 4
#define ENTRIES 4		/* in a part, then comes the next one */
#define FIRST_PART 61		/* of PARTS: the ring goes round */

#define PADDING 29		/* types of an entry, see the kernel's header_event */
#define EXTEND 30
#define WORDS_MOST 28		/* of 4 bytes, in a small entry */

#define FIRST_ID 901
#define FOREIGN_ID 1

struct meta {
	uint32_t size, struct_size, part_size, parts;
	uint64_t reader_lost;
	uint32_t reader_id, reader_read;
	uint64_t flags, entries, overwritten, taken, more[2];
};

struct part {
	uint64_t time, length;
	unsigned char data[PAGE - 16];
};

struct ring {
	struct meta meta;
	unsigned char rest[PAGE - sizeof(struct meta)];
	struct part parts[PARTS];
};

static struct writer {
	struct ring ring;
	unsigned int part, entries;	/* parts used; entries of the last one */
	uint64_t time;
} writers[CPUS];

/* Where an entry has its fields; all strings are behind them. */
static const struct format {
	const char *name;
	struct {
		const char *name, *type;
		unsigned int offset, size;	/* size 0: a string */
	} fields[8];
} formats[] = {
	{ "mdr_state", {
		{ "group", NULL, 8, 0 }, { "id", "u64", 16, 8 }, { "from", NULL, 24, 0 },
		{ "event", NULL, 28, 0 }, { "to", NULL, 32, 0 } } },
	{ "mdr_drain", {
		{ "group", NULL, 8, 0 }, { "ns", "u64", 16, 8 }, { "drained", "bool", 24, 1 } } },
	{ "mdr_restore", {
		{ "group", NULL, 8, 0 }, { "function", NULL, 12, 0 }, { "ns", "u64", 16, 8 },
		{ "result", "int", 24, 4 } } },
	{ "mdr_stall", {
		{ "group", NULL, 8, 0 }, { "ns", "u64", 16, 8 }, { "result", "int", 24, 4 } } },
};

#define FORMATS (sizeof(formats) / sizeof(*formats))

static FILE *create(const char *form, ...)
{
	char path[4096];
	va_list args;
	FILE *file;

	va_start(args, form);
	vsnprintf(path, sizeof(path), form, args);
	va_end(args);
	for (char *p = path + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(path, 0755);
		*p = '/';
	}
	file = fopen(path, "w");
	if (!file)
		err(1, "%s", path);
	return file;
}

static void finish(FILE *file)
{
	if (fclose(file))
		err(1, "write");
}

static void write_formats(const char *root)
{
	static const char * const common[] = {
		"unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;",
		"unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;",
		"unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;",
		"int common_pid;\toffset:4;\tsize:4;\tsigned:1;",
	};
	FILE *file = create("%s/events/header_page", root);

	fprintf(file, "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
		"\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
		"\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
		"\tfield: char data;\toffset:16;\tsize:%d;\tsigned:1;\n", PAGE - 16);
	finish(file);
	for (size_t i = 0; i < FORMATS; i++) {
		const struct format *format = &formats[i];

		file = create("%s/events/mdev_recovery/%s/format", root, format->name);
		fprintf(file, "name: %s\nID: %zu\nformat:\n", format->name, FIRST_ID + i);
		for (size_t k = 0; k < sizeof(common) / sizeof(*common); k++)
			fprintf(file, "\tfield:%s\n", common[k]);
		fputc('\n', file);
		for (int k = 0; format->fields[k].name; k++)
			fprintf(file, "\tfield:%s %s;\toffset:%u;\tsize:%u;\tsigned:%d;\n",
				format->fields[k].size ? format->fields[k].type :
				"__data_loc char[]", format->fields[k].name,
				format->fields[k].offset,
				format->fields[k].size ? format->fields[k].size : 4,
				format->fields[k].size == 4);
		fprintf(file, "\nprint fmt: \"%%s\", __get_str(group)\n");
		finish(file);
	}
}

static struct part *part_of(struct writer *writer)
{
	return &writer->ring.parts[(FIRST_PART + writer->part) % PARTS];
}

/* Whole words; what the last one has too much is 0. */
static void put(struct part *part, const void *data, size_t size)
{
	if (part->length + size + 3 > sizeof(part->data))
		errx(1, "a part is full");
	memcpy(part->data + part->length, data, size);
	part->length += (size + 3) / 4 * 4;
}

static void put_word(struct part *part, uint32_t word)
{
	put(part, &word, sizeof(word));
}

static void put_entry(struct writer *writer, uint64_t time, const void *data, size_t size)
{
	struct part *part = part_of(writer);
	uint64_t delta;
	uint32_t words = (size + 3) / 4;

	if (time < writer->time)
		errx(1, "time goes backwards");
	if (!writer->entries++) {
		part->time = time;
		writer->time = time;
	}
	delta = time - writer->time;
	writer->time = time;
	if (delta >> 27) {
		put_word(part, EXTEND | (uint32_t)(delta << 5));
		put_word(part, delta >> 27);
		delta = 0;
	}
	if (words <= WORDS_MOST) {
		put_word(part, words | (uint32_t)(delta << 5));
	} else {
		put_word(part, delta << 5);
		put_word(part, words * 4 + 4);
	}
	put(part, data, size);
	writer->ring.meta.entries++;
}

static void add(unsigned int cpu, uint64_t time, const void *data, size_t size)
{
	static const uint32_t foreign[] = { FOREIGN_ID, 42, 0 };
	struct writer *writer = &writers[cpu];

	if (writer->entries == ENTRIES) {
		/* discarded */
		put_word(part_of(writer), PADDING | 1 << 5);
		put_word(part_of(writer), 8);
		put_word(part_of(writer), 0);
		writer->part++;
		writer->entries = 0;
	}
	put_entry(writer, time, data, size);
	if (writer->entries == 1)
		put_entry(writer, time, foreign, sizeof(foreign));
}

/* A string field: where it is, and how long. */
static void put_text(unsigned char *data, size_t *size, unsigned int offset, const char *text)
{
	uint32_t length = strlen(text) + 1, location = length << 16 | *size;

	memcpy(data + offset, &location, 4);
	memcpy(data + *size, text, length);
	*size += length;
}

/* The entry, by its text; the number of bytes. */
static size_t encode(unsigned char *data, const struct format *format, const char *text)
{
	char words[4][64] = { "" };
	unsigned long long number = 0;
	uint16_t id = FIRST_ID + (format - formats);
	size_t size = 36, word = 0;
	int result = 0, got;

	if (format == &formats[0])
		got = sscanf(text, "%63s id=%llu %63s --%63[^ -]--> %63s", words[0], &number,
			     words[1], words[2], words[3]) - 3;
	else if (format == &formats[2])
		got = sscanf(text, "%63s %63s ns=%llu result=%d", words[0], words[1], &number,
			     &result) - 2;
	else
		got = sscanf(text, "%63s ns=%llu %*[a-z]=%d", words[0], &number, &result) - 1;
	if (got != 2)
		errx(1, "no entry: %s", text);
	memset(data, 0, size);
	memcpy(data, &id, 2);
	memcpy(data + 16, &number, 8);
	for (int i = 0; format->fields[i].name; i++) {
		if (!format->fields[i].size)
			put_text(data, &size, format->fields[i].offset, words[word++]);
		else if (format->fields[i].size < 8)
			memcpy(data + format->fields[i].offset, &result, format->fields[i].size);
	}
	return size;
}

static void see_line(const char *line)
{
	unsigned long long seconds, fraction;
	unsigned char data[512];
	unsigned int cpu;
	const char *p;
	int entry;

	if (sscanf(line, "CPU:%u [LOST %llu", &cpu, &seconds) == 2 && cpu < CPUS) {
		writers[cpu].ring.meta.overwritten = seconds;
		return;
	}
	if (sscanf(line, "CPU:%u [TAKEN %llu", &cpu, &seconds) == 2 && cpu < CPUS) {
		writers[cpu].ring.meta.taken = seconds;
		return;
	}
	if (*line == '#')
		return;
	p = strrchr(line, '[');
	if (!p || sscanf(p, "[%u] %*s %llu.%6llu: %n", &cpu, &seconds, &fraction, &entry) != 3 ||
	    cpu >= CPUS)
		errx(1, "no line of a trace: %s", line);
	for (size_t i = 0; i < FORMATS; i++) {
		size_t length = strlen(formats[i].name);

		if (strncmp(p + entry, formats[i].name, length))
			continue;
		add(cpu, (seconds * 1000000 + fraction) * 1000, data,
		    encode(data, &formats[i], p + entry + length + 2));
		return;
	}
	errx(1, "no entry of ours: %s", line);
}

int main(int argc, char **argv)
{
	char line[1024];
	FILE *file;

	if (argc != 2)
		errx(2, "usage: rings TRACEFS <TEXT");
	while (fgets(line, sizeof(line), stdin))
		see_line(line);
	write_formats(argv[1]);
	for (int cpu = 0; cpu < CPUS; cpu++) {
		struct ring *ring = &writers[cpu].ring;

		ring->meta.size = PAGE;
		ring->meta.struct_size = sizeof(ring->meta);
		ring->meta.part_size = PAGE;
		ring->meta.parts = PARTS;
		file = create("%s/instances/mdev_recovery/per_cpu/cpu%d/trace_pipe_raw", argv[1],
			      cpu);
		fwrite(ring, sizeof(*ring), 1, file);
		finish(file);
	}
	return 0;
}
