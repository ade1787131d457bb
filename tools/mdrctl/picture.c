// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recoveries as a picture for a report, in SVG. Each has a panel: a row of its phases, a
 * row for each user that waited, an axis, and a legend with the durations, because most
 * phases are too short to be seen beside the host's reset.
 *
 * Each element is a line. All text consists of numbers, dates and known words.
 */
#include <math.h>
#include <string.h>

#include "mdrctl.h"
#include "phases.h"
#include "picture.h"

#define WIDTH 960.0
#define LEFT 112.0		/* left end of the scale */
#define RIGHT 928.0
#define MARGIN 24.0
#define ROW 30.0		/* of phases */
#define USER 16.0		/* of a user that waited */
#define USERS_MOST 6
#define LEGEND 20.0
#define COLUMNS 3
#define LEAST 3.0		/* the smallest visible width */
#define LETTER 0.62		/* width of a letter, in font sizes, at most */
/* Where the scale is cut and continues, as fractions of the width. */
#define CUT 0.84
#define GOES_ON 0.87

#define GREY "#5b6770"
#define BLACK "#1c2833"

struct panel {
	FILE *to;
	struct json_object *recovery, *phases, *stalls;
	size_t users;		/* rows */
	int64_t whole_us;
	int64_t cut_us;		/* the scale changes here; 0: nowhere */
	double y;
};

void span_text(int64_t us, char text[SPAN_SIZE])
{
	if (us < 1000000)
		snprintf(text, SPAN_SIZE, "%.3f ms", us / 1e3);
	else
		snprintf(text, SPAN_SIZE, "%.3f s", us / 1e6);
}

static void draw_text(const struct panel *panel, double x, double y, const char *anchor, int size,
		      const char *colour, const char *text)
{
	fprintf(panel->to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" ", x, y, anchor);
	fprintf(panel->to, "font-size=\"%d\" fill=\"%s\">%s</text>\n", size, colour, text);
}

static void draw_box(const struct panel *panel, double x, double y, double width, double height,
		     const char *colour)
{
	fprintf(panel->to, "<rect x=\"%.1f\" y=\"%.1f\" ", x, y);
	fprintf(panel->to, "width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", width, height,
		colour);
}

static void draw_line(const struct panel *panel, double x1, double y1, double x2, double y2)
{
	fprintf(panel->to, "<line x1=\"%.1f\" y1=\"%.1f\" ", x1, y1);
	fprintf(panel->to, "x2=\"%.1f\" y2=\"%.1f\" stroke=\"#aab4bd\"/>\n", x2, y2);
}

/* The scale has two pieces, with room for the cut between them. */
static double scale(const struct panel *panel, int64_t us)
{
	double whole = RIGHT - LEFT;

	if (us < 0)
		us = 0;
	if (us > panel->whole_us)
		us = panel->whole_us;
	if (!panel->cut_us)
		return LEFT + whole * us / panel->whole_us;
	if (us <= panel->cut_us)
		return LEFT + whole * CUT * us / panel->cut_us;
	return LEFT + whole * (GOES_ON + (1 - GOES_ON) * (us - panel->cut_us) /
					 (panel->whole_us - panel->cut_us));
}

/* A user may take long to release its device; keep the host's part visible. */
static void find_scale(struct panel *panel)
{
	size_t count = json_object_array_length(panel->phases);
	int64_t before_us;

	panel->whole_us = get_number(panel->recovery, "took_us");
	for (size_t i = 0; i < json_object_array_length(panel->stalls); i++) {
		struct json_object *stall = json_object_array_get_idx(panel->stalls, i);
		int64_t end_us = get_number(stall, "after_us") + get_number(stall, "took_us");

		if (end_us > panel->whole_us)
			panel->whole_us = end_us;
	}
	if (!panel->whole_us)
		panel->whole_us = 1;
	before_us = !count ? 0 : get_number(json_object_array_get_idx(panel->phases, count - 1),
					    "after_us");
	if (before_us && panel->whole_us > 4 * before_us)
		panel->cut_us = before_us + before_us / 6;
}

static void draw_head(struct panel *panel,
		      void (*when)(struct json_object *recovery, char *text, size_t size))
{
	struct json_object *recovery = panel->recovery, *events = get_list(recovery, "events");
	const char *end = get_text(recovery, "end");
	char text[256], at[64], span[SPAN_SIZE];
	size_t count = json_object_array_length(events);
	bool bad = strcmp(end, "open");

	snprintf(text, sizeof(text), "%s, event %s%s: %s", get_text(recovery, "group"),
		 json_object_get_string(json_object_array_get_idx(events, 0)),
		 count > 1 ? " and later" : "", cause_text(get_text(recovery, "cause")));
	draw_text(panel, MARGIN, panel->y + 26, "start", 16, BLACK, text);
	span_text(get_number(recovery, "took_us"), span);
	snprintf(text, sizeof(text), "%s after %s", *end ? end : "not over", span);
	draw_text(panel, RIGHT, panel->y + 26, "end", 16, bad ? "#b03a2e" : "#117864", text);

	when(recovery, at, sizeof(at));
	snprintf(text, sizeof(text), "began at %s%s", at,
		 json_object_get_boolean(get_list(recovery, "whole")) ? "" :
		 "; a part of it may be missing in the trace");
	draw_text(panel, MARGIN, panel->y + 46, "start", 12, GREY, text);
	if (get_list(recovery, "host_us")) {
		span_text(get_number(recovery, "host_us"), span);
		snprintf(text, sizeof(text), "host done after %s", span);
		draw_text(panel, RIGHT, panel->y + 46, "end", 12, GREY, text);
	}
	panel->y += 60;
}

/* Inside the box if there is room, and before the cut. */
static void draw_inside(const struct panel *panel, double x, double y, double width, int size,
			const char *colour, const char *text)
{
	double cut = LEFT + (RIGHT - LEFT) * CUT - 10;

	if (panel->cut_us && x < cut && x + width > cut)
		width = cut - x;
	if (strlen(text) * size * LETTER + 8 <= width)
		draw_text(panel, x + width / 2, y, "middle", size, colour, text);
}

static void draw_phases(struct panel *panel)
{
	size_t count = json_object_array_length(panel->phases);
	double end = LEFT;

	draw_text(panel, LEFT - 12, panel->y + ROW / 2 + 4, "end", 12, GREY, "group");
	for (size_t i = 0; i < count; i++) {
		struct json_object *phase = json_object_array_get_idx(panel->phases, i);
		const struct phase_kind *kind = phase_kind(get_text(phase, "name"));
		int64_t after_us = get_number(phase, "after_us");
		/* short phases move others a little */
		double last = RIGHT - LEAST * (count - i - 1);
		double x = fmin(fmax(end, scale(panel, after_us)), last - LEAST);

		end = scale(panel, after_us + get_number(phase, "took_us"));
		end = fmin(fmax(end, x + LEAST), last);
		draw_box(panel, x, panel->y, end - x, ROW, kind->colour);
		draw_inside(panel, x, panel->y + ROW / 2 + 4, end - x, 12, "#ffffff", kind->text);
	}
	panel->y += ROW + 8;
}

static void draw_users(struct panel *panel)
{
	size_t count = json_object_array_length(panel->stalls);
	char text[64], span[SPAN_SIZE];

	for (size_t i = 0; i < panel->users; i++) {
		struct json_object *stall = json_object_array_get_idx(panel->stalls, i);
		int64_t after_us = get_number(stall, "after_us");
		int64_t took_us = get_number(stall, "took_us");
		bool bad = get_number(stall, "result");
		double x = scale(panel, after_us), width;

		width = fmax(LEAST, scale(panel, after_us + took_us) - x);
		span_text(took_us, span);
		snprintf(text, sizeof(text), "%s %s", bad ? "no access after" : "waited", span);
		if (!i)
			draw_text(panel, LEFT - 12, panel->y + 10, "end", 12, GREY, "users");
		draw_box(panel, x, panel->y, width, USER - 3, bad ? "#f1c6c0" : "#d5dde5");
		draw_inside(panel, x, panel->y + 10, width, 10, BLACK, text);
		panel->y += USER;
	}
	if (count > panel->users) {
		snprintf(text, sizeof(text), "and %zu more waits of users", count - panel->users);
		draw_text(panel, LEFT, panel->y + 11, "start", 10, GREY, text);
		panel->y += USER;
	}
}

/* 1, 2 or 5 times a power of ten. */
static int64_t tick_of(int64_t most_us)
{
	for (int64_t tick = 1;; tick *= 10)
		for (int by = 1; by <= 5; by += by == 1 ? 1 : 3)
			if (tick * by * 8 >= most_us)
				return tick * by;
}

static void draw_axis(struct panel *panel, double top)
{
	int64_t most_us = panel->cut_us ? panel->cut_us : panel->whole_us;
	int64_t tick = tick_of(most_us);
	char text[SPAN_SIZE];

	panel->y += 4;
	draw_line(panel, LEFT, panel->y, RIGHT, panel->y);
	for (int64_t us = 0; us <= most_us; us += tick) {
		double x = scale(panel, us);

		draw_line(panel, x, panel->y, x, panel->y + 5);
		if (most_us < 1000000)
			snprintf(text, sizeof(text), "%g ms", us / 1e3);
		else
			snprintf(text, sizeof(text), "%g s", us / 1e6);
		draw_text(panel, x, panel->y + 18, "middle", 11, GREY, text);
	}
	if (panel->cut_us) {
		double x = LEFT + (RIGHT - LEFT) * (CUT + GOES_ON) / 2;

		fprintf(panel->to, "<polygon points=\"%.1f,%.1f %.1f,%.1f ", x - 2, top - 2, x + 10,
			top - 2);
		fprintf(panel->to, "%.1f,%.1f %.1f,%.1f\" fill=\"#ffffff\"/>\n", x + 2,
			panel->y + 2, x - 10, panel->y + 2);
		draw_line(panel, RIGHT, panel->y, RIGHT, panel->y + 5);
		span_text(panel->whole_us, text);
		draw_text(panel, RIGHT, panel->y + 18, "end", 11, GREY, text);
	}
	panel->y += 34;
}

static void draw_legend(struct panel *panel)
{
	double column = (RIGHT - MARGIN) / COLUMNS;
	size_t count = json_object_array_length(panel->phases);
	char span[SPAN_SIZE];

	for (size_t i = 0; i < count; i++) {
		struct json_object *phase = json_object_array_get_idx(panel->phases, i);
		const struct phase_kind *kind = phase_kind(get_text(phase, "name"));
		double x = MARGIN + column * (i % COLUMNS);

		draw_box(panel, x, panel->y, 12, 12, kind->colour);
		draw_text(panel, x + 18, panel->y + 11, "start", 11, BLACK, kind->text);
		span_text(get_number(phase, "took_us"), span);
		draw_text(panel, x + column - (i % COLUMNS == COLUMNS - 1 ? 0 : 24), panel->y + 11,
			  "end", 11, GREY, span);
		if (i % COLUMNS == COLUMNS - 1 || i == count - 1)
			panel->y += LEGEND;
	}
	panel->y += 16;
}

/* The height of a panel. */
static double height_of(const struct panel *panel)
{
	size_t rows = (json_object_array_length(panel->phases) + COLUMNS - 1) / COLUMNS;
	size_t more = json_object_array_length(panel->stalls) > panel->users;

	if (!rows)
		return 60;
	return 60 + ROW + 8 + (panel->users + more) * USER + 4 + 34 + rows * LEGEND + 16;
}

static struct panel panel_of(FILE *to, struct json_object *recovery)
{
	struct panel panel = {
		.to = to,
		.recovery = recovery,
		.phases = get_list(recovery, "phases"),
		.stalls = get_list(recovery, "stalls"),
	};

	panel.users = json_object_array_length(panel.stalls);
	if (panel.users > USERS_MOST)
		panel.users = USERS_MOST;
	find_scale(&panel);
	return panel;
}

void picture_draw(FILE *to, struct json_object *recoveries,
		  void (*when)(struct json_object *recovery, char *text, size_t size))
{
	size_t count = json_object_array_length(recoveries);
	double height = 0, y = 0;

	for (size_t i = 0; i < count; i++) {
		struct panel panel = panel_of(NULL, json_object_array_get_idx(recoveries, i));

		height += height_of(&panel);
	}
	fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" ");
	fprintf(to, "width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" ", WIDTH, height,
		WIDTH, height);
	fprintf(to, "font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\">\n");
	fprintf(to, "<title>Recoveries of mdev_recovery</title>\n"
		"<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n", WIDTH, height);
	for (size_t i = 0; i < count; i++) {
		struct panel panel = panel_of(to, json_object_array_get_idx(recoveries, i));
		double top;

		panel.y = y;
		if (i)
			draw_line(&panel, MARGIN, y, RIGHT, y);
		draw_head(&panel, when);
		top = panel.y;
		/* a recovery that failed at once has no phases */
		if (json_object_array_length(panel.phases)) {
			draw_phases(&panel);
			draw_users(&panel);
			draw_axis(&panel, top);
			draw_legend(&panel);
		}
		y = panel.y;
	}
	fputs("</svg>\n", to);
}
