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

enum group_state {
	GROUP_GONE,		/* no such group, or no group has the mdev */
	GROUP_OPEN,
	GROUP_EVICTING,
	GROUP_FAILED,
	GROUP_CLOSED,		/* any other state, which will change by itself */
};

/* Whether s is a UUID in the form that sysfs and libvirt write. */
bool uuid_valid(const char *s);

/* A state's name, as in the file "state" and in MDR_STATE. */
enum group_state group_state_parse(const char *name);

enum group_state group_state(const char *sysfs, const char *group);

/* The event id of a group; 0 if it cannot be read. */
unsigned long long group_event(const char *sysfs, const char *group);

/* Finds the group that has this mdev. Return: 0 with its name in group, or -ENOENT. */
int group_of_mdev(const char *sysfs, const char *mdev, char group[GROUP_SIZE]);

/*
 * Calls each() for every group, in any order, until each() returns nonzero. Return:
 * that value, or 0. Having no group is no error.
 */
int group_each(const char *sysfs, int (*each)(const char *group, void *arg), void *arg);

#endif
