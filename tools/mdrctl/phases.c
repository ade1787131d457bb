// SPDX-License-Identifier: GPL-2.0-only
/*
 * A recovery begins when its group leaves "open" or "failed", and ends when the group
 * is in one of these states again. Phases divide it without gaps.
 */
#include <string.h>

#include "mdrctl.h"
#include "phases.h"
#include "trace.h"

/* In the order in which they usually come. */
static const struct phase_kind kinds[] = {
	{ "closing", "the gate closes", "#b03a2e" },
	{ "draining", "users leave the gate", "#ad5c00" },
	{ "host", "the host's reset", "#1f618d" },
	{ "restoring", "the function is restored", "#117864" },
	{ "device", "the device takes its time", "#6b4f2a" },
	{ "finishing", "the host ends", "#5b6770" },
	{ "holding", "its user has to reset", "#4a3aa7" },
	{ "evicting", "its user has to leave", "#884ea0" },
	{ "resetting", "reset without an error", "#2e4053" },
	{ "failed", "failed", "#641e16" },
	{ "other", "something else", "#515a5a" },
};

const struct phase_kind *phase_kind(const char *name)
{
	size_t last = sizeof(kinds) / sizeof(*kinds) - 1;

	for (size_t i = 0; i < last; i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return &kinds[last];
}

const char *cause_text(const char *why)
{
	static const char * const texts[][2] = {
		{ "error_fatal", "fatal error" },
		{ "error_nonfatal", "non-fatal error" },
		{ "error_permanent", "permanent error" },
		{ "host_reset_begin", "reset from outside" },
		{ "user_reset_begin", "reset by a user" },
		{ "admin_recover", "recovery by the administrator" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (!strcmp(texts[i][0], why))
			return texts[i][1];
	/* the trace begins later */
	return "cause not recorded";
}

static struct json_object *last_of(struct json_object *array)
{
	size_t count = json_object_array_length(array);

	return count ? json_object_array_get_idx(array, count - 1) : NULL;
}

/* The last recovery of the group, over or not. */
static struct json_object *find_recovery(struct json_object *recoveries,
					 const struct point *point)
{
	for (size_t i = json_object_array_length(recoveries); i--;) {
		struct json_object *one = json_object_array_get_idx(recoveries, i);

		if (!strcmp(get_text(one, "group"), point->group))
			return one;
	}
	return NULL;
}

static int64_t time_us(const struct point *point)
{
	return point->at_ns / 1000;
}

static bool has_ended(struct json_object *recovery)
{
	return *get_text(recovery, "end");
}

/* The last phase lasts at least until here. */
static void phase_extend(struct json_object *recovery, int64_t after_us)
{
	struct json_object *phase = last_of(get_list(recovery, "phases"));

	if (phase && after_us > get_number(phase, "after_us"))
		add_number(phase, "took_us", after_us - get_number(phase, "after_us"));
	if (after_us > get_number(recovery, "took_us"))
		add_number(recovery, "took_us", after_us);
}

/* End the phase here; drop it if it took no time. */
static void phase_end(struct json_object *recovery, int64_t after_us)
{
	struct json_object *phases = get_list(recovery, "phases"), *phase = last_of(phases);

	phase_extend(recovery, after_us);
	if (phase && !get_number(phase, "took_us"))
		json_object_array_del_idx(phases, json_object_array_length(phases) - 1, 1);
}

/* Begin a phase here. */
static void phase_begin(struct json_object *recovery, const char *name, int64_t after_us)
{
	struct json_object *phases = get_list(recovery, "phases"), *phase = last_of(phases);

	if (phase && !strcmp(get_text(phase, "name"), name))
		return;
	/* a duration is reported at its end, so it may begin before the last phase does */
	if (phase && after_us < get_number(phase, "after_us"))
		after_us = get_number(phase, "after_us");
	phase_end(recovery, after_us);
	phase = json_object_new_object();
	add_text(phase, "name", name);
	add_number(phase, "after_us", after_us);
	add_number(phase, "took_us", 0);
	json_object_array_add(phases, phase);
}

static bool phase_is(struct json_object *recovery, const char *name)
{
	struct json_object *phase = last_of(get_list(recovery, "phases"));

	return phase && !strcmp(get_text(phase, "name"), name);
}

static struct json_object *recovery_new(const struct point *point)
{
	bool whole = !strcmp(point->from, "open") || !strcmp(point->from, "failed");
	struct json_object *recovery = json_object_new_object();

	add_text(recovery, "group", point->group);
	json_object_object_add(recovery, "events", json_object_new_array());
	add_text(recovery, "cause", point->why);
	add_number(recovery, "start_us", time_us(point));
	json_object_object_add(recovery, "time_us", NULL);
	json_object_object_add(recovery, "whole", json_object_new_boolean(whole));
	add_text(recovery, "end", NULL);
	add_number(recovery, "took_us", 0);
	json_object_object_add(recovery, "host_us", NULL);
	json_object_object_add(recovery, "phases", json_object_new_array());
	json_object_object_add(recovery, "steps", json_object_new_array());
	json_object_object_add(recovery, "stalls", json_object_new_array());
	return recovery;
}

static void add_step(struct json_object *recovery, const struct point *point, int64_t after_us)
{
	struct json_object *step = json_object_new_object();
	struct json_object *events = get_list(recovery, "events"), *last = last_of(events);

	if (!last || (uint64_t)json_object_get_int64(last) != point->event)
		json_object_array_add(events, json_object_new_int64(point->event));
	add_number(step, "after_us", after_us);
	add_number(step, "event", point->event);
	add_text(step, "from", point->from);
	add_text(step, "why", point->why);
	add_text(step, "to", point->to);
	json_object_array_add(get_list(recovery, "steps"), step);
}

/* Measured from the last error, like the driver's recovery_ns_last. */
static void add_host_time(struct json_object *recovery, int64_t after_us)
{
	struct json_object *steps = get_list(recovery, "steps");

	for (size_t i = json_object_array_length(steps); i--;) {
		struct json_object *step = json_object_array_get_idx(steps, i);

		/* a group of several functions closes again for the same event */
		if (strncmp(get_text(step, "why"), "error_", 6) ||
		    (i && get_number(json_object_array_get_idx(steps, i - 1), "event") ==
			  get_number(step, "event")))
			continue;
		add_number(recovery, "host_us", after_us - get_number(step, "after_us"));
		return;
	}
}

static const char *phase_of(const struct point *point, struct json_object *recovery)
{
	if (!strcmp(point->why, "slot_reset_ok"))
		return "finishing";
	if (strcmp(point->to, "recovering"))
		return point->to;
	/* begun by the drain already, unless the trace has no drain */
	return phase_is(recovery, "closing") || phase_is(recovery, "draining") ? "host" : NULL;
}

/* A late resume continues a recovery that had failed. */
static bool goes_on(struct json_object *recovery, const struct point *point)
{
	return recovery && (!has_ended(recovery) || (!strcmp(get_text(recovery, "end"), "failed") &&
						     !strncmp(point->why, "resume_", 7)));
}

static void see_state(struct json_object *recoveries, const struct point *point)
{
	struct json_object *recovery = find_recovery(recoveries, point);
	bool ends = !strcmp(point->to, "open") || !strcmp(point->to, "failed");
	const char *phase;
	int64_t after_us;

	if (!goes_on(recovery, point)) {
		/* a failed function has left the group, or the trace begins later */
		if (!strcmp(point->to, "open"))
			return;
		recovery = recovery_new(point);
		json_object_array_add(recoveries, recovery);
	}
	after_us = time_us(point) - get_number(recovery, "start_us");
	if (has_ended(recovery)) {
		phase_begin(recovery, "failed", get_number(recovery, "took_us"));
		add_text(recovery, "end", NULL);
	}
	add_step(recovery, point, after_us);
	if (!strncmp(point->why, "resume_", 7))
		add_host_time(recovery, after_us);
	if (ends) {
		phase_end(recovery, after_us);
		add_text(recovery, "end", point->to);
		return;
	}
	phase = phase_of(point, recovery);
	if (phase)
		phase_begin(recovery, phase, after_us);
	phase_extend(recovery, after_us);
}

/* After a drain the phase before it continues, except for closing. */
static void see_drain(struct json_object *recovery, const struct point *point, int64_t after_us)
{
	bool closes = phase_is(recovery, "closing");

	if (!closes && !phase_is(recovery, "resetting"))
		return;
	phase_begin(recovery, "draining", after_us - (int64_t)(point->ns / 1000));
	phase_begin(recovery, closes ? "host" : "resetting", after_us);
}

/* The function is whole, or the device is still slow. */
static void see_restore(struct json_object *recovery, const struct point *point, int64_t after_us)
{
	bool resets = phase_is(recovery, "resetting");

	if (!resets && !phase_is(recovery, "host") && !phase_is(recovery, "device") &&
	    !phase_is(recovery, "finishing"))
		return;
	phase_begin(recovery, "restoring", after_us - (int64_t)(point->ns / 1000));
	phase_begin(recovery, resets ? "resetting" : point->result ? "device" : "finishing",
		    after_us);
}

/* A wait is reported when the user continues, which usually is after the end. */
static void see_stall(struct json_object *recovery, const struct point *point, int64_t after_us)
{
	int64_t took_us = point->ns / 1000;
	struct json_object *stall;

	if (has_ended(recovery) && after_us - took_us > get_number(recovery, "took_us"))
		return;
	stall = json_object_new_object();
	add_number(stall, "after_us", after_us - took_us);
	add_number(stall, "took_us", took_us);
	add_number(stall, "result", point->result);
	json_object_array_add(get_list(recovery, "stalls"), stall);
}

/* What has begun until now may have a hole, because another CPU's entries are gone. */
static void see_lost(struct json_object *recoveries)
{
	for (size_t i = 0; i < json_object_array_length(recoveries); i++)
		json_object_object_add(json_object_array_get_idx(recoveries, i), "whole",
				       json_object_new_boolean(false));
}

static void see(struct json_object *recoveries, const struct point *point)
{
	struct json_object *recovery;
	int64_t after_us;

	if (point->kind == POINT_LOST) {
		see_lost(recoveries);
		return;
	}
	if (point->kind == POINT_STATE) {
		see_state(recoveries, point);
		return;
	}
	recovery = find_recovery(recoveries, point);
	if (!recovery)
		return;
	after_us = time_us(point) - get_number(recovery, "start_us");
	if (point->kind == POINT_STALL)
		see_stall(recovery, point, after_us);
	else if (has_ended(recovery))
		return;
	else if (point->kind == POINT_DRAIN)
		see_drain(recovery, point, after_us);
	else
		see_restore(recovery, point, after_us);
}

/* Is it a reset by a user? Drivers may reset very often. */
static bool is_routine(struct json_object *recovery)
{
	struct json_object *steps = get_list(recovery, "steps");

	for (size_t i = 0; i < json_object_array_length(steps); i++) {
		const char *why = get_text(json_object_array_get_idx(steps, i), "why");

		if (strncmp(why, "user_reset_", 11))
			return false;
	}
	return !strcmp(get_text(json_object_array_get_idx(steps, 0), "from"), "open");
}

void phases_read(const struct trace *trace, struct json_object *recoveries)
{
	for (size_t i = 0; i < trace->count; i++)
		see(recoveries, &trace->points[i]);
	for (size_t i = json_object_array_length(recoveries); i--;)
		if (is_routine(json_object_array_get_idx(recoveries, i)))
			json_object_array_del_idx(recoveries, i, 1);
}
