// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl watch: a line for each change of a group; on a terminal the table of all
 * groups, with the latest changes below it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include "history.h"
#include "mdrctl.h"
#include "screen.h"

#define LATEST 10
#define LINE 128
#define NARROW 80		/* columns; below that no line has a date */
#define DATE 11			/* characters, with the space behind it */

struct watch {
	struct cli *cli;
	char group[32];		/* the only one that matters; "": all */
	char latest[LATEST][LINE];
	unsigned int count;
};

/* NULL: those that were lost. */
static struct json_object *view_change(const struct mdr_change *change)
{
	struct json_object *tree = json_object_new_object();

	add_number(tree, "version", 1);
	add_number(tree, "time_us", time_now_us());
	add_text(tree, "action", change ? mdr_change_action(change) : "lost");
	add_text(tree, "group", change ? mdr_change_group(change) : NULL);
	add_text(tree, "state", change ? mdr_change_state(change) : NULL);
	add_number(tree, "event", change ? mdr_change_event(change) : 0);
	add_text(tree, "cause", change ? mdr_change_cause(change) : NULL);
	add_text(tree, "function", change ? mdr_change_function(change) : NULL);
	return tree;
}

static int view_wanted(const struct watch *watch, struct json_object *groups)
{
	struct mdr *mdr = watch->cli->mdr;
	struct mdr_group *group;
	int ret;

	if (!*watch->group)
		return view_groups(mdr, groups);
	ret = mdr_group_get(mdr, watch->group, &group);
	/* it may come later */
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	json_object_array_add(groups, view_group(mdr, group));
	mdr_group_free(group);
	return 0;
}

/* The table of groups, allocated; NULL if there is no memory. */
static char *table_text(const struct watch *watch)
{
	struct json_object *groups = json_object_new_array();
	int ret = view_wanted(watch, groups);
	char *text = NULL;
	size_t size;
	FILE *to;

	to = open_memstream(&text, &size);
	if (to && ret == -EUNATCH)
		fputs("The module mdev_recovery is not loaded.\n", to);
	else if (to && !ret)
		print_table(to, watch->cli, groups);
	json_object_put(groups);
	if (!to || !fclose(to))
		return text;
	free(text);
	return NULL;
}

/*
 * How many of the latest changes there is room for below a table of so many lines, with an
 * empty line between. They have a third of the screen if the table leaves them less.
 */
static unsigned int latest_shown(const struct watch *watch, unsigned int room, unsigned int table)
{
	unsigned int count = watch->count < LATEST ? watch->count : LATEST, most = room / 3;

	if (room > table + 1 + most)
		most = room - table - 1;
	return count < most ? count : most;
}

static void draw_table(const struct watch *watch, const struct screen *screen, const char *text,
		       unsigned int room)
{
	unsigned int lines = lines_of(text);
	char more[128];

	if (lines <= room) {
		screen_print(screen, text, lines);
		return;
	}
	screen_print(screen, text, room - 1);
	snprintf(more, sizeof(more), "%u more; %s%s\n", lines - (room - 1),
		 screen->columns < NARROW ? "" : "make the terminal higher or ", "name a group");
	screen_print(screen, *watch->group ? "...\n" : more, 1);
}

static void draw(const struct watch *watch)
{
	struct screen screen = screen_now();
	/* the cursor is in the last row */
	unsigned int room = screen.rows > 1 ? screen.rows - 1 : screen.rows ? 1 : UINT32_MAX / 2;
	char *text = table_text(watch), line[LINE + 1];
	unsigned int shown;

	if (!text)
		return;
	shown = latest_shown(watch, room, lines_of(text));
	/* to the upper left, and clear what follows */
	fputs("\033[H\033[J", stdout);
	draw_table(watch, &screen, text, shown ? room - shown - 1 : room);
	if (shown)
		putchar('\n');
	for (unsigned int i = watch->count - shown; i < watch->count; i++) {
		snprintf(line, sizeof(line), "%s\n", watch->latest[i % LATEST]);
		screen_print(&screen, line + (screen.columns && screen.columns < NARROW ? DATE : 0),
			     1);
	}
	fflush(stdout);
	free(text);
}

static void show_line(struct watch *watch, const char line[LINE])
{
	if (watch->cli->screen) {
		memcpy(watch->latest[watch->count++ % LATEST], line, LINE);
		return;
	}
	puts(line);
	fflush(stdout);
}

static void show(struct watch *watch, const struct mdr_change *change)
{
	struct cli *cli = watch->cli;
	struct json_object *tree = view_change(change);
	const char *state = get_text(tree, "state");
	char line[LINE], at[TIME_SIZE];

	if (cli->json) {
		json_print_line(tree);
		return;
	}
	time_text(json_object_get_int64(get_list(tree, "time_us")), at);
	if (*state)
		snprintf(line, sizeof(line), "%s  %-9s %s%-10s%s event %s  %s%s%s", at,
			 get_text(tree, "group"), colour_on(cli, state_colour(state)), state,
			 colour_off(cli), get_text(tree, "event"), get_text(tree, "cause"),
			 *get_text(tree, "function") ? "  " : "", get_text(tree, "function"));
	else
		snprintf(line, sizeof(line), "%s  %-9s %s", at, get_text(tree, "group"),
			 get_text(tree, "action"));
	json_object_put(tree);
	show_line(watch, line);
}

/* The kernel had more to say than there was room for. */
static void show_lost(struct watch *watch)
{
	char line[LINE], at[TIME_SIZE];

	if (watch->cli->json) {
		json_print_line(view_change(NULL));
		return;
	}
	time_text(time_now_us(), at);
	snprintf(line, sizeof(line),
		 "%s  some changes were lost; mdrctl list shows what all groups are now", at);
	show_line(watch, line);
}

/* Shows what is pending. Returns whether that is all that is wanted; most of 0 is no end. */
static bool take(struct watch *watch, struct mdr_monitor *monitor, uint64_t *shown, uint64_t most)
{
	const struct mdr_change *change;

	for (;;) {
		while ((change = mdr_monitor_next(monitor))) {
			if (*watch->group && strcmp(mdr_change_group(change), watch->group))
				continue;
			show(watch, change);
			/* main() says that nothing can be written */
			if (++*shown == most || ferror(stdout))
				return true;
		}
		/* the kernel tells of the loss first; what is pending is older */
		if (!mdr_monitor_lost(monitor))
			return false;
		show_lost(watch);
		if (ferror(stdout))
			return true;
	}
}

static void on_resize(int signo)
{
	(void)signo;
}

/* While it waits, the terminal may get another size, which ends the wait. */
static void expect_resize(sigset_t *waiting)
{
	const struct sigaction action = { .sa_handler = on_resize, .sa_flags = SA_RESTART };
	sigset_t resize;

	sigemptyset(&resize);
	sigaddset(&resize, SIGWINCH);
	sigprocmask(SIG_BLOCK, &resize, waiting);
	sigdelset(waiting, SIGWINCH);
	sigaction(SIGWINCH, &action, NULL);
}

static int follow(struct watch *watch, struct mdr_monitor *monitor, uint64_t most)
{
	int fd = mdr_monitor_fd(monitor);
	uint64_t shown = 0;
	sigset_t waiting;
	fd_set fds;
	bool end;

	expect_resize(&waiting);
	for (;;) {
		end = take(watch, monitor, &shown, most);
		if (watch->cli->screen && !watch->cli->json)
			draw(watch);
		if (end)
			return END_OK;
		FD_ZERO(&fds);
		FD_SET(fd, &fds);
		if (pselect(fd + 1, &fds, NULL, NULL, NULL, &waiting) < 0 && errno != EINTR)
			return fail_errno(errno, "watch", NULL);
	}
}

int run_watch(struct cli *cli)
{
	struct watch watch = { .cli = cli };
	const char *count = cli_value(cli, "count");
	struct mdr_monitor *monitor;
	uint64_t most = 0;
	int ret;

	if (count && (!number_parse(count, UINT32_MAX, &most) || !most))
		return fail(END_USAGE, count, NULL, "is not a number of changes");
	if (cli->argc) {
		ret = group_named(cli, cli->argv[0], watch.group);
		if (ret)
			return ret;
	}
	ret = mdr_monitor_new(cli->mdr, &monitor);
	if (ret)
		return fail_errno(ret, "watch", "uevents need a kernel with NETLINK");
	ret = follow(&watch, monitor, most);
	mdr_monitor_free(monitor);
	return ret;
}
