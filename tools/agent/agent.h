/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * agent: combines what the groups, the domains and the clock say. Each step looks
 * at everything again; an event only says that it is time for a step.
 */
#ifndef MDR_AGENT_AGENT_H
#define MDR_AGENT_AGENT_H

#include "domains.h"
#include "record.h"

struct agent {
	const char *sysfs, *state_dir;
	char boot[UUID_SIZE];
	struct domains domains;
	struct records records;
	bool due;		/* something has happened: make a step */
	bool dirty;		/* the records have changed since the file was written */
	bool save_failed;	/* and that has been logged */
};

/* Reads the file of an earlier agent. */
void agent_load(struct agent *agent);

/* A uevent of a group, with its MDR_STATE. */
void agent_group_changed(struct agent *agent, const char *group, const char *state);

/*
 * Makes one step. Return: the time until the next step, in ms, if no event comes
 * first; -1 if only an event calls for one.
 */
int agent_step(struct agent *agent, int64_t now_ms);

void agent_free(struct agent *agent);

#endif
