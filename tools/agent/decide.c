// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>

#include "decide.h"

/* "any" where it does not matter */
#define ANY		(~0U)
#define WITH_ERROR	(PHASE_ERROR | PHASE_TOLD | PHASE_RESET)
#define IN_DOMAIN	(PHASE_ATTACHED | WITH_ERROR | PHASE_EVICTING)
#define OUTSIDE		(PHASE_DETACHED | PHASE_GIVEN_UP)
#define HERE		(PRESENCE_ATTACHED | PRESENCE_UNKNOWN)
#define TELLABLE	(IF_HOLD | IF_ROUTE)

struct rule {
	unsigned int phases, presences, states;
	unsigned int with, without;	/* conditions */
	enum verdict verdict;
};

/* The first rule that fits decides. */
static const struct rule rules[] = {
	/* whatever it was, that domain does not run any more */
	{ ANY, PRESENCE_STOPPED, ANY, 0, 0, VERDICT_STOPPED },
	/* an answer is on its way */
	{ ANY, ANY, ANY, IF_BUSY, 0, VERDICT_WAIT },

	/*
	 * The device has left the domain. It was evicted if the agent has seen the group
	 * evicting, or if the group had an event that ends in an eviction, which can pass
	 * unseen. Otherwise an administrator has detached the device.
	 */
	{ PHASE_EVICTING, PRESENCE_ABSENT, ANY, 0, 0, VERDICT_DETACHED },
	{ PHASE_ERROR, PRESENCE_ABSENT, GROUP_FAILED, 0, 0, VERDICT_FORGET },
	{ PHASE_ERROR, PRESENCE_ABSENT, ANY, IF_EVICT, 0, VERDICT_DETACHED },
	{ WITH_ERROR, PRESENCE_ABSENT, ANY, IF_HELD_OUT, 0, VERDICT_DETACHED },
	{ PHASE_ATTACHED, PRESENCE_ABSENT, ANY, IF_NEW | IF_EVICT, 0, VERDICT_DETACHED },
	{ PHASE_ATTACHED, PRESENCE_ABSENT, ANY, IF_NEW | IF_HELD_OUT, 0, VERDICT_DETACHED },
	{ PHASE_ATTACHED | WITH_ERROR, PRESENCE_ABSENT, ANY, 0, 0, VERDICT_FORGET },

	/* second rung; it needs nothing from libvirt to begin */
	{ PHASE_ATTACHED | WITH_ERROR, HERE, GROUP_EVICTING, 0, 0, VERDICT_EVICT },

	/* third rung: only an administrator can revive the group */
	{ IN_DOMAIN, HERE, GROUP_FAILED, 0, IF_SAID, VERDICT_FAILED },
	{ PHASE_DETACHED, ANY, GROUP_FAILED, 0, IF_SAID, VERDICT_FAILED },

	/* an event, or one more */
	{ PHASE_ATTACHED | WITH_ERROR, HERE, ANY, IF_NEW | IF_HOLD, 0, VERDICT_NOTE },
	{ PHASE_ATTACHED | WITH_ERROR, HERE, ANY, IF_NEW | IF_EVICT, 0, VERDICT_NOTE },
	{ PHASE_ATTACHED | WITH_ERROR, HERE, ANY, IF_NEW, 0, VERDICT_PASS },

	/*
	 * First rung: once for each event, when the host is done. Telling the guest earlier
	 * gains nothing, because its reset waits for the host.
	 */
	{ PHASE_ERROR, PRESENCE_ATTACHED, GROUP_HOLDING, TELLABLE, IF_TOLD, VERDICT_TELL },
	{ PHASE_ERROR, PRESENCE_ATTACHED, GROUP_HOLDING, 0, IF_SAID, VERDICT_CANNOT_TELL },

	/* the event has ended with the device in the domain */
	{ PHASE_TOLD, HERE, GROUP_OPEN, 0, 0, VERDICT_RESET },
	{ PHASE_RESET, PRESENCE_ATTACHED, GROUP_OPEN, IF_LATE, 0, VERDICT_ASK_USED },
	{ PHASE_RESET, HERE, GROUP_OPEN, 0, 0, VERDICT_SETTLE },
	{ PHASE_ERROR, HERE, GROUP_OPEN, 0, IF_EVICT, VERDICT_PASS },
	{ PHASE_ERROR, HERE, GROUP_OPEN, IF_LATE, 0, VERDICT_PASS },
	{ PHASE_ERROR, HERE, GROUP_OPEN, 0, 0, VERDICT_SETTLE },
	{ WITH_ERROR, ANY, GROUP_GONE, 0, 0, VERDICT_FORGET },

	/*
	 * QEMU closes the device before libvirt learns of it, so the group may be open
	 * before the device has left the XML. If the domain still has the device long
	 * after that, this eviction did not unplug it: a later detach is deliberate.
	 */
	{ PHASE_EVICTING, PRESENCE_ATTACHED, GROUP_OPEN, IF_LATE, 0, VERDICT_STAYED },
	{ PHASE_EVICTING, PRESENCE_ATTACHED, GROUP_OPEN, 0, 0, VERDICT_SETTLE },
	{ PHASE_EVICTING, PRESENCE_ATTACHED, GROUP_EVICTING, IF_LATE, IF_SAID, VERDICT_SLOW },
	{ PHASE_EVICTING, PRESENCE_ATTACHED, GROUP_EVICTING, 0, 0, VERDICT_SETTLE },

	{ OUTSIDE, PRESENCE_ATTACHED, ANY, 0, 0, VERDICT_RETURNED },
	{ OUTSIDE, PRESENCE_ABSENT, GROUP_GONE, 0, 0, VERDICT_GONE },
	{ PHASE_DETACHED, PRESENCE_ABSENT, GROUP_OPEN, IF_RETRY, 0, VERDICT_ATTACH },
};

static bool fits(const struct rule *rule, const struct situation *situation)
{
	return rule->phases & situation->phase && rule->presences & situation->presence &&
	       rule->states & situation->state &&
	       (situation->conditions & rule->with) == rule->with &&
	       !(situation->conditions & rule->without);
}

enum verdict decide(const struct situation *situation)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (fits(&rules[i], situation))
			return rules[i].verdict;
	return VERDICT_WAIT;
}

int64_t decide_rest(struct record *record, int64_t now_ms)
{
	int64_t took = record->evicting_ms ? now_ms - record->evicting_ms : 0;
	int64_t rest = took >= ASKED_AGAIN_MS ? took / 2 : 0;

	if (rest > REST_MOST_MS)
		rest = REST_MOST_MS;
	record->evicting_ms = 0;
	record->retry_ms = now_ms + rest;
	return rest;
}

int64_t decide_retry(struct record *record, int64_t now_ms)
{
	int64_t wait = RETRY_FIRST_MS;

	record->attempts++;
	if (record->attempts >= ATTEMPTS_MOST)
		return -1;
	for (unsigned int i = 1; i < record->attempts && wait < RETRY_MOST_MS; i++)
		wait *= 2;
	if (wait > RETRY_MOST_MS)
		wait = RETRY_MOST_MS;
	record->retry_ms = now_ms + wait;
	return wait;
}
