/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record: one mdev that a running domain has, or had until it was evicted, and
 * what the agent has seen of it. Only those with an eviction outlive the agent.
 */
#ifndef MDR_REATTACHD_RECORD_H
#define MDR_REATTACHD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "group.h"

enum phase {
	PHASE_ATTACHED,		/* the domain has it, nothing is going on */
	PHASE_EVICTING,		/* the group was seen evicting, the domain has it still */
	PHASE_DETACHED,		/* gone from the domain, to be re-attached */
};

struct record {
	struct record *next;
	char mdev[UUID_SIZE];
	char domain[UUID_SIZE];
	char *name;		/* of the domain, for people */
	int id;			/* of the domain: another one after each start */
	char *xml;		/* what attaches it */
	enum phase phase;
	unsigned long long event;	/* of the group, when it was seen evicting */

	/* from here on not kept across a restart */
	bool running;		/* that run of the domain, at the last look */
	bool seen;		/* in its XML at the last look */
	unsigned int attempts;	/* to attach that failed */
	int64_t retry_ms;	/* no attempt before; monotonic clock */
	int64_t settle_ms;	/* open, but attached still, is over then; 0 is unset */
};

struct records {
	struct record *first;
};

/*
 * The record of an mdev in a domain; a new one, attached, if there is none.
 * NULL without memory.
 */
struct record *record_get(struct records *records, const char *mdev, const char *domain);

/* Return: 0 or -ENOMEM, with the record as it was. */
int record_set(struct record *record, const char *name, int id, const char *xml);

void record_drop(struct records *records, struct record *record);
void records_free(struct records *records);

#endif
