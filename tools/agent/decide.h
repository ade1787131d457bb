/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What to do about an evicted mdev, as a function of its arguments: no libvirt, no
 * sysfs, no clock.
 */
#ifndef MDR_AGENT_DECIDE_H
#define MDR_AGENT_DECIDE_H

#include "record.h"

/* Is the mdev in the live XML of the domain? */
enum presence {
	PRESENCE_UNKNOWN,	/* libvirt does not answer */
	PRESENCE_STOPPED,	/* the domain does not run, or was restarted */
	PRESENCE_ABSENT,
	PRESENCE_ATTACHED,
};

enum verdict {
	VERDICT_WAIT,
	VERDICT_DETACHED,	/* it has left the domain: phase detached */
	VERDICT_ATTACH,
	/* the eviction is over, drop the record: */
	VERDICT_RETURNED,	/* the domain has it again */
	VERDICT_STOPPED,	/* the run of the domain that lost it has ended */
	VERDICT_STAYED,		/* the domain kept it */
	VERDICT_MDEV_GONE,	/* there is nothing to attach */
};

#define SETTLE_MS	30000	/* from the group's opening to the end of the unplug */
#define RETRY_FIRST_MS	1000
#define RETRY_MOST_MS	60000
#define ATTEMPTS_MOST	20

enum verdict decide(struct record *record, enum presence presence, enum group_state group,
		    int64_t now_ms);

/*
 * An attempt failed: sets the time of the next one. Return: how long until then, in
 * ms, or -1 if this was the last attempt.
 */
int64_t decide_retry(struct record *record, int64_t now_ms);

#endif
