// SPDX-License-Identifier: GPL-2.0-only
/*
 * News of the backend: which domains exist, and the outcome of requests.
 */
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "decide.h"
#include "note.h"
#include "route.h"

/*
 * The domains. Afterwards every mdev of ours in a running domain has a record, and
 * every record knows what the latest view of its domain has shown.
 */
struct look {
	struct agent *agent;
	const struct domain_view *domain;
};

static void begin(struct agent *agent, struct record *record, const char *group_name)
{
	struct group group;

	group_read(agent->sysfs, group_name, &group);
	catch_up(record, &group);
	/* an event that is going on has not been dealt with */
	if (group.state != GROUP_OPEN && group.state != GROUP_FAILED && group.event)
		record->event--;
	agent->dirty = true;
}

static struct record *find(struct agent *agent, const char *mdev, const char *domain)
{
	for (struct record *record = agent->records.first; record; record = record->next)
		if (!strcmp(record->mdev, mdev) && !strcmp(record->domain, domain))
			return record;
	return NULL;
}

static void see_hostdev(const struct hostdev *hostdev, void *arg)
{
	const struct look *look = arg;
	struct agent *agent = look->agent;
	struct record *record = find(agent, hostdev->mdev, look->domain->uuid);
	char group[GROUP_SIZE] = "";
	bool new_run;

	if (record)
		snprintf(group, sizeof(group), "%s", record->group);
	if (group_of_mdev(agent->sysfs, hostdev->mdev, group))
		return;
	record = record_get(&agent->records, hostdev->mdev, look->domain->uuid);
	if (!record)
		return;
	new_run = !record->name || record->id != look->domain->id;
	/* what is left of an earlier run has to end first */
	if (new_run && record->phase != PHASE_ATTACHED)
		return;
	if (new_run)
		begin(agent, record, group);
	if (record->phase == PHASE_ATTACHED &&
	    record_set(record, look->domain->name, look->domain->id, hostdev->xml)) {
		if (!record->xml)
			record_drop(&agent->records, record);
		return;
	}
	record->place = *hostdev;
	snprintf(record->group, sizeof(record->group), "%s", group);
	record->seen = true;
}

void agent_domain(struct agent *agent, const struct domain_view *view)
{
	struct look look = { .agent = agent, .domain = view };

	for (struct record *record = agent->records.first; record; record = record->next)
		if (!strcmp(record->domain, view->uuid)) {
			record->seen = false;
			record->running = false;
			record->unclear = false;
		}
	if (hostdev_each(view->xml, see_hostdev, &look))
		log_error("domain %s: cannot read its XML", view->name);
	for (struct record *record = agent->records.first; record; record = record->next) {
		if (strcmp(record->domain, view->uuid) || record->id != view->id)
			continue;
		record->running = true;
		record->listed = true;
		record->halted = view->halted;
	}
	agent->due = true;
}

void agent_domain_kept(struct agent *agent, const char *uuid)
{
	for (struct record *record = agent->records.first; record; record = record->next)
		if (!strcmp(record->domain, uuid)) {
			record->listed = true;
			/* an agent that was started anew knows nothing, and not that it stopped */
			record->unclear = !record->running;
		}
}

void agent_domain_gone(struct agent *agent, const char *uuid)
{
	for (struct record *record = agent->records.first; record; record = record->next)
		if (!strcmp(record->domain, uuid)) {
			record->seen = false;
			record->running = false;
			record->unclear = false;
		}
	agent->due = true;
}

void agent_list_begin(struct agent *agent)
{
	for (struct record *record = agent->records.first; record; record = record->next)
		record->listed = false;
}

void agent_list_end(struct agent *agent)
{
	for (struct record *record = agent->records.first; record; record = record->next)
		if (!record->listed) {
			record->seen = false;
			record->running = false;
			record->unclear = false;
		}
	agent->known = true;
	agent->due = true;
}

void agent_unknown(struct agent *agent)
{
	agent->known = false;
	for (struct record *record = agent->records.first; record; record = record->next)
		record->busy = false;
	agent->due = true;
}

void agent_attached(struct agent *agent, const char *mdev, const char *domain,
		    const char *error, int64_t now_ms)
{
	struct record *record = find(agent, mdev, domain);
	int64_t wait;

	agent->due = true;
	if (!record || record->phase != PHASE_DETACHED)
		return;
	record->busy = false;
	if (!error) {
		say(LOG_LEVEL_INFO, record, NULL, "re-attached to domain %s", record->name);
		set_phase(agent, record, PHASE_ATTACHED);
		record->seen = true;
		record->running = true;
		record->unclear = false;
		record->attempts = 0;
		record->retry_ms = 0;
		if (!group_of_mdev(agent->sysfs, mdev, record->group))
			begin(agent, record, record->group);
		return;
	}
	wait = decide_retry(record, now_ms);
	if (wait >= 0) {
		say(LOG_LEVEL_ERROR, record, NULL,
		    "cannot attach to domain %s: %s; next try in %lld s", record->name, error,
		    (long long)wait / 1000);
		return;
	}
	say(LOG_LEVEL_ERROR, record, NULL,
	    "cannot attach to domain %s: %s; giving up until systemctl reload mdr-agent",
	    record->name, error);
	set_phase(agent, record, PHASE_GIVEN_UP);
}

/* As an administrator would: an open group does not ask its users to go. */
static void detach(struct agent *agent, struct record *record)
{
	say(LOG_LEVEL_WARNING, record, NULL,
	    "the driver in the guest of domain %s does not use the device again (it has no error handlers, or they failed): detaching",
	    record->name);
	set_phase(agent, record, PHASE_EVICTING);
	/* in the file before it has left the domain */
	agent_save(agent);
	record->busy = true;
	agent->backend->detach(agent->backend, record);
}

void agent_used(struct agent *agent, const char *mdev, const char *domain, bool used,
		const char *error, int64_t now_ms)
{
	struct record *record = find(agent, mdev, domain);

	agent->due = true;
	if (!record || record->phase != PHASE_RESET)
		return;
	record->busy = false;
	if (error)
		say(LOG_LEVEL_ERROR, record, NULL,
		    "cannot see whether the guest of domain %s uses the device again: %s",
		    record->name, error);
	if (used || error)
		set_phase(agent, record, PHASE_ATTACHED);
	else if (now_ms - record->reset_ms >= UNUSED_MS)
		detach(agent, record);
	else
		record->late_ms = now_ms + ASK_USED_MS;
}

/* The device leaves later, if the guest lets it go. */
void agent_detached(struct agent *agent, const char *mdev, const char *domain, const char *error)
{
	struct record *record = find(agent, mdev, domain);

	agent->due = true;
	if (!record || record->phase != PHASE_EVICTING)
		return;
	record->busy = false;
	if (!error)
		return;
	say(LOG_LEVEL_ERROR, record, NULL,
	    "cannot detach from domain %s: %s; detach it and attach it again by hand",
	    record->name, error);
	set_phase(agent, record, PHASE_ATTACHED);
}

/* One call is for all that sit below the same port of the same guest. */
void agent_told(struct agent *agent, const char *domain, const char *port, const char *error)
{
	agent->due = true;
	for (struct record *record = agent->records.first; record; record = record->next) {
		if (!record->busy || record->phase != PHASE_TOLD ||
		    strcmp(record->domain, domain) || strcmp(record->place.port, port))
			continue;
		record->busy = false;
		if (!error)
			continue;
		say(LOG_LEVEL_ERROR, record, NULL,
		    "cannot tell the guest of domain %s, so it is evicted: %s",
		    record->name, error);
		set_phase(agent, record, PHASE_ERROR);
		record->said = route_told_before;
	}
}
