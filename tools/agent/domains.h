/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * domains: the running domains of one libvirt. One thread makes all calls, with another
 * one for each that may wait for a guest's QEMU; one runs libvirt's event loop, which keeps
 * the connection alive and says what changes; the main thread makes none. The connection
 * comes and goes with libvirt's daemon.
 *
 * There is one in a process, as libvirt has one event loop.
 */
#ifndef MDR_AGENT_DOMAINS_H
#define MDR_AGENT_DOMAINS_H

#include <libvirt/libvirt.h>

#include "mailbox.h"

#define DOMAINS_EVENTS	5

struct domains {
	struct mailbox mailbox;
	const char *uri;
	int timer;			/* wakes the event loop */

	/* of the worker */
	virConnectPtr connection;	/* NULL if there is none */
	int callbacks[DOMAINS_EVENTS];
	const char *said;		/* what has been logged of there being none, or NULL */
	int64_t try_ms;			/* no attempt to connect before */
	struct again *again;		/* domains that libvirt has refused to describe */
};

/* Starts the threads. Return: 0 or -errno. */
int domains_start(struct domains *domains, const char *uri);

/* As mailbox_stop(). */
bool domains_stop(struct domains *domains);

#endif
