/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * route: whether the guest can be told of an error at the port above an mdev. Such an
 * error stops and resets everything below that port, so every device there must be an
 * mdev of ours with the same event.
 */
#ifndef MDR_AGENT_ROUTE_H
#define MDR_AGENT_ROUTE_H

#include "record.h"

/* The guest was told of this event before; no event is told twice. */
extern const char * const route_told_before;

/* Why a domain's CPUs do not run. */
extern const char * const route_paused;
extern const char * const route_crashed;

/* Which of them holds in a state (virDomainState); NULL if they run. */
const char *route_halted(int state);

/* The host is not done with all that is below the port; it will be. */
extern const char * const route_not_yet;

/*
 * Return: NULL if the guest can be told of the group's event; else why not, and what
 * to change. place.neighbour of the record names the device that is in the way.
 */
const char *route_reason(const struct records *records, const struct record *record,
			 const struct group *group, const char *sysfs);

#endif
