// SPDX-License-Identifier: GPL-2.0-only
/* Which steps of the state machine were made, of those that the driver's table has. */
#include <stdio.h>
#include <stdlib.h>

#include "../../drivers/vfio/mdev_recovery/machine.c"
#include "scenario.h"
#include "soak.h"

_Static_assert(sizeof(soak->arcs) / sizeof(soak->arcs[0]) == MDR_STATE_COUNT,
	       "a state without arcs");

/* From wherever a reset began. */
static bool is_arc(enum mdr_state state, enum mdr_event event)
{
	for (unsigned int origin = 0; origin < MDR_STATE_COUNT; origin++) {
		struct mdr_machine machine = { .state = state, .origin = origin };
		enum mdr_action action;

		if (mdr_machine_step(&machine, event, &action))
			return true;
	}
	return false;
}

void arcs_add(const char *numbers)
{
	char *end;

	for (unsigned int state = 0; state < MDR_STATE_COUNT; state++) {
		soak->arcs[state] |= strtoul(numbers, &end, 10);
		numbers = *end == ',' ? end + 1 : end;
	}
}

void arcs_report(void)
{
	unsigned int made = 0, all = 0;

	for (unsigned int state = 0; state < MDR_STATE_COUNT; state++) {
		for (unsigned int event = 0; event < MDR_EVENT_COUNT; event++) {
			if (!is_arc(state, event))
				continue;
			all++;
			if (soak->arcs[state] & 1u << event)
				made++;
			else
				note("soak never: %s in %s", mdr_event_name(event),
				     mdr_state_name(state));
		}
	}
	note("soak arcs: %u of %u", made, all);
}
