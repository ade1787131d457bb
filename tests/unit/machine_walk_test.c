// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything that the state machine can reach from open by any sequence of events, with
 * a gate that only its actions move.
 */
#include "machine.h"
#include "test.h"

enum gate { GATE_OPEN, GATE_CLOSED, GATE_DEAD };

struct place {
	struct mdr_machine machine;
	enum gate gate;
};

#define MAX_PLACES (MDR_STATE_COUNT * MDR_STATE_COUNT * 3)

static struct place places[MAX_PLACES];
static size_t place_count;

static enum gate gate_after(enum gate gate, enum mdr_action action)
{
	switch (action) {
	case MDR_ACTION_CLOSE:
	case MDR_ACTION_REQUEST:
		return GATE_CLOSED;
	case MDR_ACTION_OPEN:
		return GATE_OPEN;
	case MDR_ACTION_LOSE:
		return GATE_DEAD;
	default:
		return gate;
	}
}

/* Takes the arc if there is one. */
static bool step_from(const struct place *from, enum mdr_event event,
		      struct place *to, enum mdr_action *action)
{
	*to = *from;
	if (!mdr_machine_step(&to->machine, event, action))
		return false;
	to->gate = gate_after(from->gate, *action);
	return true;
}

static bool same_place(const struct place *a, const struct place *b)
{
	return a->machine.state == b->machine.state &&
	       a->machine.origin == b->machine.origin && a->gate == b->gate;
}

static void add_place(const struct place *place)
{
	size_t i;

	for (i = 0; i < place_count; i++)
		if (same_place(&places[i], place))
			return;
	assert_true(place_count < MAX_PLACES);
	places[place_count++] = *place;
}

static int walk(void **unused)
{
	struct place start = { .gate = GATE_OPEN }, to;
	enum mdr_action action;
	unsigned int event;
	size_t i;

	mdr_machine_init(&start.machine);
	place_count = 0;
	add_place(&start);
	for (i = 0; i < place_count; i++)
		for (event = 0; event < MDR_EVENT_COUNT; event++)
			if (step_from(&places[i], event, &to, &action))
				add_place(&to);
	return 0;
}

/* The states that should be reachable, and the gate in each of them. */
static const struct place meant[] = {
	{ { MDR_STATE_OPEN,		MDR_STATE_INVALID	}, GATE_OPEN	},
	{ { MDR_STATE_CLOSING,		MDR_STATE_INVALID	}, GATE_CLOSED	},
	{ { MDR_STATE_RECOVERING,	MDR_STATE_INVALID	}, GATE_CLOSED	},
	{ { MDR_STATE_HOLDING,		MDR_STATE_INVALID	}, GATE_CLOSED	},
	{ { MDR_STATE_EVICTING,		MDR_STATE_INVALID	}, GATE_CLOSED	},
	{ { MDR_STATE_FAILED,		MDR_STATE_INVALID	}, GATE_DEAD	},
	{ { MDR_STATE_RESETTING,	MDR_STATE_OPEN		}, GATE_CLOSED	},
	{ { MDR_STATE_RESETTING,	MDR_STATE_HOLDING	}, GATE_CLOSED	},
	{ { MDR_STATE_RESETTING,	MDR_STATE_EVICTING	}, GATE_CLOSED	},
	{ { MDR_STATE_RESETTING,	MDR_STATE_FAILED	}, GATE_DEAD	},
};

static void walk_reaches_what_is_meant(void **unused)
{
	/* Exactly the intended states are reachable. */
	static const char * const gates[] = { "open", "closed", "dead" };
	size_t i, k;

	for (i = 0; i < place_count; i++) {
		for (k = 0; k < COUNT_OF(meant); k++)
			if (same_place(&places[i], &meant[k]))
				break;
		if (k == COUNT_OF(meant))
			fail_msg("%s, reset from %s, with the gate %s",
				 mdr_state_name(places[i].machine.state),
				 mdr_state_name(places[i].machine.origin),
				 gates[places[i].gate]);
	}
	assert_int_equal(place_count, COUNT_OF(meant));
}

static void gate_is_open_in_open_only(void **unused)
{
	/* P3: no state but open lets a user in, and open lets everybody in. */
	size_t i;

	for (i = 0; i < place_count; i++)
		assert_int_equal(places[i].gate == GATE_OPEN,
				 places[i].machine.state == MDR_STATE_OPEN);
}

static void actions_are_not_idle(void **unused)
{
	/* Each action comes where it is due and nowhere else. */
	enum mdr_action action;
	unsigned int event;
	struct place to;
	size_t i;

	for (i = 0; i < place_count; i++) {
		const struct mdr_machine *from = &places[i].machine;

		for (event = 0; event < MDR_EVENT_COUNT; event++) {
			enum mdr_state state;
			bool returned;

			if (!step_from(&places[i], event, &to, &action))
				continue;
			state = to.machine.state;
			returned = event == MDR_EVENT_USER_RESET_FAILED ||
				   event == MDR_EVENT_HOST_RESET_DONE;

			/* open: on every way into open, never twice */
			assert_int_equal(action == MDR_ACTION_OPEN,
					 state == MDR_STATE_OPEN);
			assert_false(from->state == MDR_STATE_OPEN &&
				     state == MDR_STATE_OPEN);
			/* lose: on every way into failed but a failed try's */
			assert_int_equal(action == MDR_ACTION_LOSE,
					 state == MDR_STATE_FAILED && !returned);
			/* request: on every way into evicting but a return */
			assert_int_equal(action == MDR_ACTION_REQUEST,
					 state == MDR_STATE_EVICTING && !returned);
			/* leaving open always closes the gate */
			if (from->state == MDR_STATE_OPEN)
				assert_true(action == MDR_ACTION_CLOSE ||
					    action == MDR_ACTION_LOSE);
		}
	}
}

/* Does the list of events lead from here to open, whatever order it takes? */
static bool leads_out(const struct place *from, const enum mdr_event *events,
		      size_t count)
{
	struct place frontier[MAX_PLACES] = { *from }, to;
	size_t known = 1, i, e, k;
	enum mdr_action action;

	for (i = 0; i < known; i++) {
		if (frontier[i].machine.state == MDR_STATE_OPEN)
			return true;
		for (e = 0; e < count; e++) {
			if (!step_from(&frontier[i], events[e], &to, &action))
				continue;
			for (k = 0; k < known; k++)
				if (same_place(&frontier[k], &to))
					break;
			if (k == known)
				frontier[known++] = to;
		}
	}
	return false;
}

static void no_dead_end(void **unused)
{
	/* From everywhere a way leads back to open, without a new error. */
	static const enum mdr_event ways[] = {
		MDR_EVENT_DRAIN_TIMEOUT, MDR_EVENT_WATCHDOG,
		MDR_EVENT_HOLD_TIMEOUT, MDR_EVENT_LAST_USER_GONE,
		MDR_EVENT_HOST_RESET_DONE, MDR_EVENT_ADMIN_RECOVER,
		MDR_EVENT_RESUME_OPEN,
	};
	size_t i;

	for (i = 0; i < place_count; i++)
		if (!leads_out(&places[i], ways, COUNT_OF(ways)))
			fail_msg("no way out of %s",
				 mdr_state_name(places[i].machine.state));
}

static void every_wait_has_a_bound(void **unused)
{
	/* Closing, recovering and holding end by time alone (principle P1). */
	static const enum mdr_event clock[] = {
		MDR_EVENT_DRAIN_TIMEOUT, MDR_EVENT_WATCHDOG,
		MDR_EVENT_HOLD_TIMEOUT,
	};
	static const enum mdr_state bounded[] = {
		MDR_STATE_CLOSING, MDR_STATE_RECOVERING, MDR_STATE_HOLDING,
	};
	enum mdr_action action;
	size_t i, e;

	for (i = 0; i < COUNT_OF(bounded); i++) {
		struct mdr_machine machine = { .state = bounded[i] };

		for (e = 0; e < COUNT_OF(clock); e++)
			mdr_machine_step(&machine, clock[e], &action);
		assert_true(machine.state == MDR_STATE_FAILED ||
			    machine.state == MDR_STATE_EVICTING);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk_reaches_what_is_meant),
		cmocka_unit_test(gate_is_open_in_open_only),
		cmocka_unit_test(actions_are_not_idle),
		cmocka_unit_test(no_dead_end),
		cmocka_unit_test(every_wait_has_a_bound),
	};

	return cmocka_run_group_tests_name("machine walk", tests, walk, NULL);
}
