// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state machine of a group. One table, one function that changes a state.
 *
 * The life of one recovery runs down the main diagonal:
 *
 *   open -> closing -> recovering -> open             (type resume)
 *                                 -> holding -> open  (type hold)
 *                                 -> evicting -> open (type evict)
 *                                 -> failed
 *
 * A new error starts over from every state but failed: what was being waited
 * for belonged to an older event. In failed the host has given up; only a proof
 * that the function is alive leads out: an administrator's or a user's reset
 * that succeeded, a resume that came late, or the removal of the function.
 *
 * A reset that a user or an administrator asked for returns to where it began
 * unless it is itself what was waited for. An error in its middle takes over.
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
		/* two functions of one group drain side by side */
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
		/* a late resume: the restore before it proved the device */
		[MDR_EVENT_RESUME_OPEN]		= ARC(OPEN, OPEN),
		[MDR_EVENT_RESUME_HOLD]		= ARC(HOLDING, CLOSE),
		[MDR_EVENT_RESUME_EVICT]	= ARC(EVICTING, REQUEST),
		[MDR_EVENT_USER_RESET_BEGIN]	= ARC(RESETTING, NONE),
		[MDR_EVENT_HOST_RESET_BEGIN]	= ARC(RESETTING, NONE),
		[MDR_EVENT_REMOVE]		= ARC(OPEN, OPEN),
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
	[MDR_EVENT_REMOVE]		= "remove",
	[MDR_EVENT_ADMIN_RECOVER]	= "admin_recover",
};

/**
 * mdr_machine_init - put a machine into its first state, open
 * @machine: the machine
 *
 * Context: any; the caller owns @machine.
 */
void mdr_machine_init(struct mdr_machine *machine)
{
	machine->state = MDR_STATE_OPEN;
	machine->origin = MDR_STATE_INVALID;
}

/**
 * mdr_machine_step - apply an event
 * @machine: the machine
 * @event: what happened
 * @action: out: what the caller has to do now; MDR_ACTION_NONE when refused
 *
 * The only place that changes a state.
 *
 * Context: any; the caller serialises all steps of one machine.
 * Return: true if the arc exists and was taken, false if it was refused and
 * nothing changed.
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

/**
 * mdr_state_name - name of a state as shown in sysfs, uevents and traces
 * @state: the state
 *
 * Context: any.
 * Return: a constant string; "invalid" for a value that is no state.
 */
const char *mdr_state_name(enum mdr_state state)
{
	if (state >= MDR_STATE_COUNT)
		state = MDR_STATE_INVALID;
	return mdr_state_names[state];
}

/**
 * mdr_event_name - name of an event as shown in traces
 * @event: the event
 *
 * Context: any.
 * Return: a constant string; "invalid" for a value that is no event.
 */
const char *mdr_event_name(enum mdr_event event)
{
	if (event >= MDR_EVENT_COUNT)
		return "invalid";
	return mdr_event_names[event];
}
