// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "decide.h"
#include "log.h"
#include "note.h"
#include "route.h"
#include "store.h"

#define LOOK_MS		1000	/* at the groups, while an event is going on */
#define IDLE_LOOK_MS	10000	/* and else; a uevent may be lost */

static const char failed_reason[] =
	"has failed; see its blockers and the kernel's log, then write 1 to its file recover";
static const char slow_reason[] =
	"does not release it: its system must support hot-unplug, and let the device go";

void agent_load(struct agent *agent)
{
	static const char * const phases[] = { "attached", "with an error", "told of an error",
					       "evicting", "detached", "given up",
					       "reset by its guest" };
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
		if (record->phase != PHASE_ATTACHED)
			say(LOG_LEVEL_INFO, record, NULL,
			    "known from an earlier run, in domain %s: %s", record->name,
			    phases[__builtin_ctz(record->phase)]);
	agent->due = true;
}

void agent_save(struct agent *agent)
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

void agent_retry(struct agent *agent)
{
	for (struct record *record = agent->records.first; record; record = record->next) {
		if (record->phase == PHASE_GIVEN_UP)
			set_phase(agent, record, PHASE_DETACHED);
		record->attempts = 0;
		record->retry_ms = 0;
	}
	agent_save(agent);
	agent->due = true;
}

static bool same_port(const struct record *a, const struct record *b)
{
	return !strcmp(a->domain, b->domain) && a->id == b->id &&
	       !strcmp(a->place.port, b->place.port);
}

static void tell(struct agent *agent, struct record *record, const struct group *group,
		 int64_t now_ms)
{
	for (struct record *other = agent->records.first; other; other = other->next) {
		struct group of = *group;

		if (!same_port(other, record) || !other->seen)
			continue;
		if (other != record && !group_of_mdev(agent->sysfs, other->mdev, other->group))
			group_read(agent->sysfs, other->group, &of);
		if (other->phase == PHASE_ATTACHED)
			other->since_ms = now_ms;
		catch_up(other, &of);
		other->told = group->event;
		other->busy = true;
		set_phase(agent, other, PHASE_TOLD);
		say(LOG_LEVEL_INFO, other, &of,
		    "%s has an error (event %llu), telling the guest of domain %s at its port %s",
		    of.name, of.event, other->name, other->place.port);
	}
	/* write the file before the guest can know */
	agent_save(agent);
	agent->backend->tell(agent->backend, record, group->event);
}

static void settle(struct record *record, enum group_state state, int64_t now_ms)
{
	if (state == GROUP_EVICTING && !record->evicting_ms)
		record->evicting_ms = now_ms;
	if (record->late_ms && record->late_state == state)
		return;
	record->late_state = state;
	record->late_ms = now_ms + (state != GROUP_OPEN ? SLOW_MS :
				    record->phase == PHASE_RESET ? ASK_USED_MS : SETTLE_MS);
	if (record->phase == PHASE_RESET && !record->reset_ms)
		record->reset_ms = now_ms;
}

/*
 * The next step writes the file, once for all that are evicted together. An agent that
 * does not live to see it leaves what the event alone tells the next one.
 */
static void evicts(struct agent *agent, struct record *record, const struct group *group)
{
	bool told = record->phase == PHASE_TOLD;

	catch_up(record, group);
	set_phase(agent, record, PHASE_EVICTING);
	say(LOG_LEVEL_INFO, record, group,
	    "%s is evicting (event %llu), %sdomain %s is asked to release it", group->name,
	    group->event, told ? "the guest was told and has not reset it in time, " : "",
	    record->name);
}

static void detached(struct agent *agent, struct record *record, const struct group *group,
		     int64_t now_ms)
{
	int64_t rest = decide_rest(record, now_ms);

	if (rest)
		say(LOG_LEVEL_INFO, record, group,
		    "detached from domain %s; its guest took long and may still answer older requests, so it gets %lld s before it has the device again",
		    record->name, (long long)rest / 1000);
	else
		say(LOG_LEVEL_INFO, record, group, "detached from domain %s", record->name);
	catch_up(record, group);
	set_phase(agent, record, PHASE_DETACHED);
	/* write the file before the next step */
	agent_save(agent);
}

static void attach(struct agent *agent, struct record *record, const struct group *group)
{
	say(LOG_LEVEL_INFO, record, group, "%s is open, re-attaching to domain %s", group->name,
	    record->name);
	record->busy = true;
	agent->backend->attach(agent->backend, record);
}

static const char *reason_of(struct agent *agent, const struct record *record,
			     const struct group *group)
{
	switch (group->state) {
	case GROUP_FAILED:
		return failed_reason;
	case GROUP_EVICTING:
		return slow_reason;
	default:
		return route_reason(&agent->records, record, group, agent->sysfs);
	}
}

static void end(struct agent *agent, struct record *record, const struct group *group)
{
	catch_up(record, group);
	record->evicting_ms = 0;
	set_phase(agent, record, PHASE_ATTACHED);
}

static const char * const ends[] = {
	[VERDICT_RETURNED] = "has it again",
	[VERDICT_STAYED] = "has kept it although the eviction is over",
	[VERDICT_STOPPED] = "has stopped or was restarted, nothing to re-attach to",
	[VERDICT_GONE] = "cannot have it back, the mdev is gone",
};

static void drop(struct agent *agent, struct record *record, enum verdict verdict)
{
	if (record->phase != PHASE_ATTACHED && ends[verdict])
		say(LOG_LEVEL_INFO, record, NULL, "domain %s %s", record->name, ends[verdict]);
	/* the record may have hidden that a new run of the domain has the device */
	if (verdict == VERDICT_STOPPED && record->phase != PHASE_ATTACHED)
		agent->backend->look(agent->backend, record->domain);
	record_drop(&agent->records, record);
	agent->dirty = true;
}

static void say_untold(const struct record *record, const struct group *group, const char *reason)
{
	const char *neighbour = record->place.neighbour;

	say(LOG_LEVEL_WARNING, record, group,
	    "the guest of domain %s is not told of the error in %s, but evicted: %s%s%s",
	    record->name, group->name, reason, *neighbour ? ": " : "", neighbour);
}

/* Return: whether the record is still there and there may be more to do. */
static bool act(struct agent *agent, struct record *record, const struct group *group,
		enum verdict verdict, int64_t now_ms)
{
	const char *reason;

	switch (verdict) {
	case VERDICT_WAIT:
		record->late_ms = 0;
		return false;
	case VERDICT_SETTLE:
		settle(record, group->state, now_ms);
		return false;
	case VERDICT_NOTE:
		catch_up(record, group);
		record->since_ms = now_ms;
		set_phase(agent, record, PHASE_ERROR);
		return true;
	case VERDICT_TELL:
		tell(agent, record, group, now_ms);
		return false;
	case VERDICT_CANNOT_TELL:
	case VERDICT_FAILED:
	case VERDICT_SLOW:
		reason = reason_of(agent, record, group);
		if (verdict == VERDICT_CANNOT_TELL)
			say_untold(record, group, reason);
		else
			say(LOG_LEVEL_WARNING, record, group, "%s %s",
			    verdict == VERDICT_FAILED ? group->name : record->name, reason);
		if (verdict == VERDICT_FAILED && record->phase == PHASE_ATTACHED) {
			catch_up(record, group);
			set_phase(agent, record, PHASE_ERROR);
		}
		record->said = reason;
		return false;
	case VERDICT_RESET:
		say(LOG_LEVEL_INFO, record, group,
		    "the guest of domain %s has reset the device, %s is open after %lld ms",
		    record->name, group->name, (long long)(now_ms - record->since_ms));
		catch_up(record, group);
		set_phase(agent, record, PHASE_RESET);
		record->reset_ms = now_ms;
		record->late_ms = now_ms;
		record->late_state = group->state;
		return true;
	case VERDICT_ASK_USED:
		record->busy = true;
		agent->backend->ask_used(agent->backend, record);
		return false;
	case VERDICT_EVICT:
		evicts(agent, record, group);
		return true;
	case VERDICT_DETACHED:
		detached(agent, record, group, now_ms);
		return true;
	case VERDICT_ATTACH:
		attach(agent, record, group);
		return false;
	case VERDICT_RETURNED:
	case VERDICT_STAYED:
		say(LOG_LEVEL_INFO, record, group, "domain %s %s", record->name, ends[verdict]);
		end(agent, record, group);
		return true;
	case VERDICT_PASS:
		end(agent, record, group);
		return true;
	case VERDICT_FORGET:
	case VERDICT_STOPPED:
	case VERDICT_GONE:
		drop(agent, record, verdict);
		return false;
	}
	return false;
}

static unsigned int conditions_of(struct agent *agent, const struct record *record,
				  const struct group *group, int64_t now_ms)
{
	unsigned int conditions = 0;
	const char *reason = reason_of(agent, record, group);

	conditions |= group->event > record->event ? IF_NEW : 0;
	conditions |= group->policy == POLICY_HOLD ? IF_HOLD : 0;
	conditions |= group->policy == POLICY_EVICT ? IF_EVICT : 0;
	conditions |= group->event && record->told == group->event ? IF_TOLD : 0;
	if (!reason && group->state == GROUP_HOLDING)
		conditions |= IF_ROUTE;
	conditions |= group->hold_timeouts > record->hold_timeouts ? IF_HELD_OUT : 0;
	conditions |= record->late_ms && record->late_state == group->state &&
		      now_ms >= record->late_ms ? IF_LATE : 0;
	conditions |= now_ms >= record->retry_ms ? IF_RETRY : 0;
	if (reason && (record->said == reason || reason == route_not_yet))
		conditions |= IF_SAID;
	conditions |= record->busy ? IF_BUSY : 0;
	return conditions;
}

static enum presence presence_of(const struct agent *agent, const struct record *record)
{
	if (!agent->known || record->unclear)
		return PRESENCE_UNKNOWN;
	if (!record->running)
		return PRESENCE_STOPPED;
	return record->seen ? PRESENCE_ATTACHED : PRESENCE_ABSENT;
}

/* Decides and acts until there is nothing more to do for the record. */
static void follow(struct agent *agent, struct record *record, const struct group *group,
		   int64_t now_ms)
{
	struct situation situation;

	do {
		situation.phase = record->phase;
		situation.presence = presence_of(agent, record);
		situation.state = group->state;
		situation.conditions = conditions_of(agent, record, group, now_ms);
	} while (act(agent, record, group, decide(&situation), now_ms));
}

/* An mdev that has another group by now is found by the step that follows. */
static bool is_in(const struct agent *agent, const struct record *record, const char *group)
{
	if (*record->group && strcmp(record->group, group))
		return false;
	return group_has_mdev(agent->sysfs, group, record->mdev);
}

void agent_group_changed(struct agent *agent, const char *name, const char *state,
			 int64_t now_ms)
{
	struct record *record, *next;
	struct group group;

	agent->due = true;
	group_read(agent->sysfs, name, &group);
	/* the record may have moved on */
	group.state = group_state_parse(state);
	for (record = agent->records.first; record; record = next) {
		next = record->next;
		if (is_in(agent, record, name))
			follow(agent, record, &group, now_ms);
	}
}

static int some_group(const char *group, void *arg)
{
	(void)group;
	(void)arg;
	return 1;
}

/* Is there a record that is not at rest? */
static bool busy(const struct agent *agent)
{
	for (const struct record *record = agent->records.first; record; record = record->next)
		if (record->phase != PHASE_ATTACHED && record->phase != PHASE_GIVEN_UP)
			return true;
	return false;
}

static void follow_all(struct agent *agent, int64_t now_ms)
{
	struct record *record, *next;
	struct group group;

	for (record = agent->records.first; record; record = next) {
		next = record->next;
		if (group_of_mdev(agent->sysfs, record->mdev, record->group))
			record->group[0] = 0;
		group_read(agent->sysfs, record->group, &group);
		follow(agent, record, &group, now_ms);
	}
}

int agent_step(struct agent *agent, int64_t now_ms)
{
	bool groups = group_each(agent->sysfs, some_group, NULL);

	agent->due = false;
	/* without a group of ours and an eviction, do not bother libvirt */
	if (!groups && !busy(agent)) {
		agent->backend->want(agent->backend, false);
		records_free(&agent->records);
		agent->known = false;
		agent_save(agent);
		return -1;
	}
	agent->backend->want(agent->backend, true);
	follow_all(agent, now_ms);
	agent_save(agent);
	return busy(agent) ? LOOK_MS : IDLE_LOOK_MS;
}

void agent_free(struct agent *agent)
{
	records_free(&agent->records);
}
