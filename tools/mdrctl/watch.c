// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl watch: a line for each change of a group; on a terminal the table of all
 * groups, with the latest changes below it.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "mdrctl.h"
#include "history.h"

#define LATEST 10
#define LINE 128

struct watch {
	struct cli *cli;
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

static void draw(const struct watch *watch)
{
	struct json_object *groups = json_object_new_array();
	unsigned int from = watch->count > LATEST ? watch->count - LATEST : 0;

	int ret = view_groups(watch->cli->mdr, groups);

	/* to the upper left, and clear what follows */
	fputs("\033[H\033[J", stdout);
	if (ret == -EUNATCH)
		puts("The module mdev_recovery is not loaded.");
	else if (!ret)
		print_table(watch->cli, groups);
	json_object_put(groups);
	putchar('\n');
	for (unsigned int i = from; i < watch->count; i++)
		puts(watch->latest[i % LATEST]);
	fflush(stdout);
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

static int follow(struct watch *watch, struct mdr_monitor *monitor, uint64_t most)
{
	struct pollfd poll_fd = { .fd = mdr_monitor_fd(monitor), .events = POLLIN };
	uint64_t shown = 0;
	bool end;

	for (;;) {
		end = take(watch, monitor, &shown, most);
		if (watch->cli->screen && !watch->cli->json)
			draw(watch);
		if (end)
			return END_OK;
		if (poll(&poll_fd, 1, -1) < 0 && errno != EINTR)
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
	ret = mdr_monitor_new(cli->mdr, &monitor);
	if (ret)
		return fail_errno(ret, "watch", "uevents need a kernel with NETLINK");
	ret = follow(&watch, monitor, most);
	mdr_monitor_free(monitor);
	return ret;
}
