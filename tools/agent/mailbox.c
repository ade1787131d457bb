// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "machine.h"
#include "mailbox.h"

#define STOP_MS		300
#define LONG_MS		2000	/* for one job, before others are done meanwhile */
#define ASIDE_MOST	3	/* libvirtd takes five calls at a time from one client */

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

char *copy(const char *text)
{
	char *result = strdup(text);

	if (!result)
		abort();
	return result;
}

void job_free(struct job *job)
{
	free(job->xml);
	free(job);
}

static void answer_free(struct answer *answer)
{
	free(answer->name);
	free(answer->xml);
	free(answer->error);
	free(answer);
}

/*
 * Answers, from the worker to the main thread
 */
struct answer *answer_new(enum answer_type type, const char *domain)
{
	struct answer *answer = calloc(1, sizeof(*answer));

	/* without memory the answer would be lost: start over */
	if (!answer)
		abort();
	answer->type = type;
	if (domain)
		snprintf(answer->domain, sizeof(answer->domain), "%s", domain);
	return answer;
}

void mailbox_answer(struct mailbox *mailbox, struct answer *answer)
{
	struct answer **at = &mailbox->answers;
	const uint64_t one = 1;

	pthread_mutex_lock(&mailbox->lock);
	while (*at)
		at = &(*at)->next;
	*at = answer;
	pthread_mutex_unlock(&mailbox->lock);
	if (write(mailbox->fd, &one, sizeof(one)) < 0)
		log_error("cannot wake the main thread: %s", strerror(errno));
}

void mailbox_answer_simple(struct mailbox *mailbox, enum answer_type type, const char *domain)
{
	mailbox_answer(mailbox, answer_new(type, domain));
}

void mailbox_answer_used(struct mailbox *mailbox, const struct job *job,
			 struct json_object *buses, const char *id, const char *error)
{
	struct answer *answer = answer_new(ANSWER_USED, job->domain);
	int used = machine_has_addresses(buses, id);

	snprintf(answer->mdev, sizeof(answer->mdev), "%s", job->mdev);
	answer->used = used > 0;
	if (used < 0)
		answer->error = copy(buses ? "QEMU does not list it" : error);
	mailbox_answer(mailbox, answer);
}

void mailbox_answer_job(struct mailbox *mailbox, const struct job *job, const char *error)
{
	static const enum answer_type types[] = {
		[JOB_ATTACH] = ANSWER_ATTACHED,
		[JOB_DETACH] = ANSWER_DETACHED,
		[JOB_TELL] = ANSWER_TOLD,
	};
	struct answer *answer;

	answer = answer_new(types[job->type], job->domain);
	snprintf(answer->mdev, sizeof(answer->mdev), "%s", job->mdev);
	snprintf(answer->port, sizeof(answer->port), "%s", job->port);
	answer->error = error ? copy(error) : NULL;
	mailbox_answer(mailbox, answer);
}

/*
 * Jobs, from the main thread to the worker
 */
static bool same_look(const struct job *a, const struct job *b)
{
	return a->type == JOB_LOOK && b->type == JOB_LOOK && !strcmp(a->domain, b->domain);
}

static void put_job(struct mailbox *mailbox, struct job *job)
{
	struct job **at = &mailbox->jobs;

	pthread_mutex_lock(&mailbox->lock);
	while (*at && !same_look(*at, job))
		at = &(*at)->next;
	if (*at) {
		job_free(job);
	} else {
		*at = job;
		pthread_cond_broadcast(&mailbox->changed);
	}
	pthread_mutex_unlock(&mailbox->lock);
}

static struct job *new_job(enum job_type type, const char *domain)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		abort();
	job->type = type;
	snprintf(job->domain, sizeof(job->domain), "%s", domain);
	return job;
}

void mailbox_look(struct mailbox *mailbox, const char *domain)
{
	put_job(mailbox, new_job(JOB_LOOK, domain));
}

void mailbox_lost(struct mailbox *mailbox)
{
	pthread_mutex_lock(&mailbox->lock);
	mailbox->lost = true;
	pthread_cond_broadcast(&mailbox->changed);
	pthread_mutex_unlock(&mailbox->lock);
}

static void want(struct backend *backend, bool wanted)
{
	struct mailbox *mailbox = (struct mailbox *)backend;

	pthread_mutex_lock(&mailbox->lock);
	if (mailbox->wanted != wanted) {
		mailbox->wanted = wanted;
		pthread_cond_broadcast(&mailbox->changed);
	}
	pthread_mutex_unlock(&mailbox->lock);
}

static void look(struct backend *backend, const char *domain)
{
	mailbox_look((struct mailbox *)backend, domain);
}

static struct job *record_job(enum job_type type, const struct record *record)
{
	struct job *job = new_job(type, record->domain);

	job->id = record->id;
	snprintf(job->mdev, sizeof(job->mdev), "%s", record->mdev);
	snprintf(job->port, sizeof(job->port), "%s", record->place.port);
	snprintf(job->alias, sizeof(job->alias), "%s", record->place.alias);
	return job;
}

static void ask_used(struct backend *backend, const struct record *record)
{
	put_job((struct mailbox *)backend, record_job(JOB_USED, record));
}

static void put_xml_job(struct backend *backend, enum job_type type, const struct record *record)
{
	struct job *job = record_job(type, record);

	job->xml = copy(record->xml);
	put_job((struct mailbox *)backend, job);
}

static void attach(struct backend *backend, const struct record *record)
{
	put_xml_job(backend, JOB_ATTACH, record);
}

static void detach(struct backend *backend, const struct record *record)
{
	put_xml_job(backend, JOB_DETACH, record);
}

static void tell(struct backend *backend, const struct record *record, unsigned long long event)
{
	(void)event;
	put_job((struct mailbox *)backend, record_job(JOB_TELL, record));
}

/*
 * The worker
 */
void mailbox_thread_ends(struct mailbox *mailbox)
{
	pthread_mutex_lock(&mailbox->lock);
	mailbox->running--;
	pthread_cond_broadcast(&mailbox->changed);
	pthread_mutex_unlock(&mailbox->lock);
}

int mailbox_thread(struct mailbox *mailbox, void *(*run)(void *arg), void *arg)
{
	pthread_t thread;
	int ret;

	pthread_mutex_lock(&mailbox->lock);
	mailbox->running++;
	pthread_mutex_unlock(&mailbox->lock);
	ret = pthread_create(&thread, NULL, run, arg);
	if (ret) {
		mailbox_thread_ends(mailbox);
		return -ret;
	}
	pthread_detach(thread);
	return 0;
}

bool mailbox_stopping(struct mailbox *mailbox)
{
	bool stop;

	pthread_mutex_lock(&mailbox->lock);
	stop = mailbox->stop;
	pthread_mutex_unlock(&mailbox->lock);
	return stop;
}

void mailbox_calls(struct mailbox *mailbox, const char *call)
{
	pthread_mutex_lock(&mailbox->lock);
	mailbox->call = call;
	mailbox->call_since_ms = now_ms();
	pthread_mutex_unlock(&mailbox->lock);
}

static bool is_aside(const struct mailbox *mailbox, const char *domain)
{
	for (const struct job *job = mailbox->aside; job; job = job->next)
		if (!strcmp(job->domain, domain))
			return true;
	return false;
}

/* Called with the lock. The first job that need not wait for another one of its domain. */
static struct job **next_job(struct mailbox *mailbox)
{
	struct job **at = &mailbox->jobs;

	while (*at && is_aside(mailbox, (*at)->domain))
		at = &(*at)->next;
	return at;
}

/* Called with the lock. Return: how long to sleep, in ms; 0: not at all; -1: for ever. */
static int64_t pause_ms(struct mailbox *mailbox, bool connected, int64_t try_ms)
{
	int64_t left;

	if (mailbox->stop || *next_job(mailbox) || mailbox->lost || (!mailbox->wanted && connected))
		return 0;
	if (!mailbox->wanted || (connected && !try_ms))
		return -1;
	left = try_ms - now_ms();
	return left > 0 ? left : 0;
}

static void wait_ms(struct mailbox *mailbox, int64_t ms)
{
	struct timespec until;
	int64_t end = now_ms() + ms;

	if (ms < 0) {
		pthread_cond_wait(&mailbox->changed, &mailbox->lock);
		return;
	}
	until.tv_sec = end / 1000;
	until.tv_nsec = end % 1000 * 1000000;
	pthread_cond_timedwait(&mailbox->changed, &mailbox->lock, &until);
}

struct job *mailbox_next(struct mailbox *mailbox, bool connected, int64_t try_ms, bool *wanted,
			 bool *lost)
{
	struct job **at, *job;
	int64_t ms;

	pthread_mutex_lock(&mailbox->lock);
	mailbox->call = NULL;
	while ((ms = pause_ms(mailbox, connected, try_ms)))
		wait_ms(mailbox, ms);
	at = next_job(mailbox);
	job = mailbox->stop ? NULL : *at;
	if (job) {
		*at = job->next;
		job->next = NULL;
	}
	*wanted = mailbox->wanted && !mailbox->stop;
	*lost = mailbox->lost;
	mailbox->lost = false;
	pthread_mutex_unlock(&mailbox->lock);
	return job;
}

/* One job, in a thread of its own. */
struct call {
	struct mailbox *mailbox;
	struct job *job;
	mailbox_run run;
	void *arg;
	int64_t since_ms;
	bool ended, aside;	/* of the mailbox's lock */
};

static void free_call(struct call *call)
{
	job_free(call->job);
	free(call);
}

/* Called with the lock. Nobody waits for it any more. */
static void end_aside(struct call *call)
{
	struct job **at = &call->mailbox->aside;

	while (*at != call->job)
		at = &(*at)->next;
	*at = call->job->next;
	log_info("domain %s has answered after %lld s", call->job->domain,
		 (long long)(now_ms() - call->since_ms) / 1000);
	free_call(call);
}

static void *run_call(void *arg)
{
	struct call *call = arg;
	struct mailbox *mailbox = call->mailbox;

	call->run(mailbox, call->job, call->arg);
	pthread_mutex_lock(&mailbox->lock);
	if (call->aside)
		end_aside(call);
	else
		call->ended = true;
	pthread_cond_broadcast(&mailbox->changed);
	pthread_mutex_unlock(&mailbox->lock);
	mailbox_thread_ends(mailbox);
	return NULL;
}

/* Called with the lock. May another job be left to itself? */
static bool has_room(const struct mailbox *mailbox)
{
	int count = 0;

	for (const struct job *job = mailbox->aside; job; job = job->next)
		count++;
	return count < ASIDE_MOST;
}

/* Called with the lock. */
static void put_aside(struct mailbox *mailbox, struct call *call)
{
	const struct log_about about = {
		.mdev = call->job->mdev, .domain_uuid = call->job->domain,
	};

	if (!mailbox->stop)
		log_about(LOG_LEVEL_WARNING, &about,
			  "domain %s has not answered for %d s (%s); the others do not wait for it",
			  call->job->domain, LONG_MS / 1000, mailbox->call);
	call->aside = true;
	call->job->next = mailbox->aside;
	mailbox->aside = call->job;
}

void mailbox_call(struct mailbox *mailbox, struct job *job, mailbox_run run, void *arg)
{
	struct call *call = calloc(1, sizeof(*call));
	int64_t left = LONG_MS;

	if (!call)
		abort();
	*call = (struct call){ mailbox, job, run, arg, now_ms(), false, false };
	if (mailbox_thread(mailbox, run_call, call)) {
		run(mailbox, job, arg);
		free_call(call);
		return;
	}
	pthread_mutex_lock(&mailbox->lock);
	while (!call->ended && !mailbox->stop && (left > 0 || !has_room(mailbox))) {
		wait_ms(mailbox, left > 0 ? left : -1);
		left = call->since_ms + LONG_MS - now_ms();
	}
	if (call->ended)
		free_call(call);
	else
		put_aside(mailbox, call);
	pthread_mutex_unlock(&mailbox->lock);
}

static bool port_valid(const char *port)
{
	if (!*port)
		return false;
	for (; *port; port++)
		if (!isalnum((unsigned char)*port) && !strchr("._-", *port))
			return false;
	return true;
}

/*
 * A fatal error (Data Link Protocol), even if the host's error was not fatal: only the
 * reset that follows a fatal error acknowledges the event.
 */
const char *mailbox_tell_command(const struct job *job, char *command, int size)
{
	if (!port_valid(job->port))
		return NULL;
	snprintf(command, size, "pcie_aer_inject_error %s DLP", job->port);
	return command;
}

/*
 * The main thread
 */
void mailbox_dispatch(struct mailbox *mailbox, struct agent *agent, int64_t now)
{
	struct answer *answer, *next;
	struct domain_view seen;
	uint64_t count;

	if (read(mailbox->fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&mailbox->lock);
	answer = mailbox->answers;
	mailbox->answers = NULL;
	pthread_mutex_unlock(&mailbox->lock);
	for (; answer; answer = next) {
		next = answer->next;
		switch (answer->type) {
		case ANSWER_LIST_BEGIN:
			agent_list_begin(agent);
			break;
		case ANSWER_LIST_END:
			agent_list_end(agent);
			break;
		case ANSWER_DOMAIN:
			seen = (struct domain_view){
				.uuid = answer->domain, .name = answer->name, .xml = answer->xml,
				.id = answer->id, .halted = answer->halted,
			};
			agent_domain(agent, &seen);
			break;
		case ANSWER_KEPT:
			agent_domain_kept(agent, answer->domain);
			break;
		case ANSWER_GONE:
			agent_domain_gone(agent, answer->domain);
			break;
		case ANSWER_UNKNOWN:
			agent_unknown(agent);
			break;
		case ANSWER_ATTACHED:
			agent_attached(agent, answer->mdev, answer->domain, answer->error, now);
			break;
		case ANSWER_DETACHED:
			agent_detached(agent, answer->mdev, answer->domain, answer->error);
			break;
		case ANSWER_USED:
			agent_used(agent, answer->mdev, answer->domain, answer->used, answer->error,
				   now);
			break;
		case ANSWER_TOLD:
			agent_told(agent, answer->domain, answer->port, answer->error);
			break;
		}
		answer_free(answer);
	}
}

int64_t mailbox_stuck_ms(struct mailbox *mailbox, int64_t now, const char **call)
{
	int64_t ms;

	pthread_mutex_lock(&mailbox->lock);
	*call = mailbox->call;
	ms = mailbox->call ? now - mailbox->call_since_ms : 0;
	pthread_mutex_unlock(&mailbox->lock);
	return ms;
}

int mailbox_init(struct mailbox *mailbox)
{
	pthread_condattr_t monotonic;

	memset(mailbox, 0, sizeof(*mailbox));
	mailbox->backend = (struct backend){
		.want = want, .look = look, .attach = attach, .detach = detach,
		.ask_used = ask_used, .tell = tell,
	};
	mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mailbox->fd < 0)
		return -errno;
	pthread_mutex_init(&mailbox->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&mailbox->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return 0;
}

bool mailbox_stop(struct mailbox *mailbox)
{
	int64_t end = now_ms() + STOP_MS, left;
	struct answer *answer;
	struct job *job;
	bool stopped;

	pthread_mutex_lock(&mailbox->lock);
	mailbox->stop = true;
	pthread_cond_broadcast(&mailbox->changed);
	while (mailbox->running && (left = end - now_ms()) > 0)
		wait_ms(mailbox, left);
	stopped = !mailbox->running;
	pthread_mutex_unlock(&mailbox->lock);
	if (!stopped)
		return false;
	while ((answer = mailbox->answers)) {
		mailbox->answers = answer->next;
		answer_free(answer);
	}
	while ((job = mailbox->jobs)) {
		mailbox->jobs = job->next;
		job_free(job);
	}
	close(mailbox->fd);
	pthread_cond_destroy(&mailbox->changed);
	pthread_mutex_destroy(&mailbox->lock);
	return true;
}
