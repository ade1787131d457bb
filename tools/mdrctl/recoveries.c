// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recoveries that were printed as JSON. The file may contain anything: what has another
 * shape than schema/timeline.json says is refused as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mdrctl.h"
#include "recoveries.h"

/* Microseconds; the year 2096, so that there is room to calculate. */
#define MOST_US 4000000000000000

enum shape {
	GROUP,
	WORD,			/* of the driver */
	WORD_OR_NULL,
	NUMBER,
	NUMBER_OR_NULL,
	SIGNED,			/* maybe less than 0 */
	SWITCH,
	EVENTS,			/* these and below are lists */
	PHASES,
	STEPS,
	STALLS,
	RECOVERIES,
};

struct member {
	const char *name;
	enum shape shape;
};

static const struct member phase[] = {
	{ "name", WORD },
	{ "after_us", NUMBER },
	{ "took_us", NUMBER },
	{ NULL, 0 }
};

static const struct member step[] = {
	{ "after_us", NUMBER },
	{ "event", NUMBER },
	{ "from", WORD },
	{ "why", WORD },
	{ "to", WORD },
	{ NULL, 0 }
};

static const struct member stall[] = {
	{ "after_us", SIGNED },
	{ "took_us", NUMBER },
	{ "result", SIGNED },
	{ NULL, 0 }
};

static const struct member recovery[] = {
	{ "group", GROUP },
	{ "events", EVENTS },
	{ "cause", WORD },
	{ "start_us", NUMBER },
	{ "time_us", NUMBER_OR_NULL },
	{ "whole", SWITCH },
	{ "end", WORD_OR_NULL },
	{ "took_us", NUMBER },
	{ "host_us", NUMBER_OR_NULL },
	{ "phases", PHASES },
	{ "steps", STEPS },
	{ "stalls", STALLS },
	{ NULL, 0 }
};

static const struct member tree[] = {
	{ "version", NUMBER },
	{ "recoveries", RECOVERIES },
	{ NULL, 0 }
};

static const struct member * const items_of[] = {
	[EVENTS] = NULL,
	[PHASES] = phase,
	[STEPS] = step,
	[STALLS] = stall,
	[RECOVERIES] = recovery,
};

static bool is_word(const char *text, const char *letters)
{
	size_t length = strspn(text, letters);

	return length && length < 32 && !text[length];
}

static bool is_number(struct json_object *value, int64_t least)
{
	int64_t number = json_object_get_int64(value);

	return json_object_is_type(value, json_type_int) && number >= least &&
	       number <= MOST_US;
}

static bool is_object(struct json_object *value, const struct member *members);

static bool is_list(struct json_object *value, const struct member *items)
{
	if (!json_object_is_type(value, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *item = json_object_array_get_idx(value, i);

		if (!(items ? is_object(item, items) : is_number(item, 0)))
			return false;
	}
	return true;
}

static bool is_member(struct json_object *value, const struct member *member)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
	const char *text = json_object_is_type(value, json_type_string) ?
			   json_object_get_string(value) : "";

	switch (member->shape) {
	case GROUP:
		return !strncmp(text, "group", 5) && is_word(text + 5, "0123456789");
	case WORD:
		return is_word(text, letters);
	case WORD_OR_NULL:
		return !value || is_word(text, letters);
	case NUMBER:
		return is_number(value, 0);
	case NUMBER_OR_NULL:
		return !value || is_number(value, 0);
	case SIGNED:
		return is_number(value, -MOST_US);
	case SWITCH:
		return json_object_is_type(value, json_type_boolean);
	default:
		return is_list(value, items_of[member->shape]);
	}
}

static bool is_object(struct json_object *value, const struct member *members)
{
	if (!json_object_is_type(value, json_type_object))
		return false;
	for (; members->name; members++)
		if (!is_member(json_object_object_get(value, members->name), members))
			return false;
	return true;
}

struct json_object *recoveries_load(const char *file, int *end)
{
	int fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	struct json_object *all, *list = NULL;

	if (fd < 0) {
		*end = fail_errno(errno, file, NULL);
		return NULL;
	}
	all = json_object_from_fd(fd);
	if (fd != STDIN_FILENO)
		close(fd);
	*end = END_OK;
	if (is_object(all, tree) && get_number(all, "version") == 1)
		list = json_object_get(get_list(all, "recoveries"));
	else
		*end = fail(END_FAILED, file, "mdrctl timeline --json, on the host, prints them",
			    "has no recoveries");
	json_object_put(all);
	return list;
}
