/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * note: what the agent takes note of: in the log, and in a record.
 */
#ifndef MDR_AGENT_NOTE_H
#define MDR_AGENT_NOTE_H

#include "agent.h"
#include "log.h"

/* A message about a record; it begins with the mdev. */
void say(enum log_level level, const struct record *record, const struct group *group,
	 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A record enters a phase. */
void set_phase(struct agent *agent, struct record *record, enum phase phase);

/* The record is up to date with its group: everything after this is new. */
void catch_up(struct record *record, const struct group *group);

#endif
