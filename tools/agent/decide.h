/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ladder, as a function of its arguments: no libvirt, no sysfs, no clock. After an
 * error in the group of an mdev that a running domain has:
 *
 * 1. type hold: tell the guest, by an error at its own root port. Its driver lets go,
 *    and its reset of the link becomes a reset of the device, which ends the event. The
 *    guest also resets the link for a driver without error handlers, which then does not
 *    know of the reset. So the agent checks that the driver uses the device again;
 * 2. type evict, no reset of the device in time, or a driver that does not use it again:
 *    ask the guest to release the device, and attach it again when the group is open;
 * 3. if both fail: leave the device alone, and log what to do.
 */
#ifndef MDR_AGENT_DECIDE_H
#define MDR_AGENT_DECIDE_H

#include "record.h"

/* Is the mdev in the live XML of the domain? One bit each. */
enum presence {
	PRESENCE_UNKNOWN = 1 << 0,	/* libvirt does not answer */
	PRESENCE_STOPPED = 1 << 1,	/* the domain does not run, or was restarted */
	PRESENCE_ABSENT = 1 << 2,
	PRESENCE_ATTACHED = 1 << 3,
};

/* What else matters, one bit each. */
enum condition {
	IF_NEW = 1 << 0,	/* the group has an event that the record has not */
	IF_HOLD = 1 << 1,	/* the group's type */
	IF_EVICT = 1 << 2,
	IF_TOLD = 1 << 3,	/* the guest was told of this event */
	IF_ROUTE = 1 << 4,	/* the guest can be told */
	IF_HELD_OUT = 1 << 5,	/* hold_timeout_ms has passed since the event */
	IF_LATE = 1 << 6,	/* the record's deadline has passed */
	IF_RETRY = 1 << 7,	/* it is time for an attempt to attach */
	IF_SAID = 1 << 8,	/* that it is stuck, and why, is in the log */
	IF_BUSY = 1 << 9,	/* libvirt is at work for this record */
};

struct situation {
	enum phase phase;
	enum presence presence;
	enum group_state state;
	unsigned int conditions;
};

enum verdict {
	VERDICT_WAIT,
	VERDICT_SETTLE,		/* wait, and start the deadline if it has not been started */
	VERDICT_PASS,		/* the event is over, or none of ours: phase attached */
	VERDICT_NOTE,		/* an event to follow: phase error */
	VERDICT_TELL,		/* tell the guest: phase told */
	VERDICT_CANNOT_TELL,	/* say why the guest is not told */
	VERDICT_RESET,		/* the guest has reset the device: phase reset */
	VERDICT_ASK_USED,	/* ask whether its driver uses it again */
	VERDICT_EVICT,		/* it is being evicted: phase evicting */
	VERDICT_SLOW,		/* say that the guest does not release it */
	VERDICT_DETACHED,	/* it has left the domain by eviction: phase detached */
	VERDICT_ATTACH,
	VERDICT_FAILED,		/* say that the group has failed, and what to do */
	VERDICT_STAYED,		/* the domain kept it: phase attached */
	VERDICT_RETURNED,	/* the domain has it again: phase attached */
	/* nothing is left to do, drop the record: */
	VERDICT_FORGET,		/* no eviction took it */
	VERDICT_STOPPED,	/* the run of the domain that had it has ended */
	VERDICT_GONE,		/* there is nothing to attach */
};

#define SETTLE_MS	30000	/* from the group's opening to the end of the unplug */
#define ASK_USED_MS	1000	/* how often to ask whether the guest uses the device */
#define UNUSED_MS	30000	/* for its driver to do so */
#define SLOW_MS		60000	/* for the guest to release the device */
#define ASKED_AGAIN_MS	10000	/* an eviction of this length has asked the guest twice */
#define REST_MOST_MS	30000
#define RETRY_FIRST_MS	1000
#define RETRY_MOST_MS	60000
#define ATTEMPTS_MOST	20

enum verdict decide(const struct situation *situation);

/*
 * The device has left the domain: sets the time of the first attempt to attach it. The
 * kernel repeats its request every 10 s, and by ACPI QEMU passes each on. A guest whose
 * driver takes long to let go answers the later ones afterwards, and ejects what is in
 * the slot by then. Return: how long until that attempt, in ms; 0 unless the guest was
 * that slow.
 */
int64_t decide_rest(struct record *record, int64_t now_ms);

/*
 * An attempt failed: sets the time of the next one. Return: how long until then, in
 * ms, or -1 if this was the last attempt.
 */
int64_t decide_retry(struct record *record, int64_t now_ms);

#endif
