/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * group: a directory group<N> below /sys/class/mdev_recovery, see
 * Documentation/ABI/testing/sysfs-class-mdev_recovery. All functions take the
 * root of sysfs, "/sys", so that a test can have its own.
 */
#ifndef MDR_AGENT_GROUP_H
#define MDR_AGENT_GROUP_H

#include <stdbool.h>

#define UUID_SIZE	37	/* with the null byte */
#define GROUP_SIZE	24	/* "group" and a number */

/* One bit each, so that a rule can name several. */
enum group_state {
	GROUP_GONE = 1 << 0,	/* no such group, or no group has the mdev */
	GROUP_OPEN = 1 << 1,
	GROUP_CLOSING = 1 << 2,
	GROUP_RECOVERING = 1 << 3,
	GROUP_HOLDING = 1 << 4,
	GROUP_EVICTING = 1 << 5,
	GROUP_FAILED = 1 << 6,
	GROUP_OTHER = 1 << 7,	/* resetting, and what a later module may add */
};

enum group_policy {
	POLICY_OTHER,		/* none, resume */
	POLICY_HOLD,
	POLICY_EVICT,
};

/* A group at one moment. */
struct group {
	char name[GROUP_SIZE];
	enum group_state state;
	enum group_policy policy;
	unsigned long long event;
	unsigned long long hold_timeouts;
};

/* Whether s is a UUID in the form that sysfs and libvirt write. */
bool uuid_valid(const char *s);

/* A state's name, as in the file "state" and in MDR_STATE. */
enum group_state group_state_parse(const char *name);

/* Reads a group; one that is not there has the state GROUP_GONE. */
void group_read(const char *sysfs, const char *name, struct group *group);

/* Whether the group has this mdev. */
bool group_has_mdev(const char *sysfs, const char *group, const char *mdev);

/*
 * Finds the group that has this mdev. It looks first at the one that is named in group,
 * which may be "": to look at all of them, for each of many mdevs, would take long.
 * Return: 0 with its name in group, or -ENOENT with group as it was.
 */
int group_of_mdev(const char *sysfs, const char *mdev, char group[GROUP_SIZE]);

/*
 * Calls each() for every group, in any order, until each() returns nonzero. Return:
 * that value, or 0. Having no group is no error.
 */
int group_each(const char *sysfs, int (*each)(const char *group, void *arg), void *arg);

#endif
