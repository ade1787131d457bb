// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the state machine of a group as Markdown: what each event does in each
 * state, and the graph. Linked with machine.c, so it asks the table itself.
 * states.sh puts the output into states.md.
 */
#include <stdio.h>

#include "machine.h"

static const char *action_name(enum mdr_action action)
{
	switch (action) {
	case MDR_ACTION_NONE:
		return "";
	case MDR_ACTION_CLOSE:
		return " (close)";
	case MDR_ACTION_OPEN:
		return " (open)";
	case MDR_ACTION_LOSE:
		return " (lose)";
	case MDR_ACTION_REQUEST:
		return " (request)";
	}
	return " (?)";
}

/* The next state, or MDR_STATE_INVALID if the event is refused. */
static enum mdr_state step(enum mdr_state from, enum mdr_state origin,
			   enum mdr_event event, enum mdr_action *action)
{
	struct mdr_machine machine = { .state = from, .origin = origin };

	if (!mdr_machine_step(&machine, event, action))
		return MDR_STATE_INVALID;
	return machine.state;
}

/* Does the event end a reset by returning to the state in which it began? */
static bool returns(enum mdr_event event)
{
	enum mdr_action action;

	return step(MDR_STATE_RESETTING, MDR_STATE_OPEN, event, &action) ==
		       MDR_STATE_OPEN &&
	       step(MDR_STATE_RESETTING, MDR_STATE_HOLDING, event, &action) ==
		       MDR_STATE_HOLDING;
}

static void print_cell(enum mdr_state from, enum mdr_event event)
{
	enum mdr_action action;
	enum mdr_state next = step(from, MDR_STATE_OPEN, event, &action);

	if (next == MDR_STATE_INVALID)
		printf(" |");
	else if (from == MDR_STATE_RESETTING && returns(event))
		printf(" *back* |");
	else
		printf(" %s%s |", mdr_state_name(next), action_name(action));
}

static void print_table(void)
{
	enum mdr_state from;
	enum mdr_event event;

	printf("| event \\ state |");
	for (from = MDR_STATE_OPEN; from < MDR_STATE_COUNT; from++)
		printf(" %s |", mdr_state_name(from));
	printf("\n|---|");
	for (from = MDR_STATE_OPEN; from < MDR_STATE_COUNT; from++)
		printf("---|");
	printf("\n");
	for (event = 0; event < MDR_EVENT_COUNT; event++) {
		printf("| `%s` |", mdr_event_name(event));
		for (from = MDR_STATE_OPEN; from < MDR_STATE_COUNT; from++)
			print_cell(from, event);
		printf("\n");
	}
}

/* Errors do the same in nearly every state, so the graph shows them once. */
static bool drawn(enum mdr_state from, enum mdr_event event)
{
	switch (event) {
	case MDR_EVENT_ERROR_NONFATAL:
	case MDR_EVENT_ERROR_FATAL:
	case MDR_EVENT_ERROR_PERMANENT:
		return from == MDR_STATE_OPEN;
	default:
		return from != MDR_STATE_RESETTING || !returns(event);
	}
}

static void print_edge(enum mdr_state from, enum mdr_state to)
{
	enum mdr_action action;
	enum mdr_event event;
	bool any = false;

	for (event = 0; event < MDR_EVENT_COUNT; event++) {
		if (!drawn(from, event) ||
		    step(from, MDR_STATE_OPEN, event, &action) != to)
			continue;
		if (any)
			printf(", ");
		else
			printf("    %s --> %s : ", mdr_state_name(from),
			       mdr_state_name(to));
		printf("%s", mdr_event_name(event));
		any = true;
	}
	if (any)
		printf("\n");
}

static void print_graph(void)
{
	enum mdr_state from, to;

	printf("```mermaid\nstateDiagram-v2\n    [*] --> %s\n",
	       mdr_state_name(MDR_STATE_OPEN));
	for (from = MDR_STATE_OPEN; from < MDR_STATE_COUNT; from++)
		for (to = MDR_STATE_OPEN; to < MDR_STATE_COUNT; to++)
			if (from != to)
				print_edge(from, to);
	printf("```\n");
}

static void print_errors(void)
{
	enum mdr_action action;
	enum mdr_state from;

	printf("An error starts over (`%s`) from:",
	       mdr_state_name(MDR_STATE_CLOSING));
	for (from = MDR_STATE_OPEN; from < MDR_STATE_COUNT; from++)
		if (step(from, MDR_STATE_OPEN, MDR_EVENT_ERROR_FATAL,
			 &action) == MDR_STATE_CLOSING)
			printf(" `%s`", mdr_state_name(from));
	printf(".\nA permanent one leads to `%s` from:",
	       mdr_state_name(MDR_STATE_FAILED));
	for (from = MDR_STATE_OPEN; from < MDR_STATE_COUNT; from++)
		if (step(from, MDR_STATE_OPEN, MDR_EVENT_ERROR_PERMANENT,
			 &action) == MDR_STATE_FAILED)
			printf(" `%s`", mdr_state_name(from));
	printf(".\n");
}

int main(void)
{
	print_table();
	printf("\n");
	print_errors();
	printf("\n");
	print_graph();
	return 0;
}
