// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the state machine of a group, and what follows each type, as Promela.
 * Linked with the driver's machine.c and policy.c, so it asks the code itself: the
 * model has no table of its own.
 *
 * Each event becomes an inline MDR_STEP_<event>(state, origin, action), as
 * mdr_machine_step() has it. An event that is refused gives the action A_REFUSED.
 */
#include <ctype.h>
#include <stdio.h>

#include "machine.h"
#include "policy.h"

static void print_upper(const char *name)
{
	while (*name)
		putchar(toupper((unsigned char)*name++));
}

static void print_define(const char *prefix, const char *name, int value)
{
	printf("#define %s", prefix);
	print_upper(name);
	printf(" %d\n", value);
}

static const char *action_name(enum mdr_action action)
{
	switch (action) {
	case MDR_ACTION_NONE:
		return "A_NONE";
	case MDR_ACTION_CLOSE:
		return "A_CLOSE";
	case MDR_ACTION_OPEN:
		return "A_OPEN";
	case MDR_ACTION_LOSE:
		return "A_LOSE";
	case MDR_ACTION_REQUEST:
		return "A_REQUEST";
	}
	return "A_UNKNOWN"; /* spin stops at it */
}

struct arc {
	struct mdr_machine to;
	enum mdr_action action;
	bool accepted;
};

static struct arc arc_of(enum mdr_state state, enum mdr_state origin,
			 enum mdr_event event)
{
	struct arc arc = { .to = { .state = state, .origin = origin } };

	arc.accepted = mdr_machine_step(&arc.to, event, &arc.action);
	return arc;
}

static bool arcs_equal(struct arc a, struct arc b)
{
	return a.accepted == b.accepted && a.to.state == b.to.state &&
	       a.action == b.action;
}

static void print_arc(enum mdr_state state, enum mdr_state origin,
		      struct arc arc)
{
	if (!arc.accepted)
		return;
	printf("\t:: state_ == %d", state);
	if (origin != MDR_STATE_INVALID)
		printf(" && origin_ == %d", origin);
	printf(" -> state_ = %d; origin_ = %d; action_ = %s\n", arc.to.state,
	       arc.to.origin, action_name(arc.action));
}

/* In resetting an arc may depend on where the reset began. */
static void print_arcs_of_resetting(enum mdr_event event)
{
	enum mdr_state origin;
	struct arc first = arc_of(MDR_STATE_RESETTING, MDR_STATE_OPEN, event);
	bool same = true;

	for (origin = MDR_STATE_OPEN; origin < MDR_STATE_COUNT; origin++)
		same &= arcs_equal(first, arc_of(MDR_STATE_RESETTING, origin,
						 event));
	if (same) {
		print_arc(MDR_STATE_RESETTING, MDR_STATE_INVALID, first);
		return;
	}
	for (origin = MDR_STATE_OPEN; origin < MDR_STATE_COUNT; origin++) {
		struct arc arc = arc_of(MDR_STATE_RESETTING, origin, event);

		print_arc(MDR_STATE_RESETTING, origin, arc);
	}
}

static void print_event(enum mdr_event event)
{
	enum mdr_state state;

	printf("inline MDR_STEP_");
	print_upper(mdr_event_name(event));
	printf("(state_, origin_, action_)\n{\n\tif\n");
	for (state = MDR_STATE_INVALID; state < MDR_STATE_COUNT; state++) {
		if (state == MDR_STATE_RESETTING)
			print_arcs_of_resetting(event);
		else
			print_arc(state, MDR_STATE_INVALID,
				  arc_of(state, MDR_STATE_INVALID, event));
	}
	printf("\t:: else -> action_ = A_REFUSED\n\tfi\n}\n\n");
}

static void print_policies(void)
{
	enum mdr_policy policy, other;

	for (policy = 0; policy < MDR_POLICY_COUNT; policy++)
		print_define("P_", mdr_policy_name(policy), policy);
	printf("\n/* mdr_policy_stricter() */\ninline MDR_STRICTER(a_, b_)\n{\n\tif\n");
	for (policy = 0; policy < MDR_POLICY_COUNT; policy++)
		for (other = 0; other < MDR_POLICY_COUNT; other++)
			printf("\t:: a_ == %d && b_ == %d -> a_ = %d\n", policy,
			       other, mdr_policy_stricter(policy, other));
	printf("\tfi\n}\n\n");
	printf("/* the step at the end of the host's recovery */\n");
	printf("#define MDR_RESUME(group_, policy_) \\\n\tif \\\n");
	for (policy = 0; policy < MDR_POLICY_COUNT; policy++) {
		printf("\t:: policy_ == %d -> GROUP_STEP(group_, ", policy);
		print_upper(mdr_event_name(mdr_policy_resume_event(policy)));
		printf(") \\\n");
	}
	printf("\tfi\n");
}

int main(void)
{
	enum mdr_state state;
	enum mdr_event event;

	printf("/* printed by arcs.c from machine.c and policy.c */\n\n");
	for (state = MDR_STATE_INVALID; state < MDR_STATE_COUNT; state++)
		print_define("S_", mdr_state_name(state), state);
	printf("\n#define A_REFUSED 255\n");
	for (int action = 0; action <= MDR_ACTION_REQUEST; action++)
		printf("#define %s %d\n", action_name(action), action);
	printf("\n");
	for (event = 0; event < MDR_EVENT_COUNT; event++)
		print_event(event);
	print_policies();
	return 0;
}
