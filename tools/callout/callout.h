/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * callout: answers mdevctl's questions about mdevs of mdev_recovery. mdevctl runs it as
 *
 *   mdev-recovery -t TYPE -e EVENT -a ACTION -s STATE -u UUID -p PARENT
 *
 * with the configuration, or mdevctl's own capabilities, as JSON on stdin.
 *
 *   get capabilities   version 2, and live changes
 *   get attributes     the settings of a running mdev, as JSON
 *   pre define         refuses a profile that this host cannot honour
 *   pre start          the same, at the last moment
 *   pre modify         refuses settings that no host can honour
 *   live modify        applies the profile to a running mdev
 *   notify ACTION      writes a line to the system log, as a notifier
 *
 * Exit codes: 0 done, 2 not our type, all others refused; the reason is on stderr, which
 * mdevctl shows. Like mdevctl, it works below $MDEVCTL_ENV_ROOT if that is set.
 */
#ifndef CALLOUT_H
#define CALLOUT_H

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>
#include <libmdr.h>

struct call {
	struct mdr *mdr;
	const char *type, *event, *action, *state, *uuid, *parent;
	/* the configuration, and its list of attributes, which may be NULL */
	struct json_object *config, *attrs;
	/* the settings of the loaded module; NULL if they are not known */
	struct mdr_settings *settings;
};

/* NAME of an attribute "recovery/NAME"; NULL if it is not a setting. */
const char *setting_name(const char *attribute);

/* A line on stderr; control characters in the user's text become "?". */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints the reason, logs it unless the notifier will, and exits. */
void refuse(const struct call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* A line in the system log. */
void log_line(const struct call *call, const char *priority, const char *what,
	      const char *outcome);

/* The configuration on stdin. */
void profile_read(struct call *call);
/* The attribute at index; false after the last. */
bool profile_attribute(const struct call *call, size_t index, const char **name,
		       const char **value);
/* Refuses what cannot be set. */
void profile_check(const struct call *call);

/* Refuses an mdev that the parent cannot have now; warns of obstacles to its recovery. */
void host_check(const struct call *call);
void host_check_autostart(const struct call *call);

void live_change(const struct call *call);
void live_read_back(const struct call *call);

#endif
