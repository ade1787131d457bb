/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recoveries, out of the points of a trace. Each is a tree; schema/timeline.json
 * says what it has.
 */
#ifndef MDRCTL_PHASES_H
#define MDRCTL_PHASES_H

#include <stdio.h>

#include <json-c/json.h>

/* What a group does, or waits for, for some time. */
struct phase_kind {
	const char *name, *text;
	const char *colour;	/* of a picture; white text can be read on it */
};

/* Never NULL: of a name that is not known it is the last one. */
const struct phase_kind *phase_kind(const char *name);

/* What began it, in words. */
const char *cause_text(const char *why);

/*
 * Adds the recoveries of the group (NULL: of all groups) to the array, in the order in
 * which they began. A user's own resets, in an open group, are no recoveries.
 */
void phases_read(FILE *trace, const char *group, struct json_object *recoveries);

#endif
