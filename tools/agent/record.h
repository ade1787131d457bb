/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record: one mdev that a running domain has, or had until it was evicted, and what
 * the agent has seen of it. Only records with an eviction outlive the agent.
 */
#ifndef MDR_AGENT_RECORD_H
#define MDR_AGENT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "group.h"

enum phase {
	PHASE_ATTACHED,		/* the domain has it, and there is no eviction */
	PHASE_EVICTING,		/* the group was seen evicting, the domain still has it */
	PHASE_DETACHED,		/* it has left the domain, to be re-attached */
};

struct record {
	struct record *next;
	char mdev[UUID_SIZE];
	char domain[UUID_SIZE];
	char *name;		/* of the domain, for messages */
	int id;			/* of the domain; changes with each start */
	char *xml;		/* attaches the mdev */
	enum phase phase;
	unsigned long long event;	/* of the group, when it was seen evicting */

	/* the rest is not kept across a restart */
	bool running;		/* the domain, in the same run, at the last look */
	bool seen;		/* in its XML at the last look */
	unsigned int attempts;	/* failed attempts to attach */
	int64_t retry_ms;	/* no attempt before this time; monotonic clock */
	int64_t settle_ms;	/* until when an open group may still be attached; 0 is unset */
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
