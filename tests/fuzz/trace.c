// SPDX-License-Identifier: GPL-2.0-only
/* The entries of a kernel trace that "mdrctl timeline" reads. */
#include "fuzz.h"
#include "trace.h"

static void see(const struct point *point, void *arg)
{
	(void)arg;
	MUST(point->kind <= POINT_LOST);
	if (point->kind == POINT_LOST)
		return;
	MUST(strlen(point->group) < sizeof(point->group));
	if (point->kind != POINT_STATE)
		return;
	MUST(strlen(point->from) < sizeof(point->from) && strlen(point->to) < sizeof(point->to) &&
	     strlen(point->why) < sizeof(point->why));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *file = size ? fmemopen((void *)data, size, "r") : NULL;

	if (!file)
		return 0;
	trace_each(file, see, NULL);
	fclose(file);
	return 0;
}
