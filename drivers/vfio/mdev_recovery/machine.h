/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state machine of a group: states, events and actions.
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
#include <uapi/linux/mdev_recovery.h>

/*
 * enum mdr_state is part of the user API. MDR_STATE_INVALID: an arc that is not
 * in the table. The gate is open in state open only, and dead in state failed.
 */
#define MDR_STATE_COUNT (MDR_STATE_RESETTING + 1)

enum mdr_event {
	MDR_EVENT_ERROR_NONFATAL = 0,	/* error_detected(normal) */
	MDR_EVENT_ERROR_FATAL,		/* error_detected(frozen) */
	MDR_EVENT_ERROR_PERMANENT,	/* error_detected(perm_failure) */
	MDR_EVENT_DRAINED,		/* no user is inside the gate */
	MDR_EVENT_DRAIN_TIMEOUT,	/* one is; the host does not wait */
	MDR_EVENT_SLOT_RESET_OK,	/* a function is restored and answers */
	MDR_EVENT_SLOT_RESET_FAILED,	/* a function cannot be restored */
	MDR_EVENT_RESUME_OPEN,		/* host done: nothing to wait for */
	MDR_EVENT_RESUME_HOLD,		/* host done: a user must reset */
	MDR_EVENT_RESUME_EVICT,		/* host done: the user must leave */
	MDR_EVENT_WATCHDOG,		/* recovery_timeout_ms, and no resume */
	MDR_EVENT_BREAKER,		/* errors come too often */
	MDR_EVENT_USER_RESET_BEGIN,
	MDR_EVENT_USER_RESET_OK,	/* and no other user has yet to reset */
	MDR_EVENT_USER_RESET_FAILED,	/* or another user has yet to reset */
	MDR_EVENT_HOST_RESET_BEGIN,	/* a reset from outside the driver */
	MDR_EVENT_HOST_RESET_DONE,
	MDR_EVENT_HOLD_TIMEOUT,		/* hold_timeout_ms, and no user reset */
	MDR_EVENT_LAST_USER_GONE,	/* no device of the group is open */
	MDR_EVENT_ADMIN_RECOVER,	/* reset and restore a failed group */
	MDR_EVENT_ACKNOWLEDGED,		/* by all users of type hold, without a reset */
	MDR_EVENT_COUNT,
};

/* What the caller has to do after a step. */
enum mdr_action {
	MDR_ACTION_NONE = 0,
	MDR_ACTION_CLOSE,		/* close the gate */
	MDR_ACTION_OPEN,		/* open the gate */
	MDR_ACTION_LOSE,		/* release the waiters, signal ERR */
	MDR_ACTION_REQUEST,		/* ask users for the device (REQ) */
};

/**
 * struct mdr_machine - the state of one group
 * @state: written only by mdr_machine_init() and mdr_machine_step()
 * @origin: where the running reset began; MDR_STATE_INVALID in all states but
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
