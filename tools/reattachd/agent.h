/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * agent: puts together what the groups, the domains and the clock say. Each
 * step looks at all of it anew; events only say that it is time for one.
 */
#ifndef MDR_REATTACHD_AGENT_H
#define MDR_REATTACHD_AGENT_H

#include "domains.h"
#include "record.h"

struct agent {
	const char *sysfs, *state_dir;
	char boot[UUID_SIZE];
	struct domains domains;
	struct records records;
	bool due;		/* something has happened */
	bool dirty;		/* the file is older than the records */
	bool save_failed;	/* and that was said */
};

/* Reads what an earlier agent left. */
void agent_load(struct agent *agent);

/* A uevent of a group, with its MDR_STATE. */
void agent_group_changed(struct agent *agent, const char *group, const char *state);

/*
 * One step. Return: how long until the next one, in ms, if nothing happens
 * before; -1 if there is nothing to wait for.
 */
int agent_step(struct agent *agent, int64_t now_ms);

void agent_free(struct agent *agent);

#endif
