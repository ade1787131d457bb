// SPDX-License-Identifier: GPL-2.0-only
/*
 * A directory group<N> below /sys/class/mdev_recovery.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define NAME_SIZE 24	/* "group" and a number */

struct mdr_group {
	char name[NAME_SIZE];
	unsigned int number;
	char *state, *cause, *type;
	uint64_t event;
	struct mdr_list functions, ports, mdevs;
	struct mdr_list blockers, blocker_ports;
	struct mdr_list counters;
	uint64_t *values;
};

static const char * const states[] = {
	[MDR_GROUP_UNKNOWN] = "unknown",
	[MDR_GROUP_OPEN] = "open",
	[MDR_GROUP_CLOSING] = "closing",
	[MDR_GROUP_RECOVERING] = "recovering",
	[MDR_GROUP_HOLDING] = "holding",
	[MDR_GROUP_EVICTING] = "evicting",
	[MDR_GROUP_FAILED] = "failed",
	[MDR_GROUP_RESETTING] = "resetting",
};

static const enum mdr_advice advices[] = {
	[MDR_GROUP_UNKNOWN] = MDR_ADVICE_NONE,
	[MDR_GROUP_OPEN] = MDR_ADVICE_NONE,
	[MDR_GROUP_CLOSING] = MDR_ADVICE_WAIT,
	[MDR_GROUP_RECOVERING] = MDR_ADVICE_WAIT,
	[MDR_GROUP_HOLDING] = MDR_ADVICE_WAIT,
	[MDR_GROUP_EVICTING] = MDR_ADVICE_RELEASE,
	[MDR_GROUP_FAILED] = MDR_ADVICE_RECOVER,
	[MDR_GROUP_RESETTING] = MDR_ADVICE_WAIT,
};

static const char * const advice_names[] = {
	[MDR_ADVICE_NONE] = "none",
	[MDR_ADVICE_WAIT] = "wait",
	[MDR_ADVICE_RELEASE] = "release",
	[MDR_ADVICE_RECOVER] = "recover",
	[MDR_ADVICE_REPLACE] = "replace",
};

enum mdr_group_state mdr_group_state_parse(const char *name)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (!strcmp(name, states[i]))
			return i;
	return MDR_GROUP_UNKNOWN;
}

const char *mdr_advice_name(enum mdr_advice advice)
{
	return advice_names[advice];
}

/* Is it of the form "group16"? Sets number. */
static bool name_valid(const char *name, unsigned int *number)
{
	size_t digits;

	if (strncmp(name, "group", 5))
		return false;
	name += 5;
	digits = strspn(name, "0123456789");
	if (!digits || digits > 9 || name[digits])
		return false;
	*number = strtoul(name, NULL, 10);
	return true;
}

void mdr_group_free(struct mdr_group *group)
{
	if (!group)
		return;
	free(group->state);
	free(group->cause);
	free(group->type);
	mdr_list_free(&group->functions);
	mdr_list_free(&group->ports);
	mdr_list_free(&group->mdevs);
	mdr_list_free(&group->blockers);
	mdr_list_free(&group->blocker_ports);
	mdr_list_free(&group->counters);
	free(group->values);
	free(group);
}

/* Each line has a function and a port. */
static int read_blockers(struct mdr *mdr, struct mdr_group *group)
{
	struct mdr_list lines = {};
	int ret;

	ret = mdr_read_lines(mdr, &lines, MDR_CLASS "/%s/blockers", group->name);
	for (size_t i = 0; !ret && i < lines.count; i++) {
		char *line = lines.items[i], *port = strchr(line, ' ');

		if (port)
			*port++ = 0;
		ret = mdr_list_add(&group->blockers, line);
		if (!ret)
			ret = mdr_list_add(&group->blocker_ports, port ? port : "");
	}
	mdr_list_free(&lines);
	return ret;
}

/* The links to mdevs; also to functions, if the kernel has no file that lists them. */
static int read_links(struct mdr *mdr, struct mdr_group *group)
{
	struct mdr_list names = {};
	bool listed = group->functions.count;
	int ret;

	ret = mdr_read_dir(mdr, &names, MDR_CLASS "/%s", group->name);
	for (size_t i = 0; !ret && i < names.count; i++) {
		if (mdr_uuid_valid(names.items[i]))
			ret = mdr_list_add(&group->mdevs, names.items[i]);
		else if (!listed && mdr_address_valid(names.items[i]))
			ret = mdr_list_add(&group->functions, names.items[i]);
	}
	mdr_list_free(&names);
	return ret;
}

static int read_counters(struct mdr *mdr, struct mdr_group *group)
{
	int ret;

	ret = mdr_read_dir(mdr, &group->counters, MDR_CLASS "/%s/stats", group->name);
	if (ret == -ENOENT || !group->counters.count)
		return ret == -ENOENT ? 0 : ret;
	group->values = calloc(group->counters.count, sizeof(*group->values));
	if (!group->values)
		return -ENOMEM;
	for (size_t i = 0; i < group->counters.count; i++) {
		char *value = mdr_read(mdr, MDR_CLASS "/%s/stats/%s", group->name,
				       group->counters.items[i]);

		if (value)
			group->values[i] = strtoull(value, NULL, 10);
		free(value);
	}
	return ret;
}

static char *read_word(struct mdr *mdr, const char *name, const char *file)
{
	char *word = mdr_read(mdr, MDR_CLASS "/%s/%s", name, file);

	return word ? word : strdup("unknown");
}

static int read_group(struct mdr *mdr, unsigned int number, struct mdr_group **result)
{
	struct mdr_group *group = calloc(1, sizeof(*group));
	char *event;
	int ret;

	if (!group)
		return -ENOMEM;
	group->number = number;
	snprintf(group->name, sizeof(group->name), "group%u", number);
	group->state = mdr_read(mdr, MDR_CLASS "/%s/state", group->name);
	if (!group->state) {
		free(group);
		return -ENOENT;
	}
	event = mdr_read(mdr, MDR_CLASS "/%s/event", group->name);
	if (event)
		group->event = strtoull(event, NULL, 10);
	free(event);
	group->cause = read_word(mdr, group->name, "cause");
	group->type = read_word(mdr, group->name, "policy");
	ret = group->cause && group->type ? 0 : -ENOMEM;
	if (!ret)
		ret = mdr_read_lines(mdr, &group->functions, MDR_CLASS "/%s/functions",
				     group->name);
	if (!ret)
		ret = mdr_read_lines(mdr, &group->ports, MDR_CLASS "/%s/domain", group->name);
	if (!ret)
		ret = read_links(mdr, group);
	if (!ret)
		ret = read_blockers(mdr, group);
	if (!ret)
		ret = read_counters(mdr, group);
	if (ret)
		mdr_group_free(group);
	else
		*result = group;
	return ret;
}

/* The names of all groups. */
static int list_groups(struct mdr *mdr, struct mdr_list *names)
{
	int ret = mdr_read_dir(mdr, names, MDR_CLASS);

	return ret == -ENOENT ? -EUNATCH : ret;
}

static int find_entry(struct mdr *mdr, const char *entry, unsigned int *number)
{
	struct mdr_list names = {};
	int ret, found = -ENOENT;

	ret = list_groups(mdr, &names);
	for (size_t i = 0; found && i < names.count; i++)
		if (name_valid(names.items[i], number) &&
		    mdr_exists(mdr, MDR_CLASS "/%s/%s", names.items[i], entry))
			found = 0;
	mdr_list_free(&names);
	return ret ? ret : found;
}

int mdr_group_get(struct mdr *mdr, const char *name, struct mdr_group **group)
{
	char full[NAME_SIZE + 8];
	unsigned int number;
	int ret;

	if (mdr_uuid_valid(name) || mdr_address_valid(name)) {
		ret = find_entry(mdr, name, &number);
		return ret ? ret : read_group(mdr, number, group);
	}
	snprintf(full, sizeof(full), "0000:%s", name);
	if (strlen(name) < NAME_SIZE && mdr_address_valid(full))
		return mdr_group_get(mdr, full, group);
	snprintf(full, sizeof(full), "group%s", name);
	if (!name_valid(name, &number) && (strlen(name) > 9 || !name_valid(full, &number)))
		return -EINVAL;
	if (!mdr_exists(mdr, MDR_CLASS))
		return -EUNATCH;
	return read_group(mdr, number, group);
}

static int by_number(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

/* The numbers of all groups, sorted, allocated. */
static int list_numbers(struct mdr *mdr, unsigned int **numbers, size_t *count)
{
	struct mdr_list names = {};
	int ret;

	ret = list_groups(mdr, &names);
	*count = 0;
	*numbers = calloc(names.count + 1, sizeof(**numbers));
	if (!ret && !*numbers)
		ret = -ENOMEM;
	for (size_t i = 0; !ret && i < names.count; i++)
		if (name_valid(names.items[i], *numbers + *count))
			(*count)++;
	if (!ret)
		qsort(*numbers, *count, sizeof(**numbers), by_number);
	mdr_list_free(&names);
	return ret;
}

int mdr_group_each(struct mdr *mdr, int (*each)(const struct mdr_group *group, void *arg),
		   void *arg)
{
	unsigned int *numbers;
	size_t count;
	int ret;

	ret = list_numbers(mdr, &numbers, &count);
	for (size_t i = 0; !ret && i < count; i++) {
		struct mdr_group *group;

		ret = read_group(mdr, numbers[i], &group);
		if (!ret) {
			ret = each(group, arg);
			mdr_group_free(group);
		} else if (ret == -ENOENT) {
			/* it is gone by now */
			ret = 0;
		}
	}
	free(numbers);
	return ret;
}

unsigned int mdr_group_number(const struct mdr_group *group)
{
	return group->number;
}

const char *mdr_group_name(const struct mdr_group *group)
{
	return group->name;
}

enum mdr_group_state mdr_group_state(const struct mdr_group *group)
{
	return mdr_group_state_parse(group->state);
}

const char *mdr_group_state_name(const struct mdr_group *group)
{
	return group->state;
}

enum mdr_advice mdr_group_advice(const struct mdr_group *group)
{
	enum mdr_advice advice = advices[mdr_group_state(group)];

	/* as the kernel's uevents say it */
	if (advice == MDR_ADVICE_RECOVER && !strcmp(mdr_group_cause(group), "permanent"))
		return MDR_ADVICE_REPLACE;
	return advice;
}

uint64_t mdr_group_event(const struct mdr_group *group)
{
	return group->event;
}

const char *mdr_group_cause(const struct mdr_group *group)
{
	return group->cause;
}

const char *mdr_group_type(const struct mdr_group *group)
{
	return group->type;
}

const char *mdr_group_function(const struct mdr_group *group, size_t index)
{
	return mdr_list_at(&group->functions, index);
}

const char *mdr_group_port(const struct mdr_group *group, size_t index)
{
	return mdr_list_at(&group->ports, index);
}

const char *mdr_group_mdev(const struct mdr_group *group, size_t index)
{
	return mdr_list_at(&group->mdevs, index);
}

const char *mdr_group_blocker(const struct mdr_group *group, size_t index, const char **port)
{
	if (port)
		*port = mdr_list_at(&group->blocker_ports, index);
	return mdr_list_at(&group->blockers, index);
}

const char *mdr_group_counter(const struct mdr_group *group, size_t index, uint64_t *value)
{
	if (value && index < group->counters.count)
		*value = group->values[index];
	return mdr_list_at(&group->counters, index);
}

int mdr_group_recover(struct mdr *mdr, const struct mdr_group *group)
{
	return mdr_write(mdr, "1\n", MDR_CLASS "/%s/recover", group->name);
}
