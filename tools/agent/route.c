// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include <libvirt/libvirt.h>

#include "route.h"

const char * const route_told_before = "it was told of this event before";
const char * const route_paused = "the domain is paused; resume it";
const char * const route_crashed = "the domain has crashed; destroy it or reset it";
const char * const route_not_yet = "the host is not done with another mdev below the same port";

const char *route_halted(int state)
{
	switch (state) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
		return NULL;
	case VIR_DOMAIN_CRASHED:
		return route_crashed;
	default:
		return route_paused;
	}
}

static const char * const obstacles[] = {
	[OBSTACLE_NO_PORT] =
		"it is below no port of the guest; give it a pcie-root-port of its own",
	[OBSTACLE_NOT_ROOT_PORT] =
		"the controller above it is not a pcie-root-port; give it one of its own",
	[OBSTACLE_NEIGHBOUR] =
		"another device is below the guest's port; give it a pcie-root-port of its own",
	[OBSTACLE_LINK] =
		"the guest's port cannot report an active link; set its x-speed to 5, see mdr-agent(8)",
};

static void read_group(const struct record *record, const char *sysfs, struct group *group)
{
	char name[GROUP_SIZE];

	snprintf(name, sizeof(name), "%s", record->group);
	if (group_of_mdev(sysfs, record->mdev, name))
		name[0] = 0;
	group_read(sysfs, name, group);
}

/* Why another mdev below the same port prevents telling the guest, or NULL. */
static const char *reason_of_other(const struct record *other, const struct group *group,
				   const char *sysfs)
{
	struct group of;

	read_group(other, sysfs, &of);
	if (of.event != group->event)
		return "an mdev below the same port has no error; give each its own pcie-root-port";
	if (group->state == GROUP_HOLDING && of.state & (GROUP_CLOSING | GROUP_RECOVERING))
		return route_not_yet;
	return NULL;
}

const char *route_reason(const struct records *records, const struct record *record,
			 const struct group *group, const char *sysfs)
{
	unsigned int mdevs = 0;
	const char *reason;

	if (record->told == group->event)
		return route_told_before;
	if (record->halted)
		return record->halted;
	if (record->place.obstacle != OBSTACLE_NONE)
		return obstacles[record->place.obstacle];
	for (const struct record *other = records->first; other; other = other->next) {
		if (strcmp(other->domain, record->domain) || other->id != record->id ||
		    !other->seen || strcmp(other->place.port, record->place.port))
			continue;
		reason = other == record ? NULL : reason_of_other(other, group, sysfs);
		if (reason)
			return reason;
		mdevs++;
	}
	if (mdevs != record->place.mdevs)
		return "a foreign mdev is below the same port; give each its own pcie-root-port";
	return NULL;
}
