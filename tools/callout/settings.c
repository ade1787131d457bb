// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "callout.h"

#define HOUR_MS 3600000

const struct setting settings[] = {
	{ .name = "stall_timeout_ms", .low = 0, .high = HOUR_MS, .normal = "2000" },
	{ .name = "hold_timeout_ms", .low = 0, .high = HOUR_MS, .normal = "10000" },
	{ .name = "recovery_timeout_ms", .low = 100, .high = HOUR_MS, .normal = "90000" },
	{ .name = "dead_access", .words = { "ones", "fault" }, .normal = "ones" },
	{ .name = "nonfatal_action", .words = { "continue", "reset" }, .normal = "continue" },
	{ .name = "reset_elision", .words = { "never", "pristine" }, .normal = "never" },
	{ .name = "breaker_max", .low = 0, .high = 63, .normal = "5" },
	{ .name = "breaker_window_ms", .low = 1, .high = HOUR_MS, .normal = "60000" },
	{ .name = "revoke", .words = { "wait", "kill" }, .normal = "wait" },
	{ .name = "revoke_timeout_ms", .low = 0, .high = HOUR_MS, .normal = "10000" },
	{}
};

const struct setting *setting_find(const char *attribute)
{
	if (strncmp(attribute, "recovery/", 9))
		return NULL;
	for (const struct setting *setting = settings; setting->name; setting++)
		if (!strcmp(setting->name, attribute + 9))
			return setting;
	return NULL;
}

void settings_print(void)
{
	for (const struct setting *setting = settings; setting->name; setting++) {
		if (setting->words[0])
			printf("%s word %s %s %s\n", setting->name, setting->words[0],
			       setting->words[1], setting->normal);
		else
			printf("%s number %u %u %s\n", setting->name, setting->low, setting->high,
			       setting->normal);
	}
}
