/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * backend: what runs the guests, libvirt or one QEMU. No call waits; answers and news
 * come later, by the functions agent_*() in agent.h, in the main thread.
 */
#ifndef MDR_AGENT_BACKEND_H
#define MDR_AGENT_BACKEND_H

#include "record.h"

/* One running domain at one moment. */
struct domain_view {
	const char *uuid, *name, *xml;
	int id;
	const char *halted;	/* why its CPUs do not run, as route.h says it; or NULL */
};

struct backend {
	/* Start or stop reporting on the domains. */
	void (*want)(struct backend *backend, bool wanted);

	/* A new view of a domain. */
	void (*look)(struct backend *backend, const char *domain);

	/* Attaches the record's mdev to its domain; then agent_attached(). */
	void (*attach)(struct backend *backend, const struct record *record);

	/* Does its guest use the record's mdev? Then agent_used(). */
	void (*ask_used)(struct backend *backend, const struct record *record);

	/* Has its guest release the record's mdev; then agent_detached(). */
	void (*detach)(struct backend *backend, const struct record *record);

	/* An error at the guest's port above the record's mdev; then agent_told(). */
	void (*tell)(struct backend *backend, const struct record *record,
		     unsigned long long event);
};

#endif
