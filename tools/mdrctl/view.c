// SPDX-License-Identifier: GPL-2.0-only
/*
 * A group as a tree, as a line of a table, and as a page.
 */
#include <string.h>

#include "mdrctl.h"

static struct json_object *view_function(struct mdr *mdr, const char *address)
{
	struct json_object *tree = json_object_new_object();
	struct mdr_function *function = NULL;

	add_text(tree, "address", address);
	if (mdr_function_get(mdr, address, &function)) {
		add_text(tree, "driver", NULL);
		return tree;
	}
	add_text(tree, "driver", mdr_function_driver(function));
	mdr_function_free(function);
	return tree;
}

static struct json_object *view_mdev(struct mdr *mdr, const char *uuid)
{
	struct json_object *tree = json_object_new_object(), *settings;
	const char *name, *value;
	struct mdr_mdev *mdev;

	add_text(tree, "uuid", uuid);
	settings = json_object_new_object();
	if (mdr_mdev_get(mdr, uuid, &mdev)) {
		add_text(tree, "type", NULL);
		add_text(tree, "function", NULL);
	} else {
		add_text(tree, "type", mdr_mdev_type(mdev));
		add_text(tree, "function", mdr_mdev_function(mdev));
		for (size_t i = 0; (name = mdr_mdev_setting(mdev, i, &value)); i++)
			add_text(settings, name, value);
		mdr_mdev_free(mdev);
	}
	json_object_object_add(tree, "settings", settings);
	return tree;
}

static struct json_object *view_lists(struct mdr *mdr, const struct mdr_group *group,
				      struct json_object *tree)
{
	struct json_object *functions = json_object_new_array(), *ports = json_object_new_array();
	struct json_object *mdevs = json_object_new_array(), *blockers = json_object_new_array();
	const char *name, *port;

	for (size_t i = 0; (name = mdr_group_function(group, i)); i++)
		json_object_array_add(functions, view_function(mdr, name));
	for (size_t i = 0; (name = mdr_group_port(group, i)); i++)
		json_object_array_add(ports, json_object_new_string(name));
	for (size_t i = 0; (name = mdr_group_mdev(group, i)); i++)
		json_object_array_add(mdevs, view_mdev(mdr, name));
	for (size_t i = 0; (name = mdr_group_blocker(group, i, &port)); i++) {
		struct json_object *blocker = view_function(mdr, name);

		add_text(blocker, "port", port);
		json_object_array_add(blockers, blocker);
	}
	json_object_object_add(tree, "functions", functions);
	json_object_object_add(tree, "ports", ports);
	json_object_object_add(tree, "mdevs", mdevs);
	json_object_object_add(tree, "blockers", blockers);
	return tree;
}

struct json_object *view_group(struct mdr *mdr, const struct mdr_group *group)
{
	struct json_object *tree = json_object_new_object();
	struct json_object *counters = json_object_new_object();
	const char *name;
	uint64_t value;

	add_text(tree, "name", mdr_group_name(group));
	add_number(tree, "number", mdr_group_number(group));
	add_text(tree, "state", mdr_group_state_name(group));
	add_text(tree, "advice", mdr_advice_name(mdr_group_advice(group)));
	add_text(tree, "type", mdr_group_type(group));
	add_number(tree, "event", mdr_group_event(group));
	add_text(tree, "cause", mdr_group_cause(group));
	view_lists(mdr, group, tree);
	for (size_t i = 0; (name = mdr_group_counter(group, i, &value)); i++)
		add_number(counters, name, value);
	json_object_object_add(tree, "counters", counters);
	return tree;
}

struct to_list {
	struct mdr *mdr;
	struct json_object *list;
};

static int add_group(const struct mdr_group *group, void *arg)
{
	struct to_list *to = arg;

	return json_object_array_add(to->list, view_group(to->mdr, group));
}

int view_groups(struct mdr *mdr, struct json_object *list)
{
	struct to_list to = { .mdr = mdr, .list = list };

	return mdr_group_each(mdr, add_group, &to);
}

static const char *mdev_of(struct json_object *group, const char *function)
{
	struct json_object *mdevs = get_list(group, "mdevs");

	for (size_t i = 0; i < json_object_array_length(mdevs); i++) {
		struct json_object *mdev = json_object_array_get_idx(mdevs, i);

		if (!strcmp(get_text(mdev, "function"), function))
			return get_text(mdev, "uuid");
	}
	return "-";
}

/* A line for each function; only the first has what the group has. */
void print_table(FILE *to, const struct cli *cli, struct json_object *groups)
{
	fprintf(to, "%-9s %-10s %-7s %6s %-10s %-13s %s\n", "GROUP", "STATE", "TYPE", "EVENT",
		"CAUSE", "FUNCTION", "MDEV");
	for (size_t g = 0; g < json_object_array_length(groups); g++) {
		struct json_object *group = json_object_array_get_idx(groups, g);
		struct json_object *functions = get_list(group, "functions");
		const char *state = get_text(group, "state");

		for (size_t i = 0; i < json_object_array_length(functions); i++) {
			const char *function = get_text(json_object_array_get_idx(functions, i),
							"address");

			if (i)
				fprintf(to, "%47s", "");
			else
				fprintf(to, "%-9s %s%-10s%s %-7s %6s %-10s ",
					get_text(group, "name"),
					colour_on(cli, state_colour(state)), state,
					colour_off(cli), get_text(group, "type"),
					get_text(group, "event"), get_text(group, "cause"));
			fprintf(to, "%-13s %s\n", function, mdev_of(group, function));
		}
	}
}

static void print_next(struct json_object *group)
{
	const char *name = get_text(group, "name");
	struct json_object *blockers = get_list(group, "blockers");

	switch (mdr_group_state_parse(get_text(group, "state"))) {
	case MDR_GROUP_OPEN:
		break;
	case MDR_GROUP_CLOSING:
	case MDR_GROUP_RECOVERING:
		printf("  next      wait: the host is at work, or the device takes its time\n");
		return;
	case MDR_GROUP_RESETTING:
		printf("  next      wait: a reset is running\n");
		return;
	case MDR_GROUP_HOLDING:
		printf("  next      wait: the user has to reset its device\n");
		return;
	case MDR_GROUP_EVICTING:
		printf("  next      make the user release it: detach it, or stop the VM\n");
		return;
	case MDR_GROUP_FAILED:
		printf("  next      find the reason: mdrctl doctor %s; then: mdrctl recover %s\n",
		       name, name);
		if (!strcmp(get_text(group, "advice"), "replace"))
			printf("  next      or replace the device: the host has given it up\n");
		return;
	default:
		printf("  next      upgrade mdrctl: it does not know this state\n");
		return;
	}
	for (size_t i = 0; i < json_object_array_length(blockers); i++)
		printf("  next      mdrctl bind %s\n",
		       get_text(json_object_array_get_idx(blockers, i), "address"));
}

static void print_lists(struct json_object *group)
{
	struct json_object *list = get_list(group, "ports"), *one;

	for (size_t i = 0; i < json_object_array_length(list); i++)
		printf("  port      %s\n",
		       json_object_get_string(json_object_array_get_idx(list, i)));
	list = get_list(group, "functions");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		one = json_object_array_get_idx(list, i);
		printf("  function  %s, driver %s\n", get_text(one, "address"),
		       *get_text(one, "driver") ? get_text(one, "driver") : "none");
	}
	list = get_list(group, "mdevs");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		one = json_object_array_get_idx(list, i);
		printf("  mdev      %s, %s on %s\n", get_text(one, "uuid"), get_text(one, "type"),
		       get_text(one, "function"));
		json_object_object_foreach(get_list(one, "settings"), name, value)
			printf("            %s %s\n", name, json_object_get_string(value));
	}
	list = get_list(group, "blockers");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		one = json_object_array_get_idx(list, i);
		printf("  blocker   %s, driver %s, from port %s on\n", get_text(one, "address"),
		       *get_text(one, "driver") ? get_text(one, "driver") : "none",
		       get_text(one, "port"));
	}
}

void print_group(const struct cli *cli, struct json_object *group)
{
	const char *state = get_text(group, "state");

	printf("%s: %s%s%s\n", get_text(group, "name"), colour_on(cli, state_colour(state)),
	       state, colour_off(cli));
	if (!strcmp(get_text(group, "event"), "0"))
		printf("  event     none yet\n");
	else
		printf("  event     %s\n", get_text(group, "event"));
	printf("  cause     %s\n", get_text(group, "cause"));
	printf("  type      %s\n", get_text(group, "type"));
	print_lists(group);
	json_object_object_foreach(get_list(group, "counters"), name, value)
		if (json_object_get_int64(value))
			printf("  counter   %s %s\n", name, json_object_get_string(value));
	print_next(group);
}
