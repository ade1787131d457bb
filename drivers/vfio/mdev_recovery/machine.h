/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state machine of a group: states, events, and what an arc asks for.
 *
 * Pure: no locks, no I/O, no allocation, and no kernel header beyond the
 * types, so that the module, the unit tests and the model share one table.
 */
#ifndef MDR_MACHINE_H
#define MDR_MACHINE_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
#endif

/**
 * enum mdr_state - state of a group
 * @MDR_STATE_INVALID: not a state; the target of every arc that is not written
 * @MDR_STATE_OPEN: gate open, users have access
 * @MDR_STATE_CLOSING: gate closed, access in flight drains, mappings are zapped
 * @MDR_STATE_RECOVERING: gate closed, the host resets and restores
 * @MDR_STATE_HOLDING: gate closed, the host is done and waits for the user's
 *	reset; bounded by hold_timeout_ms
 * @MDR_STATE_EVICTING: gate closed, the user is asked to give the device back
 * @MDR_STATE_FAILED: gate closed and dead, the recovery did not succeed
 * @MDR_STATE_RESETTING: gate closed, a reset asked for by a user or an
 *	administrator runs
 * @MDR_STATE_COUNT: number of values
 */
enum mdr_state {
	MDR_STATE_INVALID = 0,
	MDR_STATE_OPEN,
	MDR_STATE_CLOSING,
	MDR_STATE_RECOVERING,
	MDR_STATE_HOLDING,
	MDR_STATE_EVICTING,
	MDR_STATE_FAILED,
	MDR_STATE_RESETTING,
	MDR_STATE_COUNT,
};

/**
 * enum mdr_event - what can happen to a group
 * @MDR_EVENT_ERROR_NONFATAL: error_detected(normal)
 * @MDR_EVENT_ERROR_FATAL: error_detected(frozen)
 * @MDR_EVENT_ERROR_PERMANENT: error_detected(perm_failure)
 * @MDR_EVENT_DRAINED: nobody is inside the gate any more
 * @MDR_EVENT_DRAIN_TIMEOUT: somebody still is, the host goes on regardless
 * @MDR_EVENT_SLOT_RESET_OK: a function was restored and answers
 * @MDR_EVENT_SLOT_RESET_FAILED: a function could not be restored
 * @MDR_EVENT_RESUME_OPEN: the host is done, nobody has to be waited for
 * @MDR_EVENT_RESUME_HOLD: the host is done, a user must reset first
 * @MDR_EVENT_RESUME_EVICT: the host is done, the user must leave
 * @MDR_EVENT_WATCHDOG: recovery_timeout_ms passed without a resume
 * @MDR_EVENT_BREAKER: errors come too often
 * @MDR_EVENT_USER_RESET_BEGIN: a user asks for a reset
 * @MDR_EVENT_USER_RESET_OK: it succeeded and nobody else is waited for
 * @MDR_EVENT_USER_RESET_FAILED: it failed, or another user of the group has yet
 *	to acknowledge; back to where it began
 * @MDR_EVENT_HOST_RESET_BEGIN: a reset from outside begins
 * @MDR_EVENT_HOST_RESET_DONE: it ended; back to where it began
 * @MDR_EVENT_HOLD_TIMEOUT: the user of a held function did not react
 * @MDR_EVENT_LAST_USER_GONE: no device of the group is open any more
 * @MDR_EVENT_REMOVE: the failed functions left the group
 * @MDR_EVENT_ADMIN_RECOVER: the administrator asks for a failed group back: its
 *	functions are reset and restored; then a resume, or back to failed
 * @MDR_EVENT_COUNT: number of values
 */
enum mdr_event {
	MDR_EVENT_ERROR_NONFATAL = 0,
	MDR_EVENT_ERROR_FATAL,
	MDR_EVENT_ERROR_PERMANENT,
	MDR_EVENT_DRAINED,
	MDR_EVENT_DRAIN_TIMEOUT,
	MDR_EVENT_SLOT_RESET_OK,
	MDR_EVENT_SLOT_RESET_FAILED,
	MDR_EVENT_RESUME_OPEN,
	MDR_EVENT_RESUME_HOLD,
	MDR_EVENT_RESUME_EVICT,
	MDR_EVENT_WATCHDOG,
	MDR_EVENT_BREAKER,
	MDR_EVENT_USER_RESET_BEGIN,
	MDR_EVENT_USER_RESET_OK,
	MDR_EVENT_USER_RESET_FAILED,
	MDR_EVENT_HOST_RESET_BEGIN,
	MDR_EVENT_HOST_RESET_DONE,
	MDR_EVENT_HOLD_TIMEOUT,
	MDR_EVENT_LAST_USER_GONE,
	MDR_EVENT_REMOVE,
	MDR_EVENT_ADMIN_RECOVER,
	MDR_EVENT_COUNT,
};

/**
 * enum mdr_action - what the caller of an accepted arc has to do
 * @MDR_ACTION_NONE: nothing
 * @MDR_ACTION_CLOSE: close the gate
 * @MDR_ACTION_OPEN: open the gate
 * @MDR_ACTION_LOSE: the function is lost: release the waiters, signal ERR
 * @MDR_ACTION_REQUEST: ask the users to release the device (REQ)
 */
enum mdr_action {
	MDR_ACTION_NONE = 0,
	MDR_ACTION_CLOSE,
	MDR_ACTION_OPEN,
	MDR_ACTION_LOSE,
	MDR_ACTION_REQUEST,
};

/**
 * struct mdr_machine - the state of one group
 * @state: current state; written by mdr_machine_init() and mdr_machine_step()
 *	only
 * @origin: where the running reset began, MDR_STATE_INVALID outside of
 *	MDR_STATE_RESETTING
 */
struct mdr_machine {
	enum mdr_state state;
	enum mdr_state origin;
};

void mdr_machine_init(struct mdr_machine *machine);
bool mdr_machine_step(struct mdr_machine *machine, enum mdr_event event,
		      enum mdr_action *action);
const char *mdr_state_name(enum mdr_state state);
const char *mdr_event_name(enum mdr_event event);

#endif
