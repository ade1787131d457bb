// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callout.h"

#define NOT_OURS 2

static void parse(struct call *call, int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "-t"))
			call->type = argv[i + 1];
		else if (!strcmp(argv[i], "-e"))
			call->event = argv[i + 1];
		else if (!strcmp(argv[i], "-a"))
			call->action = argv[i + 1];
		else if (!strcmp(argv[i], "-s"))
			call->state = argv[i + 1];
		else if (!strcmp(argv[i], "-u"))
			call->uuid = argv[i + 1];
		else if (!strcmp(argv[i], "-p"))
			call->parent = argv[i + 1];
	}
}

/* Does the type end in one of the shim's suffixes? */
static bool has_word(const char *type)
{
	static const char * const words[] = { "-resume", "-hold", "-evict" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t len = strlen(words[i]);

		if (strlen(type) >= len && !strcmp(type + strlen(type) - len, words[i]))
			return true;
	}
	return false;
}

/* Is it a type of mdr-pci, or of a function that is bound to another parent driver? */
static bool is_ours(const struct call *call)
{
	struct mdr_group *group;

	if (!strncmp(call->type, "mdr-pci-", 8))
		return true;
	if (!has_word(call->type) || !mdr_address_valid(call->parent) ||
	    mdr_group_get(call->mdr, call->parent, &group))
		return false;
	mdr_group_free(group);
	return true;
}

/*
 * As a notifier: state is success, failure, or none if it was refused before it began.
 * For a modification none can also mean a live change, which is logged where it is made.
 */
static void notify(const struct call *call)
{
	if (!strcmp(call->state, "success"))
		log_line(call, "info", call->action, "done");
	else if (strcmp(call->state, "none"))
		log_line(call, "warning", call->action, "failed");
	else if (strcmp(call->action, "modify"))
		log_line(call, "warning", call->action, "refused");
}

static void get(const struct call *call)
{
	if (!strcmp(call->action, "attributes"))
		live_read_back(call);
	else if (!strcmp(call->action, "capabilities"))
		fputs("{\"supports\":{\"version\":2,\n"
		      "\"actions\":[\"start\",\"stop\",\"define\",\"undefine\",\"modify\",\n"
		      "\"attributes\",\"capabilities\"],\n"
		      "\"events\":[\"pre\",\"post\",\"notify\",\"get\",\"live\"]}}\n", stdout);
}

/* Does mdevctl pass a profile with this call? */
static bool has_profile(const struct call *call)
{
	if (!strcmp(call->event, "live"))
		return !strcmp(call->action, "modify");
	return !strcmp(call->event, "pre") &&
	       (!strcmp(call->action, "define") || !strcmp(call->action, "start") ||
		!strcmp(call->action, "modify"));
}

static void check(struct call *call)
{
	profile_read(call);
	if (!has_word(call->type))
		refuse(call,
		       "no such type: %s; there are mdr-pci-resume, mdr-pci-hold, mdr-pci-evict",
		       call->type);
	profile_check(call);
	if (!strcmp(call->event, "live"))
		live_change(call);
	else if (strcmp(call->action, "modify"))
		host_check(call);
	if (!strcmp(call->action, "define"))
		host_check_autostart(call);
	json_object_put(call->config);
}

int main(int argc, char **argv)
{
	struct call call = {
		.type = "", .event = "", .action = "", .state = "", .uuid = "", .parent = "",
	};

	parse(&call, argc, argv);
	call.mdr = mdr_new(getenv("MDEVCTL_ENV_ROOT"));
	if (!call.mdr)
		return 1;
	if (!is_ours(&call)) {
		mdr_free(call.mdr);
		return strcmp(call.event, "notify") ? NOT_OURS : 0;
	}
	mdr_settings_get(call.mdr, &call.settings);
	if (!strcmp(call.event, "notify"))
		notify(&call);
	else if (!strcmp(call.event, "get"))
		get(&call);
	else if (has_profile(&call))
		check(&call);
	mdr_settings_free(call.settings);
	mdr_free(call.mdr);
	return fflush(stdout) ? 1 : 0;
}
