// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <libvirt/virterror.h>

#include "domains.h"
#include "log.h"

#define KEEPALIVE_S	5
#define KEEPALIVE_COUNT	3

static void note_change(struct domains *domains)
{
	domains->changed(domains->arg);
}

static int lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
		     void *arg)
{
	(void)connection;
	(void)domain;
	(void)event;
	(void)detail;
	note_change(arg);
	return 0;
}

/* of DEVICE_ADDED and of DEVICE_REMOVED */
static void device(virConnectPtr connection, virDomainPtr domain, const char *alias, void *arg)
{
	(void)connection;
	(void)domain;
	(void)alias;
	note_change(arg);
}

static void closed(virConnectPtr connection, int reason, void *arg)
{
	struct domains *domains = arg;

	(void)connection;
	(void)reason;
	domains->lost = true;
	note_change(domains);
}

static const char *last_words(void)
{
	const char *words = virGetLastErrorMessage();

	return words ? words : "no reason given";
}

static void listen(struct domains *domains)
{
	virConnectPtr connection = domains->connection;

	virConnectRegisterCloseCallback(connection, closed, domains, NULL);
	/* fails for a driver without a remote end, which needs no keepalive */
	virConnectSetKeepAlive(connection, KEEPALIVE_S, KEEPALIVE_COUNT);
	domains->callbacks[0] =
		virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
						 VIR_DOMAIN_EVENT_CALLBACK(lifecycle), domains,
						 NULL);
	domains->callbacks[1] =
		virConnectDomainEventRegisterAny(connection, NULL,
						 VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
						 VIR_DOMAIN_EVENT_CALLBACK(device), domains, NULL);
	domains->callbacks[2] =
		virConnectDomainEventRegisterAny(connection, NULL,
						 VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
						 VIR_DOMAIN_EVENT_CALLBACK(device), domains, NULL);
}

bool domains_connect(struct domains *domains)
{
	if (domains->lost) {
		log_info("libvirt: %s closed the connection", domains->uri);
		domains_disconnect(domains);
	}
	if (domains->connection)
		return true;
	domains->connection = virConnectOpen(domains->uri);
	if (!domains->connection) {
		if (!domains->said)
			log_info("libvirt: no connection to %s (%s); waiting for it", domains->uri,
				 last_words());
		domains->said = true;
		return false;
	}
	domains->said = false;
	listen(domains);
	log_info("libvirt: connected to %s", domains->uri);
	return true;
}

void domains_disconnect(struct domains *domains)
{
	if (!domains->connection)
		return;
	for (int i = 0; i < 3; i++)
		if (domains->callbacks[i] >= 0)
			virConnectDomainEventDeregisterAny(domains->connection,
							   domains->callbacks[i]);
	virConnectUnregisterCloseCallback(domains->connection, closed);
	virConnectClose(domains->connection);
	domains->connection = NULL;
	domains->lost = false;
}

/* A domain that stops between the list and its XML is skipped, not an error. */
static int tell(virDomainPtr domain, void (*each)(const struct domain_view *domain, void *arg),
		void *arg)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	struct domain_view view = { .uuid = uuid, .name = virDomainGetName(domain) };
	char *xml;

	view.id = (int)virDomainGetID(domain);
	if (view.id < 0 || virDomainGetUUIDString(domain, uuid))
		return 0;
	xml = virDomainGetXMLDesc(domain, 0);
	if (!xml)
		return virDomainIsActive(domain) == 0 ? 0 : -EIO;
	view.xml = xml;
	each(&view, arg);
	free(xml);
	return 0;
}

int domains_each(struct domains *domains,
		 void (*each)(const struct domain_view *domain, void *arg), void *arg)
{
	virDomainPtr *list = NULL;
	int count, ret = 0;

	if (!domains->connection)
		return -EIO;
	count = virConnectListAllDomains(domains->connection, &list,
					 VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	if (count < 0)
		return -EIO;
	for (int i = 0; i < count; i++) {
		if (!ret)
			ret = tell(list[i], each, arg);
		virDomainFree(list[i]);
	}
	free(list);
	return ret;
}

int domains_attach(struct domains *domains, const struct record *record, char *message, int size)
{
	virDomainPtr domain = NULL;
	int ret = -EIO;

	if (domains->connection)
		domain = virDomainLookupByUUIDString(domains->connection, record->domain);
	if (domain && !virDomainAttachDeviceFlags(domain, record->xml, VIR_DOMAIN_AFFECT_LIVE))
		ret = 0;
	else
		snprintf(message, size, "%s", last_words());
	if (domain)
		virDomainFree(domain);
	return ret;
}
