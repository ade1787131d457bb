// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "group.h"

bool uuid_valid(const char *s)
{
	for (int i = 0; i < UUID_SIZE - 1; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return false;
		} else if (!isdigit((unsigned char)s[i]) && (s[i] < 'a' || s[i] > 'f')) {
			return false;
		}
	}
	return !s[UUID_SIZE - 1];
}

static bool group_valid(const char *name)
{
	size_t digits;

	if (strncmp(name, "group", 5))
		return false;
	digits = strspn(name + 5, "0123456789");
	return digits && !name[5 + digits] && 5 + digits < GROUP_SIZE;
}

enum group_state group_state_parse(const char *name)
{
	static const struct {
		const char *name;
		enum group_state state;
	} states[] = {
		{ "open", GROUP_OPEN },
		{ "closing", GROUP_CLOSING },
		{ "recovering", GROUP_RECOVERING },
		{ "holding", GROUP_HOLDING },
		{ "evicting", GROUP_EVICTING },
		{ "failed", GROUP_FAILED },
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (!strcmp(name, states[i].name))
			return states[i].state;
	return GROUP_OTHER;
}

/* Reads the first line of a group's file, without its newline; false if there is none. */
static bool read_line(const char *sysfs, const char *group, const char *file, char *line,
		      int size)
{
	char path[PATH_MAX];
	bool read;
	FILE *f;

	if (!group_valid(group))
		return false;
	snprintf(path, sizeof(path), "%s/class/mdev_recovery/%s/%s", sysfs, group, file);
	f = fopen(path, "re");
	if (!f)
		return false;
	read = fgets(line, size, f);
	fclose(f);
	if (read)
		line[strcspn(line, "\n")] = 0;
	return read;
}

static unsigned long long read_number(const char *sysfs, const char *group, const char *file)
{
	char line[32];

	return read_line(sysfs, group, file, line, sizeof(line)) ? strtoull(line, NULL, 10) : 0;
}

static enum group_policy policy_parse(const char *name)
{
	if (!strcmp(name, "hold"))
		return POLICY_HOLD;
	return strcmp(name, "evict") ? POLICY_OTHER : POLICY_EVICT;
}

void group_read(const char *sysfs, const char *name, struct group *group)
{
	char line[32];

	memset(group, 0, sizeof(*group));
	snprintf(group->name, sizeof(group->name), "%s", name);
	group->state = GROUP_GONE;
	/* the id first: the state of an earlier event must not go with a newer id */
	group->event = read_number(sysfs, name, "event");
	if (!read_line(sysfs, name, "state", line, sizeof(line)))
		return;
	group->state = group_state_parse(line);
	if (read_line(sysfs, name, "policy", line, sizeof(line)))
		group->policy = policy_parse(line);
	group->hold_timeouts = read_number(sysfs, name, "stats/hold_timeouts");
}

int group_each(const char *sysfs, int (*each)(const char *group, void *arg), void *arg)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/class/mdev_recovery", sysfs);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (!ret && (entry = readdir(dir)))
		if (group_valid(entry->d_name))
			ret = each(entry->d_name, arg);
	closedir(dir);
	return ret;
}

bool group_has_mdev(const char *sysfs, const char *group, const char *mdev)
{
	char path[PATH_MAX];

	if (!group_valid(group) || !uuid_valid(mdev))
		return false;
	snprintf(path, sizeof(path), "%s/class/mdev_recovery/%s/%s", sysfs, group, mdev);
	return !access(path, F_OK);
}

struct search {
	const char *sysfs, *mdev;
	char *group;
};

static int has_mdev(const char *group, void *arg)
{
	struct search *search = arg;

	if (!group_has_mdev(search->sysfs, group, search->mdev))
		return 0;
	snprintf(search->group, GROUP_SIZE, "%s", group);
	return 1;
}

int group_of_mdev(const char *sysfs, const char *mdev, char group[GROUP_SIZE])
{
	struct search search = { .sysfs = sysfs, .mdev = mdev, .group = group };

	if (group_has_mdev(sysfs, group, mdev))
		return 0;
	return group_each(sysfs, has_mdev, &search) ? 0 : -ENOENT;
}
