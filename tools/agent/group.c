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
	if (!strcmp(name, "open"))
		return GROUP_OPEN;
	if (!strcmp(name, "evicting"))
		return GROUP_EVICTING;
	if (!strcmp(name, "failed"))
		return GROUP_FAILED;
	return GROUP_CLOSED;
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

enum group_state group_state(const char *sysfs, const char *group)
{
	char line[32];

	if (!read_line(sysfs, group, "state", line, sizeof(line)))
		return GROUP_GONE;
	return group_state_parse(line);
}

unsigned long long group_event(const char *sysfs, const char *group)
{
	char line[32];

	if (!read_line(sysfs, group, "event", line, sizeof(line)))
		return 0;
	return strtoull(line, NULL, 10);
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

struct search {
	const char *sysfs, *mdev;
	char *group;
};

static int has_mdev(const char *group, void *arg)
{
	struct search *search = arg;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/class/mdev_recovery/%s/%s", search->sysfs, group,
		 search->mdev);
	if (access(path, F_OK))
		return 0;
	snprintf(search->group, GROUP_SIZE, "%s", group);
	return 1;
}

int group_of_mdev(const char *sysfs, const char *mdev, char group[GROUP_SIZE])
{
	struct search search = { .sysfs = sysfs, .mdev = mdev, .group = group };

	if (!uuid_valid(mdev))
		return -ENOENT;
	return group_each(sysfs, has_mdev, &search) ? 0 : -ENOENT;
}
