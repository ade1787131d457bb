// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state machine of a group: one table, and one function that changes the
 * state.
 *
 * One recovery:
 *
 *   open -> closing -> recovering -> open             (type resume)
 *                                 -> holding -> open  (type hold)
 *                                 -> evicting -> open (type evict)
 *                                 -> failed
 *
 * A new error starts over from every state but failed: whatever the group was
 * waiting for belonged to an older event. In failed the host has given up. The
 * group leaves it only if the function proves to be alive (a successful reset
 * by a user or an administrator, a late resume) or leaves the group.
 *
 * A reset by a user or an administrator returns to the state it began in,
 * unless that state was waiting for this reset. An error during it takes over.
 */
#include "machine.h"

/* Pseudo state in the table: return to where the reset began. */
#define ORIGIN MDR_STATE_COUNT

struct mdr_arc {
	unsigned char next;
	unsigned char action;
};

#define ARC(next_, action_) { MDR_STATE_##next_, MDR_ACTION_##action_ }
#define RETURN { ORIGIN, MDR_ACTION_NONE }

static const struct mdr_arc
mdr_arcs[MDR_STATE_COUNT][MDR_EVENT_COUNT] = {
	[MDR_STATE_OPEN] = {
		[MDR_EVENT_ERROR_NONFATAL]	= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_FATAL]		= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_PERMANENT]	= ARC(FAILED, LOSE),
		[MDR_EVENT_USER_RESET_BEGIN]	= ARC(RESETTING, CLOSE),
		[MDR_EVENT_HOST_RESET_BEGIN]	= ARC(RESETTING, CLOSE),
	},
	[MDR_STATE_CLOSING] = {
		[MDR_EVENT_ERROR_NONFATAL]	= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_FATAL]		= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_PERMANENT]	= ARC(FAILED, LOSE),
		[MDR_EVENT_DRAINED]		= ARC(RECOVERING, NONE),
		[MDR_EVENT_DRAIN_TIMEOUT]	= ARC(RECOVERING, NONE),
		[MDR_EVENT_SLOT_RESET_FAILED]	= ARC(FAILED, LOSE),
		[MDR_EVENT_WATCHDOG]		= ARC(FAILED, LOSE),
		[MDR_EVENT_BREAKER]		= ARC(FAILED, LOSE),
	},
	[MDR_STATE_RECOVERING] = {
		[MDR_EVENT_ERROR_NONFATAL]	= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_FATAL]		= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_PERMANENT]	= ARC(FAILED, LOSE),
		/* several functions of one group drain in parallel */
		[MDR_EVENT_DRAINED]		= ARC(RECOVERING, NONE),
		[MDR_EVENT_DRAIN_TIMEOUT]	= ARC(RECOVERING, NONE),
		[MDR_EVENT_SLOT_RESET_OK]	= ARC(RECOVERING, NONE),
		[MDR_EVENT_SLOT_RESET_FAILED]	= ARC(FAILED, LOSE),
		[MDR_EVENT_RESUME_OPEN]		= ARC(OPEN, OPEN),
		[MDR_EVENT_RESUME_HOLD]		= ARC(HOLDING, NONE),
		[MDR_EVENT_RESUME_EVICT]	= ARC(EVICTING, REQUEST),
		[MDR_EVENT_WATCHDOG]		= ARC(FAILED, LOSE),
		[MDR_EVENT_BREAKER]		= ARC(FAILED, LOSE),
	},
	[MDR_STATE_HOLDING] = {
		[MDR_EVENT_ERROR_NONFATAL]	= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_FATAL]		= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_PERMANENT]	= ARC(FAILED, LOSE),
		[MDR_EVENT_USER_RESET_BEGIN]	= ARC(RESETTING, NONE),
		[MDR_EVENT_HOST_RESET_BEGIN]	= ARC(RESETTING, NONE),
		[MDR_EVENT_HOLD_TIMEOUT]	= ARC(EVICTING, REQUEST),
		[MDR_EVENT_ACKNOWLEDGED]	= ARC(OPEN, OPEN),
		[MDR_EVENT_LAST_USER_GONE]	= ARC(OPEN, OPEN),
	},
	[MDR_STATE_EVICTING] = {
		[MDR_EVENT_ERROR_NONFATAL]	= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_FATAL]		= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_PERMANENT]	= ARC(FAILED, LOSE),
		[MDR_EVENT_HOST_RESET_BEGIN]	= ARC(RESETTING, NONE),
		[MDR_EVENT_LAST_USER_GONE]	= ARC(OPEN, OPEN),
	},
	[MDR_STATE_FAILED] = {
		/* a late resume: a successful restore came before it */
		[MDR_EVENT_RESUME_OPEN]		= ARC(OPEN, OPEN),
		[MDR_EVENT_RESUME_HOLD]		= ARC(HOLDING, CLOSE),
		[MDR_EVENT_RESUME_EVICT]	= ARC(EVICTING, REQUEST),
		[MDR_EVENT_USER_RESET_BEGIN]	= ARC(RESETTING, NONE),
		[MDR_EVENT_HOST_RESET_BEGIN]	= ARC(RESETTING, NONE),
		[MDR_EVENT_ADMIN_RECOVER]	= ARC(RESETTING, NONE),
	},
	[MDR_STATE_RESETTING] = {
		[MDR_EVENT_ERROR_NONFATAL]	= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_FATAL]		= ARC(CLOSING, CLOSE),
		[MDR_EVENT_ERROR_PERMANENT]	= ARC(FAILED, LOSE),
		[MDR_EVENT_USER_RESET_OK]	= ARC(OPEN, OPEN),
		[MDR_EVENT_USER_RESET_FAILED]	= RETURN,
		[MDR_EVENT_HOST_RESET_DONE]	= RETURN,
		[MDR_EVENT_RESUME_OPEN]		= ARC(OPEN, OPEN),
		[MDR_EVENT_RESUME_HOLD]		= ARC(HOLDING, CLOSE),
		[MDR_EVENT_RESUME_EVICT]	= ARC(EVICTING, REQUEST),
	},
};

static const char * const mdr_state_names[MDR_STATE_COUNT] = {
	[MDR_STATE_INVALID]	= "invalid",
	[MDR_STATE_OPEN]	= "open",
	[MDR_STATE_CLOSING]	= "closing",
	[MDR_STATE_RECOVERING]	= "recovering",
	[MDR_STATE_HOLDING]	= "holding",
	[MDR_STATE_EVICTING]	= "evicting",
	[MDR_STATE_FAILED]	= "failed",
	[MDR_STATE_RESETTING]	= "resetting",
};

static const char * const mdr_event_names[MDR_EVENT_COUNT] = {
	[MDR_EVENT_ERROR_NONFATAL]	= "error_nonfatal",
	[MDR_EVENT_ERROR_FATAL]		= "error_fatal",
	[MDR_EVENT_ERROR_PERMANENT]	= "error_permanent",
	[MDR_EVENT_DRAINED]		= "drained",
	[MDR_EVENT_DRAIN_TIMEOUT]	= "drain_timeout",
	[MDR_EVENT_SLOT_RESET_OK]	= "slot_reset_ok",
	[MDR_EVENT_SLOT_RESET_FAILED]	= "slot_reset_failed",
	[MDR_EVENT_RESUME_OPEN]		= "resume_open",
	[MDR_EVENT_RESUME_HOLD]		= "resume_hold",
	[MDR_EVENT_RESUME_EVICT]	= "resume_evict",
	[MDR_EVENT_WATCHDOG]		= "watchdog",
	[MDR_EVENT_BREAKER]		= "breaker",
	[MDR_EVENT_USER_RESET_BEGIN]	= "user_reset_begin",
	[MDR_EVENT_USER_RESET_OK]	= "user_reset_ok",
	[MDR_EVENT_USER_RESET_FAILED]	= "user_reset_failed",
	[MDR_EVENT_HOST_RESET_BEGIN]	= "host_reset_begin",
	[MDR_EVENT_HOST_RESET_DONE]	= "host_reset_done",
	[MDR_EVENT_HOLD_TIMEOUT]	= "hold_timeout",
	[MDR_EVENT_LAST_USER_GONE]	= "last_user_gone",
	[MDR_EVENT_ADMIN_RECOVER]	= "admin_recover",
	[MDR_EVENT_ACKNOWLEDGED]	= "acknowledged",
};

void mdr_machine_init(struct mdr_machine *machine)
{
	machine->state = MDR_STATE_OPEN;
	machine->origin = MDR_STATE_INVALID;
}

/*
 * Apply an event; nothing else changes the state. False if the table has no such arc:
 * nothing changed, and @action is MDR_ACTION_NONE.
 */
bool mdr_machine_step(struct mdr_machine *machine, enum mdr_event event,
		      enum mdr_action *action)
{
	const struct mdr_arc *arc;
	enum mdr_state next;

	*action = MDR_ACTION_NONE;
	if (machine->state >= MDR_STATE_COUNT || event >= MDR_EVENT_COUNT)
		return false;

	arc = &mdr_arcs[machine->state][event];
	next = arc->next;
	if (next == ORIGIN)
		next = machine->origin;
	if (next == MDR_STATE_INVALID)
		return false;

	*action = arc->action;
	if (arc->next == ORIGIN && next == MDR_STATE_OPEN)
		*action = MDR_ACTION_OPEN;

	machine->origin = next == MDR_STATE_RESETTING ? machine->state :
							MDR_STATE_INVALID;
	machine->state = next;
	return true;
}

/* As shown in sysfs, uevents and traces; "invalid" for an invalid value. */
const char *mdr_state_name(enum mdr_state state)
{
	if (state >= MDR_STATE_COUNT)
		state = MDR_STATE_INVALID;
	return mdr_state_names[state];
}

/* As shown in traces; "invalid" for an invalid value. */
const char *mdr_event_name(enum mdr_event event)
{
	if (event >= MDR_EVENT_COUNT)
		return "invalid";
	return mdr_event_names[event];
}
