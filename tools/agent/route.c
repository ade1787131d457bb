// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "route.h"

const char route_told_before[] = "it was told of this event before";

static const char * const obstacles[] = {
	[OBSTACLE_NO_PORT] =
		"it sits below no port of the guest; give it a pcie-root-port of its own",
	[OBSTACLE_NOT_ROOT_PORT] =
		"the controller above it is not a pcie-root-port; give it one of its own",
	[OBSTACLE_NEIGHBOUR] =
		"another device sits below the same port of the guest; give it a pcie-root-port of its own",
	[OBSTACLE_LINK] =
		"the guest's port above it cannot report an active link; set its property x-speed to 5, see mdr-agent(8)",
};

static bool has_event(const struct record *record, unsigned long long event, const char *sysfs)
{
	char name[GROUP_SIZE];
	struct group group;

	if (group_of_mdev(sysfs, record->mdev, name))
		return false;
	group_read(sysfs, name, &group);
	return group.event == event;
}

const char *route_reason(const struct records *records, const struct record *record,
			 const struct group *group, const char *sysfs)
{
	unsigned int mdevs = 0;

	if (record->told == group->event)
		return route_told_before;
	if (record->paused)
		return "the domain is paused; resume it";
	if (record->place.obstacle != OBSTACLE_NONE)
		return obstacles[record->place.obstacle];
	for (const struct record *other = records->first; other; other = other->next) {
		if (strcmp(other->domain, record->domain) || other->id != record->id ||
		    !other->seen || strcmp(other->place.port, record->place.port))
			continue;
		if (other != record && !has_event(other, group->event, sysfs))
			return "another mdev below the same port of the guest has no error; give each a pcie-root-port of its own";
		mdevs++;
	}
	if (mdevs != record->place.mdevs)
		return "an mdev of another kind sits below the same port of the guest; give it a pcie-root-port of its own";
	return NULL;
}
