// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state machine against what section 4 of the design says of it. Nothing in
 * here is derived from machine.c: the matrix is written from the prose.
 */
#include <stdio.h>
#include <string.h>

#include "machine.h"
#include "test.h"

/*
 * The expected behaviour. A line is an event, a column the present state. A cell has the
 * first letters of the next state, and what the caller has to do:
 *
 *	C	close the gate (again: it may be dead)
 *	O	open the gate
 *	L	lose: the gate dies, ERR is signalled
 *	R	request: the gate closes, REQ is signalled
 *	-	nothing
 *
 * NO: the event is refused in that state. BACK: return to the state in which the reset
 * began; this opens the gate if that state is open.
 */
#define NO	NULL
#define BACK	"back"

struct row {
	enum mdr_event event;
	const char *cell[MDR_STATE_COUNT - 1];
};

#define ROW(event_, ...) { MDR_EVENT_##event_, { __VA_ARGS__ } }

static const struct row matrix[] = {
	/*                     open     closing  recover. holding  evicting failed   resetting */

	/* A new error starts over, whatever was waited for; failed stays. */
	ROW(ERROR_NONFATAL,    "clo C", "clo C", "clo C", "clo C", "clo C", NO,      "clo C"),
	ROW(ERROR_FATAL,       "clo C", "clo C", "clo C", "clo C", "clo C", NO,      "clo C"),
	/* The host has given up: there is no reason to drain. */
	ROW(ERROR_PERMANENT,   "fai L", "fai L", "fai L", "fai L", "fai L", NO,      "fai L"),
	/* The drain ends closing; a second function's drain finds it ended. */
	ROW(DRAINED,           NO,      "rec -", "rec -", NO,      NO,      NO,      NO),
	ROW(DRAIN_TIMEOUT,     NO,      "rec -", "rec -", NO,      NO,      NO,      NO),
	/* The restore comes after the drain; if it fails the group is lost. */
	ROW(SLOT_RESET_OK,     NO,      NO,      "rec -", NO,      NO,      NO,      NO),
	ROW(SLOT_RESET_FAILED, NO,      "fai L", "fai L", NO,      NO,      NO,      NO),
	/*
	 * The end of a recovery, by policy. A late one leads out of failed, and
	 * an administrator's recover ends with one too.
	 */
	ROW(RESUME_OPEN,       NO,      NO,      "ope O", NO,      NO,      "ope O", "ope O"),
	ROW(RESUME_HOLD,       NO,      NO,      "hol -", NO,      NO,      "hol C", "hol C"),
	ROW(RESUME_EVICT,      NO,      NO,      "evi R", NO,      NO,      "evi R", "evi R"),
	/* The host does not finish. */
	ROW(WATCHDOG,          NO,      "fai L", "fai L", NO,      NO,      NO,      NO),
	/* Errors do not end. */
	ROW(BREAKER,           NO,      "fai L", "fai L", NO,      NO,      NO,      NO),
	/* Users reset what they have, hold, or lost; not what they must leave. */
	ROW(USER_RESET_BEGIN,  "res C", NO,      NO,      "res -", NO,      "res -", NO),
	ROW(USER_RESET_OK,     NO,      NO,      NO,      NO,      NO,      NO,      "ope O"),
	ROW(USER_RESET_FAILED, NO,      NO,      NO,      NO,      NO,      NO,      BACK),
	/* A reset from outside is part of the host's recovery while that runs. */
	ROW(HOST_RESET_BEGIN,  "res C", NO,      NO,      "res -", "res -", "res -", NO),
	ROW(HOST_RESET_DONE,   NO,      NO,      NO,      NO,      NO,      NO,      BACK),
	/* A user that does not react in time is asked to leave. */
	ROW(HOLD_TIMEOUT,      NO,      NO,      NO,      "evi R", NO,      NO,      NO),
	/* When the last user is gone there is nothing to wait for. */
	ROW(LAST_USER_GONE,    NO,      NO,      NO,      "ope O", "ope O", NO,      NO),
	/* Two of the four ways out of failed. */
	ROW(ACKNOWLEDGED,      NO,      NO,      NO,      "ope O", NO,      NO,      NO),
	ROW(ADMIN_RECOVER,     NO,      NO,      NO,      NO,      NO,      "res -", NO),
};

/* In the order of the columns. */
static const enum mdr_state states[] = {
	MDR_STATE_OPEN, MDR_STATE_CLOSING, MDR_STATE_RECOVERING,
	MDR_STATE_HOLDING, MDR_STATE_EVICTING, MDR_STATE_FAILED,
	MDR_STATE_RESETTING,
};

/* Where a reset can begin. */
static const enum mdr_state origins[] = {
	MDR_STATE_OPEN, MDR_STATE_HOLDING, MDR_STATE_EVICTING, MDR_STATE_FAILED,
};

static char letter_of(enum mdr_action action)
{
	static const char letters[] = {
		[MDR_ACTION_NONE] = '-', [MDR_ACTION_CLOSE] = 'C', [MDR_ACTION_OPEN] = 'O',
		[MDR_ACTION_LOSE] = 'L', [MDR_ACTION_REQUEST] = 'R',
	};

	return action < COUNT_OF(letters) ? letters[action] : '?';
}

static void check_cell(const struct row *row, size_t column,
		       enum mdr_state origin)
{
	const struct mdr_machine before = { states[column], origin };
	const char *expected = row->cell[column] ?: "refused";
	enum mdr_action action = MDR_ACTION_LOSE;
	struct mdr_machine machine = before;
	char back[32], got[32] = "refused";

	if (!strcmp(expected, BACK)) {
		snprintf(back, sizeof(back), "%.3s %c", mdr_state_name(origin),
			 origin == MDR_STATE_OPEN ? 'O' : '-');
		expected = back;
	}
	if (mdr_machine_step(&machine, row->event, &action))
		snprintf(got, sizeof(got), "%.3s %c",
			 mdr_state_name(machine.state), letter_of(action));
	else if (machine.state != before.state ||
		 machine.origin != before.origin || action != MDR_ACTION_NONE)
		snprintf(got, sizeof(got), "refused, with traces");
	else
		machine.origin = MDR_STATE_INVALID;

	if (strcmp(got, expected))
		fail_msg("%s, %s: '%s', expected '%s",
			 mdr_state_name(before.state),
			 mdr_event_name(row->event), got, expected);
	if (machine.origin != (machine.state == MDR_STATE_RESETTING &&
			       before.state != MDR_STATE_RESETTING ?
			       before.state : MDR_STATE_INVALID))
		fail_msg("%s, %s: origin is %s", mdr_state_name(before.state),
			 mdr_event_name(row->event),
			 mdr_state_name(machine.origin));
}

static void matrix_has_every_event_once(void **unused)
{
	/* The matrix above leaves no event out. */
	bool seen[MDR_EVENT_COUNT] = { false };
	size_t i;

	assert_int_equal(COUNT_OF(matrix), MDR_EVENT_COUNT);
	assert_int_equal(COUNT_OF(states), MDR_STATE_COUNT - 1);
	for (i = 0; i < COUNT_OF(matrix); i++) {
		assert_false(seen[matrix[i].event]);
		seen[matrix[i].event] = true;
	}
}

static void every_event_in_state(void **state)
{
	/* In this state every event does what the matrix says, no more. */
	size_t column = (const enum mdr_state *)*state - states, i, o;

	for (i = 0; i < COUNT_OF(matrix); i++) {
		if (states[column] != MDR_STATE_RESETTING) {
			check_cell(&matrix[i], column, MDR_STATE_INVALID);
			continue;
		}
		for (o = 0; o < COUNT_OF(origins); o++)
			check_cell(&matrix[i], column, origins[o]);
	}
}

static void refuse(enum mdr_state state, unsigned int event)
{
	struct mdr_machine machine = { .state = state };
	enum mdr_action action = MDR_ACTION_LOSE;

	assert_false(mdr_machine_step(&machine, (enum mdr_event)event, &action));
	assert_int_equal(machine.state, state);
	assert_int_equal(machine.origin, MDR_STATE_INVALID);
	assert_int_equal(action, MDR_ACTION_NONE);
}

static void values_out_of_range_are_refused(void **unused)
{
	/* A value that is no state or no event is refused, nothing changes. */
	static const unsigned int wild[] = { 100, 255, 256, INT32_MAX, UINT32_MAX };
	unsigned int event;
	size_t i, s;

	for (s = 0; s < COUNT_OF(states); s++) {
		refuse(states[s], MDR_EVENT_COUNT);
		for (i = 0; i < COUNT_OF(wild); i++)
			refuse(states[s], wild[i]);
	}
	for (event = 0; event <= MDR_EVENT_COUNT; event++) {
		refuse(MDR_STATE_INVALID, event);
		refuse(MDR_STATE_COUNT, event);
		for (i = 0; i < COUNT_OF(wild); i++)
			refuse((enum mdr_state)wild[i], event);
	}
}

static void first_state_is_open(void **unused)
{
	/* A new machine is open, whatever its memory held. */
	struct mdr_machine machine;

	memset(&machine, 0x5a, sizeof(machine));
	mdr_machine_init(&machine);
	assert_int_equal(machine.state, MDR_STATE_OPEN);
	assert_int_equal(machine.origin, MDR_STATE_INVALID);
}

/* Lives: what happens, and where that leads. */

struct step {
	enum mdr_event event;
	enum mdr_state state;
	enum mdr_action action;
};

#define STEP(event_, state_, action_) \
	{ MDR_EVENT_##event_, MDR_STATE_##state_, MDR_ACTION_##action_ }

/* Returns the machine after the last step. */
static struct mdr_machine play_steps(const char *life, struct mdr_machine machine,
				     const struct step *steps, size_t count)
{
	enum mdr_action action;
	size_t i;

	for (i = 0; i < count; i++) {
		bool accepted = mdr_machine_step(&machine, steps[i].event, &action);

		if (!accepted || machine.state != steps[i].state ||
		    action != steps[i].action)
			fail_msg("%s, step %zu, %s: %s, %s, action %c", life, i,
				 mdr_event_name(steps[i].event),
				 accepted ? "accepted" : "refused",
				 mdr_state_name(machine.state),
				 letter_of(action));
	}
	return machine;
}

#define PLAY(life_, from_, ...) ({						\
	static const struct step steps_[] = { __VA_ARGS__ };			\
										\
	play_steps(life_, from_, steps_, COUNT_OF(steps_));			\
})

static struct mdr_machine fresh(void)
{
	struct mdr_machine machine;

	mdr_machine_init(&machine);
	return machine;
}

/* What most lives begin with: a fatal error, and the end of the drain. */
static struct mdr_machine struck(void)
{
	return PLAY("a fatal error", fresh(),
		    STEP(ERROR_FATAL, CLOSING, CLOSE),
		    STEP(DRAINED, RECOVERING, NONE));
}

static void life_resume(void **unused)
{
	/* Type resume: the gate closes once and opens by itself. */
	PLAY("fatal", struck(),
	     STEP(SLOT_RESET_OK, RECOVERING, NONE),
	     STEP(RESUME_OPEN, OPEN, OPEN));
	PLAY("nonfatal slow user", fresh(),
	     STEP(ERROR_NONFATAL, CLOSING, CLOSE),
	     STEP(DRAIN_TIMEOUT, RECOVERING, NONE),
	     STEP(RESUME_OPEN, OPEN, OPEN),
	     STEP(ERROR_NONFATAL, CLOSING, CLOSE));
	PLAY("two functions", struck(),
	     STEP(DRAINED, RECOVERING, NONE),
	     STEP(SLOT_RESET_OK, RECOVERING, NONE),
	     STEP(SLOT_RESET_OK, RECOVERING, NONE),
	     STEP(RESUME_OPEN, OPEN, OPEN));
}

static void life_hold(void **unused)
{
	/* Type hold: the user's reset opens, its failure does not. */
	PLAY("acknowledged", struck(),
	     STEP(RESUME_HOLD, HOLDING, NONE),
	     STEP(USER_RESET_BEGIN, RESETTING, NONE),
	     STEP(USER_RESET_FAILED, HOLDING, NONE),
	     STEP(USER_RESET_BEGIN, RESETTING, NONE),
	     STEP(USER_RESET_OK, OPEN, OPEN));
	PLAY("user closed", struck(),
	     STEP(RESUME_HOLD, HOLDING, NONE),
	     STEP(LAST_USER_GONE, OPEN, OPEN));
	PLAY("second error", fresh(),
	     STEP(ERROR_NONFATAL, CLOSING, CLOSE),
	     STEP(DRAINED, RECOVERING, NONE),
	     STEP(RESUME_HOLD, HOLDING, NONE),
	     STEP(ERROR_FATAL, CLOSING, CLOSE),
	     STEP(DRAINED, RECOVERING, NONE),
	     STEP(RESUME_HOLD, HOLDING, NONE),
	     STEP(HOLD_TIMEOUT, EVICTING, REQUEST),
	     STEP(LAST_USER_GONE, OPEN, OPEN));
}

static void life_evict(void **unused)
{
	/* Type evict: the user is asked once and the group opens without it. */
	PLAY("left", struck(),
	     STEP(SLOT_RESET_OK, RECOVERING, NONE),
	     STEP(RESUME_EVICT, EVICTING, REQUEST),
	     STEP(LAST_USER_GONE, OPEN, OPEN));
	PLAY("reset from outside", struck(),
	     STEP(RESUME_EVICT, EVICTING, REQUEST),
	     STEP(HOST_RESET_BEGIN, RESETTING, NONE),
	     STEP(HOST_RESET_DONE, EVICTING, NONE),
	     STEP(LAST_USER_GONE, OPEN, OPEN));
}

static void life_failed(void **unused)
{
	/* Failed: only a proof of life leads out, and a failed try does not. */
	PLAY("administrator", struck(),
	     STEP(SLOT_RESET_FAILED, FAILED, LOSE),
	     STEP(ADMIN_RECOVER, RESETTING, NONE),
	     STEP(HOST_RESET_DONE, FAILED, NONE),
	     STEP(ADMIN_RECOVER, RESETTING, NONE),
	     STEP(RESUME_HOLD, HOLDING, CLOSE),
	     STEP(USER_RESET_BEGIN, RESETTING, NONE),
	     STEP(USER_RESET_OK, OPEN, OPEN));
	PLAY("user", fresh(),
	     STEP(ERROR_PERMANENT, FAILED, LOSE),
	     STEP(USER_RESET_BEGIN, RESETTING, NONE),
	     STEP(USER_RESET_FAILED, FAILED, NONE),
	     STEP(USER_RESET_BEGIN, RESETTING, NONE),
	     STEP(USER_RESET_OK, OPEN, OPEN));
	PLAY("error in the try", fresh(),
	     STEP(ERROR_PERMANENT, FAILED, LOSE),
	     STEP(ADMIN_RECOVER, RESETTING, NONE),
	     STEP(ERROR_PERMANENT, FAILED, LOSE),
	     STEP(ADMIN_RECOVER, RESETTING, NONE),
	     STEP(ERROR_FATAL, CLOSING, CLOSE),
	     STEP(DRAINED, RECOVERING, NONE),
	     STEP(RESUME_OPEN, OPEN, OPEN));
}

static void late_resume_leads_out_of_failed(void **unused)
{
	/* A resume after the watchdog ends failed as the policy says. */
	PLAY("opens", struck(),
	     STEP(WATCHDOG, FAILED, LOSE),
	     STEP(RESUME_OPEN, OPEN, OPEN));
	PLAY("holds", struck(),
	     STEP(WATCHDOG, FAILED, LOSE),
	     STEP(RESUME_HOLD, HOLDING, CLOSE));
	PLAY("evicts", struck(),
	     STEP(WATCHDOG, FAILED, LOSE),
	     STEP(RESUME_EVICT, EVICTING, REQUEST));
}

static void error_ends_a_reset(void **unused)
{
	/* An error in a reset takes over; the reset's own end says no more. */
	static const enum mdr_event ends[] = {
		MDR_EVENT_USER_RESET_OK, MDR_EVENT_USER_RESET_FAILED,
		MDR_EVENT_HOST_RESET_DONE,
	};
	enum mdr_action action;
	size_t i, o;

	for (o = 0; o < COUNT_OF(origins); o++) {
		struct mdr_machine machine = {
			.state = MDR_STATE_RESETTING, .origin = origins[o],
		};

		assert_true(mdr_machine_step(&machine, MDR_EVENT_ERROR_FATAL,
					     &action));
		assert_int_equal(machine.state, MDR_STATE_CLOSING);
		assert_int_equal(machine.origin, MDR_STATE_INVALID);
		for (i = 0; i < COUNT_OF(ends); i++)
			assert_false(mdr_machine_step(&machine, ends[i],
						      &action));
		assert_int_equal(machine.state, MDR_STATE_CLOSING);
	}
}

static void reset_begins_once(void **unused)
{
	/* A reset within a reset is refused and does not move the origin. */
	static const enum mdr_event begins[] = {
		MDR_EVENT_USER_RESET_BEGIN, MDR_EVENT_HOST_RESET_BEGIN,
		MDR_EVENT_ADMIN_RECOVER,
	};
	enum mdr_action action;
	size_t i, o;

	for (o = 0; o < COUNT_OF(origins); o++) {
		struct mdr_machine machine = {
			.state = MDR_STATE_RESETTING, .origin = origins[o],
		};

		for (i = 0; i < COUNT_OF(begins); i++)
			assert_false(mdr_machine_step(&machine, begins[i],
						      &action));
		assert_true(mdr_machine_step(&machine, MDR_EVENT_HOST_RESET_DONE,
					     &action));
		assert_int_equal(machine.state, origins[o]);
	}
}

static void state_names(void **unused)
{
	/* Every state has the name that the design gives it; others are safe. */
	static const char * const names[MDR_STATE_COUNT] = {
		"invalid", "open", "closing", "recovering", "holding",
		"evicting", "failed", "resetting",
	};
	unsigned int state;

	for (state = 0; state < MDR_STATE_COUNT; state++)
		assert_string_equal(mdr_state_name(state), names[state]);
	assert_string_equal(mdr_state_name(MDR_STATE_COUNT), "invalid");
	assert_string_equal(mdr_state_name((enum mdr_state)UINT32_MAX), "invalid");
}

static void event_names(void **unused)
{
	/* Every event has a name of its own; others are safe. */
	unsigned int a, b;

	for (a = 0; a < MDR_EVENT_COUNT; a++) {
		assert_non_null(mdr_event_name(a));
		assert_string_not_equal(mdr_event_name(a), "");
		assert_string_not_equal(mdr_event_name(a), "invalid");
		for (b = 0; b < a; b++)
			assert_string_not_equal(mdr_event_name(a),
						mdr_event_name(b));
	}
	assert_string_equal(mdr_event_name(MDR_EVENT_COUNT), "invalid");
	assert_string_equal(mdr_event_name((enum mdr_event)UINT32_MAX), "invalid");
}

#define COLUMN(name_, index_) \
	{ "every_event_in_" name_, every_event_in_state, NULL, NULL, \
	  (void *)&states[index_] }

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(matrix_has_every_event_once),
		COLUMN("open", 0),
		COLUMN("closing", 1),
		COLUMN("recovering", 2),
		COLUMN("holding", 3),
		COLUMN("evicting", 4),
		COLUMN("failed", 5),
		COLUMN("resetting", 6),
		cmocka_unit_test(values_out_of_range_are_refused),
		cmocka_unit_test(first_state_is_open),
		cmocka_unit_test(life_resume),
		cmocka_unit_test(life_hold),
		cmocka_unit_test(life_evict),
		cmocka_unit_test(life_failed),
		cmocka_unit_test(late_resume_leads_out_of_failed),
		cmocka_unit_test(error_ends_a_reset),
		cmocka_unit_test(reset_begins_once),
		cmocka_unit_test(state_names),
		cmocka_unit_test(event_names),
	};

	return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
