// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl timeline: the last recoveries and their phases.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "history.h"
#include "mdrctl.h"
#include "phases.h"
#include "picture.h"
#include "recoveries.h"
#include "tracing.h"

#define LAST 10
#define BAR 32

static void when_text(struct json_object *recovery, char *text, size_t size)
{
	int64_t start_us = get_number(recovery, "start_us");
	char at[TIME_SIZE];

	if (get_list(recovery, "time_us")) {
		time_text(get_number(recovery, "time_us"), at);
		snprintf(text, size, "%s", at);
	} else {
		snprintf(text, size, "%lld.%06d s of the trace", (long long)(start_us / 1000000),
			 (int)(start_us % 1000000));
	}
}

/* The phase's share of the recovery, at least one character wide. */
static void bar_text(struct json_object *phase, int64_t whole_us, char bar[BAR + 1])
{
	int64_t from = get_number(phase, "after_us") * BAR / whole_us, to;

	to = (get_number(phase, "after_us") + get_number(phase, "took_us")) * BAR / whole_us;
	if (from > BAR - 1)
		from = BAR - 1;
	for (int i = 0; i < BAR; i++)
		bar[i] = i == from || (i > from && i < to) ? '#' : '.';
	bar[BAR] = 0;
}

static void print_phases(struct json_object *recovery)
{
	struct json_object *phases = get_list(recovery, "phases");
	int64_t whole_us = get_number(recovery, "took_us");
	char after[SPAN_SIZE], took[SPAN_SIZE], bar[BAR + 1];

	for (size_t i = 0; i < json_object_array_length(phases); i++) {
		struct json_object *phase = json_object_array_get_idx(phases, i);

		span_text(get_number(phase, "after_us"), after);
		span_text(get_number(phase, "took_us"), took);
		bar_text(phase, whole_us ? whole_us : 1, bar);
		printf("  %14s  %14s  %s  %s\n", after, took, bar,
		       phase_kind(get_text(phase, "name"))->text);
	}
}

static void print_users(struct json_object *recovery)
{
	struct json_object *stalls = get_list(recovery, "stalls");
	size_t count = json_object_array_length(stalls), gave_up = 0;
	int64_t longest_us = 0;
	char longest[SPAN_SIZE];

	for (size_t i = 0; i < count; i++) {
		struct json_object *stall = json_object_array_get_idx(stalls, i);

		if (get_number(stall, "took_us") > longest_us)
			longest_us = get_number(stall, "took_us");
		gave_up += !!get_number(stall, "result");
	}
	span_text(longest_us, longest);
	if (!count)
		printf("  no user waited\n");
	else
		printf("  users waited: %zu, the longest %s; without access in the end: %zu\n",
		       count, longest, gave_up);
}

static void print_recovery(const struct cli *cli, struct json_object *recovery)
{
	struct json_object *events = get_list(recovery, "events");
	const char *end = get_text(recovery, "end");
	char when[64], took[SPAN_SIZE];

	when_text(recovery, when, sizeof(when));
	span_text(get_number(recovery, "took_us"), took);
	printf("%s  event", get_text(recovery, "group"));
	for (size_t i = 0; i < json_object_array_length(events); i++)
		printf(" %s", json_object_get_string(json_object_array_get_idx(events, i)));
	printf(": %s at %s, %s%s%s after %s\n", cause_text(get_text(recovery, "cause")), when,
	       colour_on(cli, *end ? state_colour(end) : BUSY), *end ? end : "not over",
	       colour_off(cli), took);
	if (!json_object_get_boolean(get_list(recovery, "whole")))
		printf("  a part of it may be missing in the trace\n");
	print_phases(recovery);
	print_users(recovery);
}

/* The ring's times are those of CLOCK_MONOTONIC. */
static void add_times(struct json_object *recoveries)
{
	struct timespec now;
	int64_t shift_us;

	clock_gettime(CLOCK_MONOTONIC, &now);
	shift_us = time_now_us() - (now.tv_sec * 1000000LL + now.tv_nsec / 1000);
	for (size_t i = 0; i < json_object_array_length(recoveries); i++) {
		struct json_object *recovery = json_object_array_get_idx(recoveries, i);

		add_number(recovery, "time_us", get_number(recovery, "start_us") + shift_us);
	}
}

static struct json_object *read_trace(struct cli *cli, int *end)
{
	struct json_object *recoveries = NULL;
	struct trace trace = { NULL };
	bool is_monotonic;

	*end = tracing_read(cli->mdr, &trace, &is_monotonic);
	if (!*end) {
		recoveries = json_object_new_array();
		phases_read(&trace, recoveries);
		if (is_monotonic)
			add_times(recoveries);
	}
	free(trace.points);
	return recoveries;
}

/* The last ones, of one group or of all (NULL). */
static void choose(struct json_object *recoveries, const char *group, uint64_t most)
{
	size_t count;

	for (size_t i = json_object_array_length(recoveries); group && i--;) {
		struct json_object *recovery = json_object_array_get_idx(recoveries, i);

		if (strcmp(get_text(recovery, "group"), group))
			json_object_array_del_idx(recoveries, i, 1);
	}
	count = json_object_array_length(recoveries);
	if (count > most)
		json_object_array_del_idx(recoveries, 0, count - most);
}

/* A reader sees the old picture or the new one. */
static int draw(const char *path, struct json_object *recoveries)
{
	char *text = NULL;
	size_t size;
	FILE *to;
	int ret;

	to = open_memstream(&text, &size);
	if (!to)
		return fail_errno(errno, path, NULL);
	picture_draw(to, recoveries, when_text);
	ret = fclose(to) ? -errno : file_replace(path, text);
	free(text);
	return ret ? fail_replace(ret, path) : END_OK;
}

static void print_all(const struct cli *cli, struct json_object *recoveries)
{
	size_t count = json_object_array_length(recoveries);

	if (!count)
		puts("There is no recovery in the trace.");
	for (size_t i = 0; i < count; i++) {
		if (i)
			putchar('\n');
		print_recovery(cli, json_object_array_get_idx(recoveries, i));
	}
}

static int show(struct cli *cli, struct json_object *recoveries)
{
	size_t count = json_object_array_length(recoveries);
	const char *svg = cli_value(cli, "svg");
	int ret = END_OK;

	if (svg && !count)
		ret = fail(END_NOT_FOUND, svg, NULL, "there is no recovery to draw");
	else if (svg)
		ret = draw(svg, recoveries);
	if (cli->json && !ret)
		json_print(tree_new("recoveries", json_object_get(recoveries)));
	else if (!svg)
		print_all(cli, recoveries);
	return ret;
}

static int record(struct cli *cli, const char *how)
{
	if (cli->json || cli->argc || cli_value(cli, "svg") || cli_value(cli, "file") ||
	    cli_value(cli, "last"))
		return fail(END_USAGE, "timeline", NULL, "--record goes with nothing else");
	if (!strcmp(how, "on"))
		return tracing_on(cli->mdr);
	if (!strcmp(how, "off"))
		return tracing_off(cli->mdr);
	return fail(END_USAGE, how, NULL, "is neither on nor off");
}

int run_timeline(struct cli *cli)
{
	const char *last = cli_value(cli, "last"), *how = cli_value(cli, "record");
	const char *file = cli_value(cli, "file");
	struct json_object *recoveries;
	uint64_t most = LAST;
	char group[32];
	int ret = END_OK;

	if (how)
		return record(cli, how);
	if (last && (!number_parse(last, UINT32_MAX, &most) || !most))
		return fail(END_USAGE, last, NULL, "is not a number of recoveries");
	if (cli->argc)
		ret = group_named(cli, cli->argv[0], group);
	if (ret)
		return ret;
	recoveries = file ? recoveries_load(file, &ret) : read_trace(cli, &ret);
	if (!ret) {
		choose(recoveries, cli->argc ? group : NULL, most);
		ret = show(cli, recoveries);
	}
	json_object_put(recoveries);
	return ret;
}
