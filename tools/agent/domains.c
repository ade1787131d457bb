// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include "domains.h"
#include "log.h"
#include "route.h"

#define KEEPALIVE_S	5
#define KEEPALIVE_COUNT	3
#define RECONNECT_MS	5000
#define AGAIN_FIRST_MS	1000	/* after a look that libvirt has refused; then twice as long */
#define AGAIN_MOST_MS	60000

/* A domain that libvirt has refused to describe, and when it is asked again. */
struct again {
	struct again *next;
	char domain[UUID_SIZE];
	int64_t wait_ms, at_ms;
};

/*
 * The event loop: what changes in a domain is a reason for a new view of it.
 */
static int changed(virConnectPtr connection, virDomainPtr domain, void *arg)
{
	char uuid[VIR_UUID_STRING_BUFLEN];

	(void)connection;
	if (!virDomainGetUUIDString(domain, uuid))
		mailbox_look(arg, uuid);
	return 0;
}

static int lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
		     void *arg)
{
	(void)event;
	(void)detail;
	return changed(connection, domain, arg);
}

/* of DEVICE_ADDED, DEVICE_REMOVED and DEVICE_REMOVAL_FAILED */
static void device(virConnectPtr connection, virDomainPtr domain, const char *alias, void *arg)
{
	(void)alias;
	changed(connection, domain, arg);
}

static void reboot(virConnectPtr connection, virDomainPtr domain, void *arg)
{
	changed(connection, domain, arg);
}

static void closed(virConnectPtr connection, int reason, void *arg)
{
	(void)connection;
	(void)reason;
	mailbox_lost(arg);
}

static void on_timer(int timer, void *arg)
{
	(void)arg;
	virEventUpdateTimeout(timer, -1);
}

static void *run_events(void *arg)
{
	struct domains *domains = arg;

	while (!mailbox_stopping(&domains->mailbox) && !virEventRunDefaultImpl())
		;
	mailbox_thread_ends(&domains->mailbox);
	return NULL;
}

/*
 * The worker
 */
static const char *last_words(virConnectPtr connection)
{
	const char *words = virGetLastErrorMessage();

	if (!connection && virGetLastErrorCode() == VIR_ERR_OK)
		return "there is no connection to libvirt";
	return words ? words : "no reason given";
}

static void listen(struct domains *domains)
{
	static const struct {
		int event;
		virConnectDomainEventGenericCallback callback;
	} events[DOMAINS_EVENTS] = {
		{ VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(lifecycle) },
		{ VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(device) },
		{ VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(device) },
		{ VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, VIR_DOMAIN_EVENT_CALLBACK(device) },
		{ VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(reboot) },
	};

	virConnectRegisterCloseCallback(domains->connection, closed, &domains->mailbox, NULL);
	/* fails for a driver without a remote end, which needs no keepalive */
	virConnectSetKeepAlive(domains->connection, KEEPALIVE_S, KEEPALIVE_COUNT);
	for (int i = 0; i < DOMAINS_EVENTS; i++)
		domains->callbacks[i] =
			virConnectDomainEventRegisterAny(domains->connection, NULL, events[i].event,
							 events[i].callback, &domains->mailbox,
							 NULL);
}

static struct again **find_again(struct domains *domains, const char *uuid)
{
	struct again **at = &domains->again;

	while (*at && strcmp((*at)->domain, uuid))
		at = &(*at)->next;
	return at;
}

static void drop_again(struct again **at)
{
	struct again *again = *at;

	*at = again->next;
	free(again);
}

/* It may be busy, or restarting. Logs the first refusal of several in a row. */
static void refused(struct domains *domains, const char *uuid, const char *name, const char *why)
{
	struct again **at = find_again(domains, uuid), *again = *at;

	if (!again) {
		log_error("libvirt: cannot describe domain %s: %s; trying again", name, why);
		again = calloc(1, sizeof(*again));
		if (!again)
			abort();
		snprintf(again->domain, sizeof(again->domain), "%s", uuid);
		*at = again;
	}
	/* an event may have been the reason to look earlier */
	if (again->at_ms <= now_ms()) {
		again->wait_ms = again->wait_ms ? 2 * again->wait_ms : AGAIN_FIRST_MS;
		if (again->wait_ms > AGAIN_MOST_MS)
			again->wait_ms = AGAIN_MOST_MS;
		again->at_ms = now_ms() + again->wait_ms;
	}
	mailbox_answer_simple(&domains->mailbox, ANSWER_KEPT, uuid);
}

/* name: NULL if the domain has gone. */
static void not_refused(struct domains *domains, const char *uuid, const char *name)
{
	struct again **at = find_again(domains, uuid);

	if (!*at)
		return;
	if (name)
		log_info("libvirt: domain %s can be described again", name);
	drop_again(at);
}

/* When to do something although nothing happens; 0: never. */
static int64_t next_try_ms(const struct domains *domains)
{
	int64_t next_ms = 0;

	if (!domains->connection)
		return domains->try_ms;
	for (const struct again *again = domains->again; again; again = again->next)
		if (!next_ms || again->at_ms < next_ms)
			next_ms = again->at_ms;
	return next_ms;
}

static void disconnect(struct domains *domains)
{
	if (!domains->connection)
		return;
	/* the next connection begins with a look at all */
	while (domains->again)
		drop_again(&domains->again);
	mailbox_calls(&domains->mailbox, "close the connection");
	for (int i = 0; i < DOMAINS_EVENTS; i++)
		if (domains->callbacks[i] >= 0)
			virConnectDomainEventDeregisterAny(domains->connection,
							   domains->callbacks[i]);
	virConnectUnregisterCloseCallback(domains->connection, closed);
	virConnectClose(domains->connection);
	domains->connection = NULL;
	mailbox_answer_simple(&domains->mailbox, ANSWER_UNKNOWN, NULL);
}

/* Did the call fail because the domain has gone? */
static bool has_gone(virDomainPtr domain)
{
	int code = virGetLastErrorCode();

	return code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID ||
	       !virDomainIsActive(domain);
}

static void gone(struct domains *domains, const char *uuid)
{
	not_refused(domains, uuid, NULL);
	mailbox_answer_simple(&domains->mailbox, ANSWER_GONE, uuid);
}

/* A domain that ends between the list and its XML is gone; the others are not affected. */
static void view(struct domains *domains, virDomainPtr domain, const char *uuid)
{
	const char *name = virDomainGetName(domain);
	struct answer *answer;
	int id, state;
	char *xml, *why;

	id = (int)virDomainGetID(domain);
	if (id < 0) {
		gone(domains, uuid);
		return;
	}
	xml = virDomainGetXMLDesc(domain, 0);
	if (!xml || virDomainGetState(domain, &state, NULL, 0)) {
		/* the next call makes libvirt forget it */
		why = copy(last_words(domains->connection));
		if (has_gone(domain))
			gone(domains, uuid);
		else
			refused(domains, uuid, name, why);
		free(why);
		free(xml);
		return;
	}
	not_refused(domains, uuid, name);
	answer = answer_new(ANSWER_DOMAIN, uuid);
	answer->id = id;
	answer->name = copy(name);
	answer->xml = xml;
	answer->halted = route_halted(state);
	mailbox_answer(&domains->mailbox, answer);
}

static bool list(struct domains *domains)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	virDomainPtr *domain = NULL;
	int count;

	mailbox_calls(&domains->mailbox, "list the domains");
	count = virConnectListAllDomains(domains->connection, &domain,
					 VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	if (count < 0)
		return false;
	mailbox_answer_simple(&domains->mailbox, ANSWER_LIST_BEGIN, NULL);
	for (int i = 0; i < count; i++) {
		if (!virDomainGetUUIDString(domain[i], uuid))
			view(domains, domain[i], uuid);
		virDomainFree(domain[i]);
	}
	free(domain);
	mailbox_answer_simple(&domains->mailbox, ANSWER_LIST_END, NULL);
	return true;
}

/* Logs a problem once, and the next one. */
static void say_no(struct domains *domains, const char *problem)
{
	if (domains->said != problem)
		log_info("libvirt: %s %s (%s); waiting for it", problem, domains->uri,
			 last_words(domains->connection));
	domains->said = problem;
}

static void connect_now(struct domains *domains)
{
	static const char no_connection[] = "no connection to";
	static const char no_list[] = "no list of domains from";

	mailbox_calls(&domains->mailbox, "connect");
	domains->connection = virConnectOpen(domains->uri);
	domains->try_ms = now_ms() + RECONNECT_MS;
	if (!domains->connection) {
		say_no(domains, no_connection);
		return;
	}
	/* register for events first, so that no change after the list is missed */
	listen(domains);
	if (!list(domains)) {
		say_no(domains, no_list);
		disconnect(domains);
		return;
	}
	domains->said = NULL;
	log_info("libvirt: connected to %s", domains->uri);
}

static void do_look(struct domains *domains, const struct job *job)
{
	virDomainPtr domain;

	if (!domains->connection)
		return;
	virResetLastError();
	mailbox_calls(&domains->mailbox, "look at a domain");
	domain = virDomainLookupByUUIDString(domains->connection, job->domain);
	if (domain)
		view(domains, domain, job->domain);
	else if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
		gone(domains, job->domain);
	else
		refused(domains, job->domain, job->domain, last_words(domains->connection));
	if (domain)
		virDomainFree(domain);
}

/*
 * Jobs for which libvirt asks QEMU, which may not answer: each has a thread of its own.
 */

/* Whether the domain is the one that the job is for, and not another run of it. */
static const char *check_run(virConnectPtr connection, virDomainPtr domain, const struct job *job)
{
	if (!domain)
		return last_words(connection);
	return (int)virDomainGetID(domain) == job->id ? NULL : "it was restarted";
}

static const char *try_attach(virConnectPtr connection, virDomainPtr domain, const struct job *job)
{
	const char *error = check_run(connection, domain, job);

	if (!error && virDomainAttachDeviceFlags(domain, job->xml, VIR_DOMAIN_AFFECT_LIVE))
		error = last_words(connection);
	return error;
}

static const char *try_detach(virConnectPtr connection, virDomainPtr domain, const struct job *job)
{
	const char *error = check_run(connection, domain, job);

	if (!error && virDomainDetachDeviceFlags(domain, job->xml, VIR_DOMAIN_AFFECT_LIVE))
		error = last_words(connection);
	return error;
}

static void do_used(struct mailbox *mailbox, virConnectPtr connection, virDomainPtr domain,
		    const struct job *job)
{
	struct json_object *reply = NULL, *buses = NULL;
	char *result = NULL;

	if (domain && !virDomainQemuMonitorCommand(domain, "{\"execute\":\"query-pci\"}", &result,
						   VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT))
		reply = json_tokener_parse(result);
	json_object_object_get_ex(reply, "return", &buses);
	mailbox_answer_used(mailbox, job, buses, job->alias,
			    result ? "QEMU does not say" : last_words(connection));
	json_object_put(reply);
	free(result);
}

/* The error, if there is one, may be the monitor's answer. */
static const char *try_tell(virConnectPtr connection, virDomainPtr domain, const struct job *job,
			    char **result)
{
	char text[128];
	const char *command = mailbox_tell_command(job, text, sizeof(text));
	const char *error = check_run(connection, domain, job);

	if (error)
		return error;
	if (!command)
		return "its port has no name that QEMU takes";
	if (virDomainQemuMonitorCommand(domain, command, result,
					VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP))
		return last_words(connection);
	return strstr(*result, "OK id: ") ? NULL : *result;
}

/* With a reference to the connection, or NULL. */
static void run_job(struct mailbox *mailbox, const struct job *job, void *arg)
{
	virConnectPtr connection = arg;
	virDomainPtr domain = NULL;
	char *result = NULL;

	virResetLastError();
	if (connection)
		domain = virDomainLookupByUUIDString(connection, job->domain);
	switch (job->type) {
	case JOB_ATTACH:
		mailbox_answer_job(mailbox, job, try_attach(connection, domain, job));
		break;
	case JOB_DETACH:
		mailbox_answer_job(mailbox, job, try_detach(connection, domain, job));
		break;
	case JOB_TELL:
		mailbox_answer_job(mailbox, job, try_tell(connection, domain, job, &result));
		free(result);
		break;
	case JOB_USED:
		do_used(mailbox, connection, domain, job);
		break;
	case JOB_LOOK:
		break;
	}
	if (domain)
		virDomainFree(domain);
	if (connection)
		virConnectClose(connection);
}

/* Frees the job. */
static void work(struct domains *domains, struct job *job)
{
	static const char * const calls[] = {
		[JOB_ATTACH] = "attach a device",
		[JOB_DETACH] = "detach a device",
		[JOB_USED] = "look whether a guest uses a device",
		[JOB_TELL] = "tell a guest",
	};

	if (job->type == JOB_LOOK) {
		do_look(domains, job);
		job_free(job);
		return;
	}
	if (domains->connection)
		virConnectRef(domains->connection);
	mailbox_calls(&domains->mailbox, calls[job->type]);
	mailbox_call(&domains->mailbox, job, run_job, domains->connection);
}

/* One look that libvirt has refused before, if it is time. */
static void look_again(struct domains *domains)
{
	struct job job = { .type = JOB_LOOK };

	for (const struct again *again = domains->again; again; again = again->next) {
		if (again->at_ms > now_ms())
			continue;
		snprintf(job.domain, sizeof(job.domain), "%s", again->domain);
		do_look(domains, &job);
		return;
	}
}

static void *run_worker(void *arg)
{
	struct domains *domains = arg;
	bool wanted, lost;
	struct job *job;

	do {
		job = mailbox_next(&domains->mailbox, domains->connection, next_try_ms(domains),
				   &wanted, &lost);
		if (lost && domains->connection)
			log_info("libvirt: %s closed the connection", domains->uri);
		if (lost || !wanted)
			disconnect(domains);
		if (wanted && !domains->connection && domains->try_ms <= now_ms())
			connect_now(domains);
		if (!job)
			look_again(domains);
		if (job)
			work(domains, job);
	} while (!mailbox_stopping(&domains->mailbox));
	disconnect(domains);
	mailbox_thread_ends(&domains->mailbox);
	return NULL;
}

/* libvirt would print every error; the agent logs the ones that matter */
static void no_print(void *arg, virErrorPtr error)
{
	(void)arg;
	(void)error;
}

int domains_start(struct domains *domains, const char *uri)
{
	int ret;

	memset(domains, 0, sizeof(*domains));
	domains->uri = uri;
	ret = mailbox_init(&domains->mailbox);
	if (ret)
		return ret;
	virSetErrorFunc(NULL, no_print);
	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
		return -EIO;
	domains->timer = virEventAddTimeout(-1, on_timer, domains, NULL);
	if (domains->timer < 0)
		return -EIO;
	ret = mailbox_thread(&domains->mailbox, run_events, domains);
	return ret ? ret : mailbox_thread(&domains->mailbox, run_worker, domains);
}

bool domains_stop(struct domains *domains)
{
	pthread_mutex_lock(&domains->mailbox.lock);
	domains->mailbox.stop = true;
	pthread_mutex_unlock(&domains->mailbox.lock);
	virEventUpdateTimeout(domains->timer, 0);
	if (!mailbox_stop(&domains->mailbox))
		return false;
	virEventRemoveTimeout(domains->timer);
	return true;
}
