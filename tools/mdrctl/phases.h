/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recoveries, built from the points of a trace. Each is a tree; see
 * schema/timeline.json.
 */
#ifndef MDRCTL_PHASES_H
#define MDRCTL_PHASES_H

#include <json-c/json.h>

#include "trace.h"

/* A phase: what a group does or waits for. */
struct phase_kind {
	const char *name, *text;
	const char *colour;	/* in a picture; white text is readable on it */
};

/* Never NULL: the last kind for an unknown name. */
const struct phase_kind *phase_kind(const char *name);

/* The cause in words. */
const char *cause_text(const char *why);

/*
 * Adds the recoveries of all groups to the array, in the order in which they began. A
 * reset by a user in an open group is not a recovery.
 */
void phases_read(const struct trace *trace, struct json_object *recoveries);

#endif
