/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What to do about an evicted mdev, as a function of what is seen: no libvirt,
 * no sysfs, no clock of its own.
 */
#ifndef MDR_REATTACHD_DECIDE_H
#define MDR_REATTACHD_DECIDE_H

#include "record.h"

/* of an mdev in the domain's live XML */
enum presence {
	PRESENCE_UNKNOWN,	/* libvirt does not answer */
	PRESENCE_STOPPED,	/* the domain does not run, or was started anew */
	PRESENCE_ABSENT,
	PRESENCE_ATTACHED,
};

enum verdict {
	VERDICT_WAIT,
	VERDICT_DETACHED,	/* it has gone from the domain: phase detached */
	VERDICT_ATTACH,
	/* over, drop the record: */
	VERDICT_RETURNED,	/* the domain has it again */
	VERDICT_STOPPED,	/* the domain is not the one that lost it */
	VERDICT_STAYED,		/* the eviction is over, and the domain kept it */
	VERDICT_MDEV_GONE,	/* there is nothing to attach any more */
};

#define SETTLE_MS	30000	/* from the group's opening to the end of the unplug */
#define RETRY_FIRST_MS	1000
#define RETRY_MOST_MS	60000
#define ATTEMPTS_MOST	20

enum verdict decide(struct record *record, enum presence presence, enum group_state group,
		    int64_t now_ms);

/*
 * An attempt failed: sets when the next one may be made. Return: how long until
 * then in ms, or -1 if it was the last one.
 */
int64_t decide_retry(struct record *record, int64_t now_ms);

#endif
