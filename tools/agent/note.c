// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>

#include "note.h"

void say(enum log_level level, const struct record *record, const struct group *group,
	 const char *format, ...)
{
	struct log_about about = {
		.group = group ? group->name : NULL,
		.event = group ? group->event : record->event,
		.mdev = record->mdev,
		.domain = record->name,
		.domain_uuid = record->domain,
	};
	char message[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	log_about(level, &about, "mdev %s: %s", record->mdev, message);
}

void set_phase(struct agent *agent, struct record *record, enum phase phase)
{
	record->phase = phase;
	record->said = NULL;
	record->late_ms = 0;
	agent->dirty = true;
}

void catch_up(struct record *record, const struct group *group)
{
	record->event = group->event;
	record->hold_timeouts = group->hold_timeouts;
}
