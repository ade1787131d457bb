// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "decide.h"
#include "hostdev.h"
#include "log.h"
#include "store.h"

#define RECONNECT_MS	5000
#define LOOK_MS		1000	/* at the domains, while an eviction is going on */

void agent_load(struct agent *agent)
{
	char path[PATH_MAX], aside[PATH_MAX];
	int ret;

	ret = store_load(agent->state_dir, agent->boot, &agent->records);
	if (ret == -EINVAL) {
		snprintf(path, sizeof(path), "%s/%s", agent->state_dir, STORE_FILE);
		snprintf(aside, sizeof(aside), "%s/%s.bad", agent->state_dir, STORE_FILE);
		log_error("%s is damaged: earlier evictions are forgotten; the file is kept as %s",
			  path, aside);
		rename(path, aside);
	} else if (ret) {
		log_error("cannot read %s/%s: %s; earlier evictions are forgotten",
			  agent->state_dir, STORE_FILE, strerror(-ret));
	}
	for (struct record *record = agent->records.first; record; record = record->next)
		log_info("mdev %s of domain %s: known from an earlier run, %s", record->mdev,
			 record->name,
			 record->phase == PHASE_DETACHED ? "detached" : "evicting");
	agent->due = true;
}

static void save(struct agent *agent)
{
	int ret;

	if (!agent->dirty)
		return;
	ret = store_save(agent->state_dir, agent->boot, &agent->records);
	agent->dirty = ret;
	if (ret && !agent->save_failed)
		log_error("cannot write %s/%s: %s; a restart will forget current evictions",
			  agent->state_dir, STORE_FILE, strerror(-ret));
	agent->save_failed = ret;
}

/*
 * A look at the domains. Afterwards every mdev of ours in a running domain has a
 * record, and every record knows what the look has shown.
 */
struct look {
	struct agent *agent;
	const struct domain_view *domain;
};

static void see_hostdev(const char *mdev, const char *xml, void *arg)
{
	const struct look *look = arg;
	struct agent *agent = look->agent;
	struct record *record;
	char group[GROUP_SIZE];

	if (group_of_mdev(agent->sysfs, mdev, group))
		return;
	record = record_get(&agent->records, mdev, look->domain->uuid);
	if (!record)
		return;
	/* the domain was restarted: this eviction belongs to its earlier run */
	if (record->id != look->domain->id && record->phase != PHASE_ATTACHED)
		return;
	if (record->phase == PHASE_ATTACHED &&
	    record_set(record, look->domain->name, look->domain->id, xml)) {
		if (!record->xml)
			record_drop(&agent->records, record);
		return;
	}
	record->seen = true;
}

static void see_domain(const struct domain_view *domain, void *arg)
{
	struct look look = { .agent = arg, .domain = domain };

	if (hostdev_each(domain->xml, see_hostdev, &look))
		log_error("domain %s: cannot read its XML", domain->name);
	for (struct record *record = look.agent->records.first; record; record = record->next)
		if (!strcmp(record->domain, domain->uuid) && record->id == domain->id)
			record->running = true;
}

static bool look(struct agent *agent)
{
	for (struct record *record = agent->records.first; record; record = record->next) {
		record->seen = false;
		record->running = false;
	}
	return !domains_each(&agent->domains, see_domain, agent);
}

/* The domains with an mdev of this group are about to lose it. */
static void note_evicting(struct agent *agent, const char *group)
{
	for (struct record *record = agent->records.first; record; record = record->next) {
		char of[GROUP_SIZE];

		if (record->phase != PHASE_ATTACHED ||
		    group_of_mdev(agent->sysfs, record->mdev, of) || strcmp(of, group))
			continue;
		record->phase = PHASE_EVICTING;
		record->event = group_event(agent->sysfs, group);
		agent->dirty = true;
		log_info("mdev %s: %s is evicting (event %llu), domain %s is asked to release it",
			 record->mdev, group, record->event, record->name);
	}
	save(agent);
}

void agent_group_changed(struct agent *agent, const char *group, const char *state)
{
	agent->due = true;
	if (group_state_parse(state) != GROUP_EVICTING)
		return;
	/* one more look, while the domain still has the device */
	if (domains_connect(&agent->domains))
		look(agent);
	note_evicting(agent, group);
}

/* Finds an eviction whose uevent was lost, or came before the agent started. */
static int find_evicting(const char *group, void *arg)
{
	struct agent *agent = arg;

	if (group_state(agent->sysfs, group) == GROUP_EVICTING)
		note_evicting(agent, group);
	return 0;
}

static void attach(struct agent *agent, struct record *record, const char *group, int64_t now_ms)
{
	char message[256];
	int64_t wait;

	log_info("mdev %s: %s is open, re-attaching to domain %s", record->mdev, group,
		 record->name);
	if (!domains_attach(&agent->domains, record, message, sizeof(message))) {
		log_info("mdev %s: re-attached to domain %s", record->mdev, record->name);
		/* the next look finds it there */
		record->phase = PHASE_ATTACHED;
		record->attempts = 0;
		record->retry_ms = 0;
		agent->dirty = true;
		return;
	}
	wait = decide_retry(record, now_ms);
	if (wait >= 0) {
		log_error("mdev %s: cannot attach to domain %s: %s; next try in %lld s",
			  record->mdev, record->name, message, (long long)wait / 1000);
		return;
	}
	log_error("mdev %s: cannot attach to domain %s: %s; giving up after %u tries",
		  record->mdev, record->name, message, record->attempts);
	record_drop(&agent->records, record);
	agent->dirty = true;
}

static const char * const ends[] = {
	[VERDICT_RETURNED] = "has it again",
	[VERDICT_STOPPED] = "has stopped or was restarted, nothing to re-attach to",
	[VERDICT_STAYED] = "has kept it although the eviction is over",
	[VERDICT_MDEV_GONE] = "cannot have it back, the mdev is gone",
};

static void act(struct agent *agent, struct record *record, enum presence presence,
		int64_t now_ms)
{
	enum group_state state = GROUP_GONE;
	char group[GROUP_SIZE];
	enum verdict verdict;

	if (!group_of_mdev(agent->sysfs, record->mdev, group))
		state = group_state(agent->sysfs, group);
	verdict = decide(record, presence, state, now_ms);
	if (verdict == VERDICT_DETACHED) {
		log_info("mdev %s: detached from domain %s", record->mdev, record->name);
		record->phase = PHASE_DETACHED;
		agent->dirty = true;
		/* in the file before the next step */
		save(agent);
		verdict = decide(record, presence, state, now_ms);
	}
	if (verdict == VERDICT_ATTACH) {
		attach(agent, record, group, now_ms);
	} else if (verdict != VERDICT_WAIT) {
		log_info("mdev %s: domain %s %s", record->mdev, record->name, ends[verdict]);
		record_drop(&agent->records, record);
		agent->dirty = true;
		/* if the domain has it, watch it again */
		agent->due = true;
	}
}

static enum presence presence_of(const struct record *record, bool known)
{
	if (!known)
		return PRESENCE_UNKNOWN;
	if (!record->running)
		return PRESENCE_STOPPED;
	return record->seen ? PRESENCE_ATTACHED : PRESENCE_ABSENT;
}

static int some_group(const char *group, void *arg)
{
	(void)group;
	(void)arg;
	return 1;
}

/* Is an eviction unfinished? */
static bool busy(const struct agent *agent)
{
	for (const struct record *record = agent->records.first; record; record = record->next)
		if (record->phase != PHASE_ATTACHED)
			return true;
	return false;
}

int agent_step(struct agent *agent, int64_t now_ms)
{
	struct record *record, *next;
	bool known;

	agent->due = false;
	/* without a group of ours and an eviction, do not bother libvirt */
	if (!group_each(agent->sysfs, some_group, NULL) && !busy(agent)) {
		domains_disconnect(&agent->domains);
		records_free(&agent->records);
		save(agent);
		return -1;
	}
	known = domains_connect(&agent->domains) && look(agent);
	group_each(agent->sysfs, find_evicting, agent);
	for (record = agent->records.first; record; record = next) {
		next = record->next;
		if (record->phase != PHASE_ATTACHED)
			act(agent, record, presence_of(record, known), now_ms);
		else if (known && !record->seen)
			record_drop(&agent->records, record);
	}
	save(agent);
	if (!known)
		return RECONNECT_MS;
	return busy(agent) ? LOOK_MS : -1;
}

void agent_free(struct agent *agent)
{
	domains_disconnect(&agent->domains);
	records_free(&agent->records);
}
