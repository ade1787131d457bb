/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * agent: combines the state of the groups, the domains and the clock. Each step reads
 * all groups again; an event only triggers a step. The backend reports changes of the
 * domains.
 */
#ifndef MDR_AGENT_AGENT_H
#define MDR_AGENT_AGENT_H

#include "backend.h"

struct agent {
	const char *sysfs, *state_dir;
	char boot[UUID_SIZE];
	struct backend *backend;
	struct records records;
	bool known;		/* what the domains are like */
	bool due;		/* something has happened: make a step */
	bool dirty;		/* the records have changed since the file was written */
	bool save_failed;	/* and that has been logged */
};

/* Reads the file of an earlier agent. */
void agent_load(struct agent *agent);

/* A uevent of a group: the state that it entered. */
void agent_group_changed(struct agent *agent, const char *group, const char *state,
			 int64_t now_ms);

/* A list of all running domains: a begin, a view of each, and an end. */
void agent_list_begin(struct agent *agent);
void agent_list_end(struct agent *agent);

/* News of one domain. */
void agent_domain(struct agent *agent, const struct domain_view *view);
void agent_domain_kept(struct agent *agent, const char *uuid);	/* nothing new of it */
void agent_domain_gone(struct agent *agent, const char *uuid);

/* The backend reports nothing more until the next list. */
void agent_unknown(struct agent *agent);

/* The outcome of the backend's calls: error is NULL after success. */
void agent_attached(struct agent *agent, const char *mdev, const char *domain,
		    const char *error, int64_t now_ms);
void agent_detached(struct agent *agent, const char *mdev, const char *domain, const char *error);
void agent_used(struct agent *agent, const char *mdev, const char *domain, bool used,
		const char *error, int64_t now_ms);
void agent_told(struct agent *agent, const char *domain, const char *port, const char *error);

/* An administrator wants new attempts to attach devices that were given up. */
void agent_retry(struct agent *agent);

/*
 * Makes one step. Return: the time until the next step, in ms, if no event comes
 * first; -1 if only an event calls for one.
 */
int agent_step(struct agent *agent, int64_t now_ms);

/* Writes what has changed. */
void agent_save(struct agent *agent);

void agent_free(struct agent *agent);

#endif
