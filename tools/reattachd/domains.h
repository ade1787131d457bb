/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * domains: the running domains of one libvirt connection, which comes and goes
 * with the daemon behind it. Without one, nothing is known, and nothing is
 * waited for.
 */
#ifndef MDR_REATTACHD_DOMAINS_H
#define MDR_REATTACHD_DOMAINS_H

#include <libvirt/libvirt.h>

#include "record.h"

struct domains {
	const char *uri;
	virConnectPtr connection;	/* NULL without */
	bool lost;			/* the daemon closed it; drop it at the next step */
	bool said;			/* that there is none */
	int callbacks[3];
	void (*changed)(void *arg);	/* domains or their devices have */
	void *arg;
};

/* One running domain at a look. */
struct domain_view {
	const char *uuid, *name, *xml;
	int id;
};

/* Connects unless connected. Return: whether there is a connection now. */
bool domains_connect(struct domains *domains);
void domains_disconnect(struct domains *domains);

/*
 * Calls each() for every running domain. Return: 0, or -EIO if libvirt could
 * not tell all of them: then nothing is known of those that were not told.
 */
int domains_each(struct domains *domains,
		 void (*each)(const struct domain_view *domain, void *arg), void *arg);

/* Return: 0, or -EIO with libvirt's words in message. */
int domains_attach(struct domains *domains, const struct record *record, char *message,
		   int size);

#endif
