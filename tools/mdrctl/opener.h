/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * opener: a user, or a process, that opens devices: what it may open, and how much memory
 * it may lock for them.
 */
#ifndef MDRCTL_OPENER_H
#define MDRCTL_OPENER_H

#include <limits.h>
#include <sys/types.h>

#include "mdrctl.h"

#define OPENER_GROUPS 64

struct opener {
	char name[64];			/* "user " and its name or number */
	char login[64];			/* or "": a number without a name */
	char top[PATH_MAX];		/* the root directory that it has */
	uid_t uid;
	gid_t gid, groups[OPENER_GROUPS];
	int groups_count;
};

/* name: as in the list of users, or "+" and a number. Returns 0, or -ENOENT. */
int opener_of_user(const struct mdr *mdr, const char *name, struct opener *opener);
/* Returns 0, or -ENOENT: there is no such process, or this user may not look at it. */
int opener_of_process(const struct mdr *mdr, const char *pid, struct opener *opener);

/* May it read and write this file? Only root can tell: -EPERM. NULL: this process. */
int opener_may_open(const struct mdr *mdr, const struct opener *opener, const char *file);

/*
 * How many bytes a process, or the next one that this user starts, may lock; UINT64_MAX:
 * any number. Returns 0, or -ENOENT if it is not known.
 */
int opener_process_memlock(const struct mdr *mdr, const char *pid, uint64_t *bytes);
int opener_user_memlock(const struct mdr *mdr, const struct opener *opener, uint64_t *bytes);

#endif
