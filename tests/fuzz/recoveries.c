// SPDX-License-Identifier: GPL-2.0-only
/* What "mdrctl timeline --file" reads: only what has the shape of its own output is taken. */
#include <stdio.h>
#include <unistd.h>

#include "fuzz.h"
#include "mdrctl.h"
#include "recoveries.h"

/* Those of mdrctl, without their output. */
int fail(enum end end, const char *object, const char *next, const char *cause, ...)
{
	MUST(object && cause);
	return end;
}

int fail_errno(int error, const char *object, const char *next)
{
	return fail(END_FAILED, object, next, "errno %d", error);
}

int64_t get_number(struct json_object *tree, const char *key)
{
	return json_object_get_int64(json_object_object_get(tree, key));
}

struct json_object *get_list(struct json_object *tree, const char *key)
{
	return json_object_object_get(tree, key);
}

static void check(struct json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *recovery = json_object_array_get_idx(list, i);

		MUST(json_object_is_type(get_list(recovery, "phases"), json_type_array));
		MUST(get_number(recovery, "took_us") >= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char path[32];
	struct json_object *list;
	int end = END_USAGE;

	if (fd < 0) {
		snprintf(path, sizeof(path), "/tmp/fuzz-recoveries-XXXXXX");
		fd = mkstemp(path);
	}
	MUST(fd >= 0 && !ftruncate(fd, 0) && pwrite(fd, data, size, 0) == (ssize_t)size);
	list = recoveries_load(path, &end);
	MUST(!!list == (end == END_OK));
	if (list)
		check(list);
	json_object_put(list);
	return 0;
}
