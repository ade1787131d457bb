// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages to the caller of mdevctl, and to the system log.
 */
#include <ctype.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "callout.h"

#define LINE 4096

extern char **environ;

/* Does a control character begin here? UTF-8 has 32 in two bytes, which terminals obey, too. */
static bool is_control(const char *at)
{
	const unsigned char *byte = (const unsigned char *)at;

	return (iscntrl(byte[0]) && byte[0] != '\t') ||
	       (byte[0] == 0xc2 && byte[1] >= 0x80 && byte[1] < 0xa0);
}

/* Names and values of a profile may contain any character. */
static void say_line(const char *before, const char *format, va_list args)
{
	char line[LINE];

	vsnprintf(line, sizeof(line), format, args);
	for (char *at = line; *at; at++) {
		if (!is_control(at))
			continue;
		if (!iscntrl((unsigned char)*at))
			*at++ = '?';
		*at = '?';
	}
	fprintf(stderr, "%s%s\n", before, line);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_line("", format, args);
	va_end(args);
}

void warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_line("warning: ", format, args);
	va_end(args);
}

void refuse(const struct call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_line("", format, args);
	va_end(args);
	/*
	 * The notifier writes all other lines. It cannot tell a live change that was made
	 * from one that was refused, nor from a modification that was refused.
	 */
	if (!strcmp(call->action, "modify"))
		log_line(call, "warning", strcmp(call->event, "pre") ? "live modify" : "modify",
			 "refused");
	exit(1);
}

/* The state of the parent's group, if the shim knows it. */
static void describe_group(const struct call *call, char *text, size_t size)
{
	struct mdr_function *function;
	struct mdr_group *group;
	char name[32];

	*text = 0;
	if (mdr_function_get(call->mdr, call->parent, &function))
		return;
	snprintf(name, sizeof(name), "%d", mdr_function_group(function));
	if (!mdr_group_get(call->mdr, name, &group)) {
		snprintf(text, size, "; %s is %s, type %s", mdr_group_name(group),
			 mdr_group_state_name(group), mdr_group_type(group));
		mdr_group_free(group);
	}
	mdr_function_free(function);
}

void log_line(const struct call *call, const char *priority, const char *what,
	      const char *outcome)
{
	char facility[32], line[LINE], now[128];
	char *const argv[] = { "logger", "-t", "mdev-recovery", "-p", facility, line, NULL };
	pid_t pid;

	describe_group(call, now, sizeof(now));
	snprintf(facility, sizeof(facility), "daemon.%s", priority);
	snprintf(line, sizeof(line), "%s of mdev %s (%s on %s): %s%s", what, call->uuid,
		 call->type, call->parent, outcome, now);
	/* a failure to log does not matter */
	if (!posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ))
		waitpid(pid, NULL, 0);
}
