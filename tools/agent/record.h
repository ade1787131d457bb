/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record: an mdev of a running domain, or one that was evicted from it, and what the
 * agent has seen of it.
 */
#ifndef MDR_AGENT_RECORD_H
#define MDR_AGENT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "hostdev.h"

/* One bit each, so that a rule can name several. */
enum phase {
	PHASE_ATTACHED = 1 << 0,	/* the domain has it, and there is nothing to follow */
	PHASE_ERROR = 1 << 1,		/* its group has an event that has not ended */
	PHASE_TOLD = 1 << 2,		/* and the guest was told of it */
	PHASE_EVICTING = 1 << 3,	/* the group was seen evicting, the domain still has it */
	PHASE_DETACHED = 1 << 4,	/* it has left the domain, to be re-attached */
	PHASE_GIVEN_UP = 1 << 5,	/* no attempt succeeded; until somebody asks for more */
	PHASE_RESET = 1 << 6,		/* the guest has reset it, and has yet to use it */
};

struct record {
	struct record *next;
	char mdev[UUID_SIZE];
	char domain[UUID_SIZE];
	char *name;		/* of the domain, for messages */
	int id;			/* of the domain; changes with each start */
	char *xml;		/* attaches the mdev */
	enum phase phase;
	unsigned long long event;	/* of the group, the latest that was taken note of */
	unsigned long long told;	/* the latest event that the guest was told of */
	unsigned long long hold_timeouts;	/* of the group, before that event */

	/* the rest is not kept across a restart */
	char group[GROUP_SIZE];	/* that of the mdev, when it was looked for; or "" */
	struct hostdev place;	/* at the last look; its xml is not used */
	bool running;		/* the domain, in the same run, at the last look */
	const char *halted;	/* and why its CPUs do not run; NULL: they do */
	bool seen;		/* the mdev was in its XML at the last look */
	bool listed;		/* the domain, in the list that is being made */
	bool unclear;		/* there was a look, which libvirt refused, and none before */
	bool busy;		/* libvirt is at work for it */
	const char *said;	/* the latest reason in the log for being stuck */
	unsigned int attempts;	/* failed attempts to attach */
	int64_t retry_ms;	/* no attempt before this time; monotonic clock */
	int64_t late_ms;	/* the deadline of the state that it waits in; 0 is unset */
	enum group_state late_state;	/* which that is */
	int64_t evicting_ms;	/* when its eviction was seen first; 0 is unset */
	int64_t since_ms;	/* when the event was taken note of */
	int64_t reset_ms;	/* when the guest was seen to have reset it; 0 is unset */
};

struct records {
	struct record *first;
};

/*
 * The record of an mdev in a domain; a new one in phase attached if there is none.
 * NULL if there is no memory.
 */
struct record *record_get(struct records *records, const char *mdev, const char *domain);

/* Return: 0, or -ENOMEM with the record unchanged. */
int record_set(struct record *record, const char *name, int id, const char *xml);

void record_drop(struct records *records, struct record *record);
void records_free(struct records *records);

#endif
