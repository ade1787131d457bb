// SPDX-License-Identifier: GPL-2.0-only
#include "decide.h"

/*
 * QEMU closes the device before libvirt learns of it, so the group may be open
 * before the device has left the XML. If the domain still has the device long
 * after that, this eviction did not unplug it. A later detach is then deliberate.
 */
static enum verdict decide_evicting(struct record *record, enum presence presence,
				    enum group_state group, int64_t now_ms)
{
	if (presence == PRESENCE_ABSENT)
		return VERDICT_DETACHED;
	if (group != GROUP_OPEN) {
		record->settle_ms = 0;
		return VERDICT_WAIT;
	}
	if (!record->settle_ms)
		record->settle_ms = now_ms + SETTLE_MS;
	return now_ms >= record->settle_ms ? VERDICT_STAYED : VERDICT_WAIT;
}

static enum verdict decide_detached(const struct record *record, enum presence presence,
				    enum group_state group, int64_t now_ms)
{
	if (presence == PRESENCE_ATTACHED)
		return VERDICT_RETURNED;
	if (group == GROUP_GONE)
		return VERDICT_MDEV_GONE;
	if (group != GROUP_OPEN || now_ms < record->retry_ms)
		return VERDICT_WAIT;
	return VERDICT_ATTACH;
}

enum verdict decide(struct record *record, enum presence presence, enum group_state group,
		    int64_t now_ms)
{
	if (record->phase == PHASE_ATTACHED || presence == PRESENCE_UNKNOWN)
		return VERDICT_WAIT;
	if (presence == PRESENCE_STOPPED)
		return VERDICT_STOPPED;
	if (record->phase == PHASE_EVICTING)
		return decide_evicting(record, presence, group, now_ms);
	return decide_detached(record, presence, group, now_ms);
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
