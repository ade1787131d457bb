// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls a target with inputs that it mutates, and keeps those that reach code which none
 * has reached before. For gcc, which has no libFuzzer.
 *
 *   NAME [-seed N] [-runs N] [-seconds N] [-keep DIR] [-finding FILE] [FILE|DIR...]
 *
 * The files are the first inputs. Without -runs and -seconds each of them is tried as it
 * is. An input that makes a sanitizer speak, aborts, or takes 10 s, goes to FILE.
 */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define MOST_SIZE 8192
#define MOST_INPUTS 20000
#define HANG_S 10
/* a look for leaks takes long */
#define LOOK_RUNS 5000
#define EDGES 65536

struct input {
	uint8_t *data;
	size_t size;
};

static struct input inputs[MOST_INPUTS];
static size_t nr_inputs, nr_given;
static uint8_t current[MOST_SIZE];
static size_t current_size;
static uint64_t state;
static const char *finding = "finding", *keep;

static uint8_t reached[EDGES];
static uintptr_t last_edge;
static unsigned int news, nr_edges;

/* gcc calls it in each block of the target. */
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	/* from a symbol on, since the program is somewhere else each time */
	uintptr_t here = (uintptr_t)__builtin_return_address(0) -
			 (uintptr_t)LLVMFuzzerTestOneInput;
	uint8_t *edge = &reached[(here ^ last_edge) % EDGES];

	last_edge = here << 1;
	if (*edge)
		return;
	*edge = 1;
	news++;
}

/* splitmix64 */
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static size_t below(size_t n)
{
	return n ? next() % n : 0;
}

static void write_input(const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return;
	fwrite(current, 1, current_size, file);
	fclose(file);
}

static void on_death(void)
{
	write_input(finding);
	fprintf(stderr, "the input is in %s\n", finding);
}

static void on_hang(int number)
{
	(void)number;
	fprintf(stderr, "no end after %u s\n", HANG_S);
	on_death();
	_exit(1);
}

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_abort=1:allocator_may_return_null=1:detect_leaks=1";
}

/* Then ASan says that it is over, and calls on_death(). */
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1";
}

static void add_input(void)
{
	struct input *input = &inputs[nr_inputs];

	if (nr_inputs == MOST_INPUTS)
		return;
	input->data = malloc(current_size + 1);
	MUST(input->data);
	memcpy(input->data, current, current_size);
	input->size = current_size;
	nr_inputs++;
}

static void add_file(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return;
	current_size = fread(current, 1, MOST_SIZE, file);
	fclose(file);
	add_input();
}

static void add_path(const char *path)
{
	struct dirent **found;
	char name[PATH_MAX];
	int count;

	count = scandir(path, &found, NULL, alphasort);
	if (count < 0) {
		add_file(path);
		return;
	}
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, found[i]->d_name);
		if (found[i]->d_name[0] != '.')
			add_file(name);
		free(found[i]);
	}
	free(found);
}

static void cut(size_t at, size_t length)
{
	if (length > current_size - at)
		length = current_size - at;
	memmove(current + at, current + at + length, current_size - at - length);
	current_size -= length;
}

static void insert(size_t at, const uint8_t *from, size_t length)
{
	uint8_t copy[256];

	if (length > sizeof(copy))
		length = sizeof(copy);
	if (length > MOST_SIZE - current_size)
		length = MOST_SIZE - current_size;
	memcpy(copy, from, length);
	memmove(current + at + length, current + at, current_size - at);
	memcpy(current + at, copy, length);
	current_size += length;
}

/* A part of another input. */
static void splice(void)
{
	struct input *other = &inputs[below(nr_inputs)];
	size_t at = below(other->size);

	insert(below(current_size + 1), other->data + at, below(other->size - at + 1));
}

/* The word or number at a place drawn from size bytes: where it begins; its length. */
static size_t find_word(const uint8_t *data, size_t size, size_t *length)
{
	size_t begin = below(size), end;

	while (begin && isalnum(data[begin - 1]))
		begin--;
	for (end = begin; end < size && isalnum(data[end]); end++)
		;
	*length = end - begin;
	return begin;
}

/* A word for another one, or nothing for it: what it is part of may stay valid. */
static void swap_word(void)
{
	struct input *other = &inputs[below(nr_inputs)];
	size_t at, from, length;

	at = find_word(current, current_size, &length);
	cut(at, length);
	from = find_word(other->data, other->size, &length);
	if (below(8))
		insert(at, other->data + from, length);
}

static void insert_text(void)
{
	static const char * const texts[] = {
		"0", "-1", "18446744073709551616", "99999999999999999999", "%s%n", "\n", " ",
		"\"", "\\", "{", "}", "[", "]", "<", ">", "&", "=", "'", "null", "\xff", "\xc3",
		"<!--", "<![CDATA[", "\\u0000", "1e999", "--", "=-", "@/",
	};
	const char *text = texts[below(sizeof(texts) / sizeof(texts[0]))];

	insert(below(current_size + 1), (const uint8_t *)text, strlen(text));
}

static void mutate_once(void)
{
	static const uint8_t bytes[] = { 0, 1, 9, 10, 32, 34, 127, 128, 255 };
	size_t at = below(current_size);
	uint8_t none[64] = { 0 };

	switch (current_size ? below(12) : 6 + below(2)) {
	case 0:
		current[at] ^= 1u << below(8);
		break;
	case 1:
		current[at] = bytes[below(sizeof(bytes))];
		break;
	case 2:
		current[at] = next();
		break;
	case 3:
		cut(at, below(below(2) ? 8 : current_size - at));
		break;
	case 4:
		insert(below(current_size + 1), current + at, below(current_size - at));
		break;
	case 5:
		memset(none, next(), sizeof(none));
		insert(at, none, below(sizeof(none)));
		break;
	case 6:
		insert_text();
		break;
	case 7:
		splice();
		break;
	default:
		swap_word();
	}
}

static void draw_input(void)
{
	struct input *input = &inputs[below(nr_inputs)];

	current_size = input->size;
	memcpy(current, input->data, current_size);
	for (size_t times = 1 + below(6); times; times--)
		mutate_once();
}

static void keep_input(void)
{
	char path[PATH_MAX];
	uint64_t hash = 14695981039346656037ull;

	for (size_t i = 0; i < current_size; i++)
		hash = (hash ^ current[i]) * 1099511628211ull;
	snprintf(path, sizeof(path), "%s/%016llx", keep, (unsigned long long)hash);
	write_input(path);
}

/* Right at the end of its memory, so that nothing behind it is read unnoticed. */
static void try_input(void)
{
	uint8_t *data = malloc(current_size ? current_size : 1);

	MUST(data);
	memcpy(data, current, current_size);
	news = 0;
	last_edge = 0;
	alarm(HANG_S);
	LLVMFuzzerTestOneInput(data, current_size);
	alarm(0);
	free(data);
	nr_edges += news;
}

static void look_for_leaks(void)
{
	if (!__lsan_do_recoverable_leak_check())
		return;
	fprintf(stderr, "one of the last %u inputs leaks\n", LOOK_RUNS);
	_exit(1);
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, runs = 0, seconds = 0, done = 0;
	time_t end = 0;
	int i;

	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (!strcmp(argv[i], "-seed"))
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "-runs"))
			runs = strtoull(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "-seconds"))
			seconds = strtoull(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "-keep"))
			keep = argv[i + 1];
		else if (!strcmp(argv[i], "-finding"))
			finding = argv[i + 1];
		else
			return 2;
	}
	for (; i < argc; i++)
		add_path(argv[i]);
	if (!nr_inputs)
		return 2;
	nr_given = nr_inputs;
	state = seed;
	signal(SIGALRM, on_hang);
	__sanitizer_set_death_callback(on_death);

	for (size_t n = 0; n < nr_given; n++) {
		current_size = inputs[n].size;
		memcpy(current, inputs[n].data, current_size);
		try_input();
	}
	look_for_leaks();
	if (seconds)
		end = time(NULL) + seconds;
	while (done < runs || (end && time(NULL) < end)) {
		draw_input();
		try_input();
		if (news) {
			add_input();
			if (keep)
				keep_input();
		}
		if (++done % LOOK_RUNS == 0)
			look_for_leaks();
	}
	look_for_leaks();
	printf("seed=%llu runs=%llu inputs=%zu new=%zu edges=%u\n", (unsigned long long)seed,
	       (unsigned long long)done, nr_given, nr_inputs - nr_given, nr_edges);
	return 0;
}
