/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * domains: the running domains of one libvirt connection. The connection comes and
 * goes with libvirt's daemon. Without it nothing is known of the domains; no call
 * waits for it.
 */
#ifndef MDR_AGENT_DOMAINS_H
#define MDR_AGENT_DOMAINS_H

#include <libvirt/libvirt.h>

#include "record.h"

struct domains {
	const char *uri;
	virConnectPtr connection;	/* NULL if there is none */
	bool lost;			/* the daemon closed it; drop it at the next step */
	bool said;			/* that there is none has been logged */
	int callbacks[3];
	void (*changed)(void *arg);	/* called when domains or their devices change */
	void *arg;
};

/* One running domain, as seen at one look. */
struct domain_view {
	const char *uuid, *name, *xml;
	int id;
};

/* Connects unless connected. Return: whether there is a connection now. */
bool domains_connect(struct domains *domains);
void domains_disconnect(struct domains *domains);

/*
 * Calls each() for every running domain. Return: 0, or -EIO if libvirt failed to
 * describe all of them: then nothing is known of those without a call.
 */
int domains_each(struct domains *domains,
		 void (*each)(const struct domain_view *domain, void *arg), void *arg);

/* Return: 0, or -EIO with libvirt's error in message. */
int domains_attach(struct domains *domains, const struct record *record, char *message,
		   int size);

#endif
