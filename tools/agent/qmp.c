// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "log.h"
#include "machine.h"
#include "qmp.h"
#include "route.h"

#define RECONNECT_MS	5000
#define LOOK_MS		10000
#define REPLY_MS	10000
#define LINE_MOST	1000000

static struct json_object *field(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

static const char *string(struct json_object *object, const char *key)
{
	return json_object_get_string(field(object, key));
}

/*
 * The reader: one line is one message, an event or a reply
 */
static void take_line(struct qmp *qmp, const char *line)
{
	struct json_object *message = json_tokener_parse(line);

	if (!message)
		return;
	if (field(message, "event")) {
		/* whatever it is: what QEMU says about itself is looked at again */
		mailbox_look(&qmp->mailbox, qmp->domain);
	} else if (field(message, "return") || field(message, "error") || field(message, "QMP")) {
		pthread_mutex_lock(&qmp->mailbox.lock);
		if (json_object_get_int(field(message, "id")) == qmp->request && !qmp->reply) {
			qmp->reply = json_object_get(message);
			pthread_cond_broadcast(&qmp->mailbox.changed);
		}
		pthread_mutex_unlock(&qmp->mailbox.lock);
	}
	json_object_put(message);
}

static void *run_reader(void *arg)
{
	struct qmp *qmp = arg;
	char *line = malloc(LINE_MOST);
	FILE *stream = fdopen(qmp->reader_fd, "r");

	/* what is longer, or has no end, is not QEMU's */
	while (stream && line && fgets(line, LINE_MOST, stream) && strchr(line, '\n'))
		take_line(qmp, line);
	free(line);
	if (stream)
		fclose(stream);
	else
		close(qmp->reader_fd);
	pthread_mutex_lock(&qmp->mailbox.lock);
	qmp->closed = true;
	qmp->mailbox.lost = true;
	pthread_cond_broadcast(&qmp->mailbox.changed);
	pthread_mutex_unlock(&qmp->mailbox.lock);
	mailbox_thread_ends(&qmp->mailbox);
	return NULL;
}

/*
 * The worker
 */

/* The reply to the latest request, to be put; NULL after a timeout. */
static struct json_object *wait_reply(struct qmp *qmp)
{
	int64_t end = now_ms() + REPLY_MS;
	struct timespec until = { end / 1000, end % 1000 * 1000000 };
	struct json_object *reply;

	pthread_mutex_lock(&qmp->mailbox.lock);
	while (!qmp->reply && !qmp->closed && !qmp->mailbox.stop && now_ms() < end)
		pthread_cond_timedwait(&qmp->mailbox.changed, &qmp->mailbox.lock, &until);
	reply = qmp->reply;
	qmp->reply = NULL;
	pthread_mutex_unlock(&qmp->mailbox.lock);
	return reply;
}

/* Takes ownership of the arguments, which may be NULL. Return: the reply, or NULL. */
static struct json_object *call(struct qmp *qmp, const char *command,
				struct json_object *arguments)
{
	struct json_object *request = json_object_new_object();
	const char *line;
	size_t size;
	bool sent;

	json_object_object_add(request, "execute", json_object_new_string(command));
	if (arguments)
		json_object_object_add(request, "arguments", arguments);
	pthread_mutex_lock(&qmp->mailbox.lock);
	json_object_object_add(request, "id", json_object_new_int(++qmp->request));
	json_object_put(qmp->reply);
	qmp->reply = NULL;
	pthread_mutex_unlock(&qmp->mailbox.lock);
	line = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	size = strlen(line);
	sent = send(qmp->fd, line, size, MSG_NOSIGNAL | MSG_MORE) == (ssize_t)size &&
	       send(qmp->fd, "\n", 1, MSG_NOSIGNAL) == 1;
	json_object_put(request);
	return sent ? wait_reply(qmp) : NULL;
}

/* What a command returns, to be put; NULL if it fails. */
static struct json_object *ask(struct qmp *qmp, const char *command, struct json_object *arguments)
{
	struct json_object *reply = call(qmp, command, arguments);
	struct json_object *result = json_object_get(field(reply, "return"));

	json_object_put(reply);
	return result;
}

static struct json_object *ask_property(void *arg, const char *path, const char *property)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "path", json_object_new_string(path));
	if (!property)
		return ask(arg, "qom-list", arguments);
	json_object_object_add(arguments, "property", json_object_new_string(property));
	return ask(arg, "qom-get", arguments);
}

static const char *halted_in(struct json_object *status)
{
	const char *why = string(status, "status");

	if (json_object_get_boolean(field(status, "running")))
		return NULL;
	return why && !strcmp(why, "guest-panicked") ? route_crashed : route_paused;
}

/*
 * Describes the machine now. Some things QEMU does not announce: a device that is added,
 * and that the firmware has numbered the buses, before which it does not list them.
 */
static void view(struct qmp *qmp)
{
	struct json_object *status = ask(qmp, "query-status", NULL);
	struct json_object *buses = ask(qmp, "query-pci", NULL);
	struct answer *answer;

	if (status && buses) {
		answer = answer_new(ANSWER_DOMAIN, qmp->domain);
		answer->id = qmp->pid;
		answer->name = copy(qmp->name);
		answer->halted = halted_in(status);
		answer->xml = machine_describe(buses, ask_property, qmp);
		mailbox_answer(&qmp->mailbox, answer);
	} else {
		mailbox_answer_simple(&qmp->mailbox, ANSWER_KEPT, qmp->domain);
	}
	json_object_put(status);
	json_object_put(buses);
	qmp->try_ms = now_ms() + LOOK_MS;
}

static void disconnect(struct qmp *qmp)
{
	if (qmp->fd < 0)
		return;
	shutdown(qmp->fd, SHUT_RDWR);
	/* the reader sees that, and waits for nothing else */
	pthread_mutex_lock(&qmp->mailbox.lock);
	while (!qmp->closed)
		pthread_cond_wait(&qmp->mailbox.changed, &qmp->mailbox.lock);
	pthread_mutex_unlock(&qmp->mailbox.lock);
	close(qmp->fd);
	qmp->fd = -1;
	mailbox_answer_simple(&qmp->mailbox, ANSWER_UNKNOWN, NULL);
}

/* Who it is: without a UUID of its own (-uuid) a QEMU has one of zeros. */
static bool greet(struct qmp *qmp)
{
	/* struct ucred, which is a GNU extension */
	struct {
		pid_t pid;
		uid_t uid;
		gid_t gid;
	} peer = {};
	socklen_t size = sizeof(peer);
	struct json_object *reply;
	const char *text;
	bool good;

	getsockopt(qmp->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	qmp->pid = peer.pid;
	reply = wait_reply(qmp);
	good = field(reply, "QMP");
	json_object_put(reply);
	reply = good ? ask(qmp, "qmp_capabilities", NULL) : NULL;
	good = reply;
	json_object_put(reply);
	reply = good ? ask(qmp, "query-uuid", NULL) : NULL;
	text = string(reply, "UUID");
	good = text && uuid_valid(text);
	if (good)
		snprintf(qmp->domain, sizeof(qmp->domain), "%s", text);
	json_object_put(reply);
	reply = good ? ask(qmp, "query-name", NULL) : NULL;
	text = string(reply, "name");
	snprintf(qmp->name, sizeof(qmp->name), "%s", text ? text : "qemu");
	json_object_put(reply);
	return good;
}

static int open_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -errno;
}

static void say_no(struct qmp *qmp, const char *reason)
{
	if (!qmp->said)
		log_info("QEMU: no connection to %s (%s); waiting for it", qmp->path, reason);
	qmp->said = true;
}

static void connect_now(struct qmp *qmp)
{
	int fd;

	mailbox_calls(&qmp->mailbox, "connect");
	qmp->try_ms = now_ms() + RECONNECT_MS;
	fd = open_socket(qmp->path);
	if (fd < 0) {
		say_no(qmp, strerror(-fd));
		return;
	}
	pthread_mutex_lock(&qmp->mailbox.lock);
	qmp->fd = fd;
	qmp->request = 0;
	qmp->closed = false;
	pthread_mutex_unlock(&qmp->mailbox.lock);
	qmp->reader_fd = dup(fd);
	if (mailbox_thread(&qmp->mailbox, run_reader, qmp)) {
		close(qmp->reader_fd);
		qmp->closed = true;
		disconnect(qmp);
		say_no(qmp, "there is no memory");
		return;
	}
	if (!greet(qmp)) {
		disconnect(qmp);
		say_no(qmp, "it does not answer; does it serve another client?");
		return;
	}
	qmp->said = false;
	log_info("QEMU: connected to %s", qmp->path);
	mailbox_answer_simple(&qmp->mailbox, ANSWER_LIST_BEGIN, NULL);
	view(qmp);
	mailbox_answer_simple(&qmp->mailbox, ANSWER_LIST_END, NULL);
}

/* The words of an error in a reply, or NULL. */
static const char *error_of(struct json_object *reply)
{
	const char *words = string(field(reply, "error"), "desc");

	if (!reply)
		return "QEMU does not answer";
	return field(reply, "error") ? (words ? words : "no reason given") : NULL;
}

static void do_attach(struct qmp *qmp, const struct job *job)
{
	struct json_object *arguments = machine_attach(job->xml), *reply;

	if (!arguments) {
		mailbox_answer_job(&qmp->mailbox, job, "it is not known how it was attached");
		return;
	}
	reply = call(qmp, "device_add", arguments);
	mailbox_answer_job(&qmp->mailbox, job, error_of(reply));
	json_object_put(reply);
	view(qmp);
}

/* By the name that it was attached with. */
static void do_detach(struct qmp *qmp, const struct job *job)
{
	struct json_object *attached = machine_attach(job->xml);
	struct json_object *id = field(attached, "id"), *arguments, *reply;

	if (!id) {
		mailbox_answer_job(&qmp->mailbox, job, "it has no id");
		json_object_put(attached);
		return;
	}
	arguments = json_object_new_object();
	json_object_object_add(arguments, "id", json_object_get(id));
	reply = call(qmp, "device_del", arguments);
	mailbox_answer_job(&qmp->mailbox, job, error_of(reply));
	json_object_put(reply);
	json_object_put(attached);
}

/* Its alias is machine_describe()'s: a user's in the words of libvirt. */
static void do_used(struct qmp *qmp, const struct job *job)
{
	struct json_object *buses = ask(qmp, "query-pci", NULL);

	mailbox_answer_used(&qmp->mailbox, job, buses,
			    job->alias + (strncmp(job->alias, "ua-", 3) ? 0 : 3),
			    "QEMU does not say");
	json_object_put(buses);
}

static void do_tell(struct qmp *qmp, const struct job *job)
{
	struct json_object *arguments = json_object_new_object(), *reply;
	char text[128] = "";
	const char *error, *result;

	if (!mailbox_tell_command(job, text, sizeof(text))) {
		json_object_put(arguments);
		mailbox_answer_job(&qmp->mailbox, job, "its port has no name that QEMU takes");
		return;
	}
	json_object_object_add(arguments, "command-line", json_object_new_string(text));
	reply = call(qmp, "human-monitor-command", arguments);
	error = error_of(reply);
	result = string(reply, "return");
	if (!error && (!result || !strstr(result, "OK id: ")))
		error = result ? result : "no reason given";
	mailbox_answer_job(&qmp->mailbox, job, error);
	json_object_put(reply);
}

static void work(struct qmp *qmp, const struct job *job)
{
	if (qmp->fd < 0) {
		if (job->type != JOB_LOOK)
			mailbox_answer_job(&qmp->mailbox, job, "there is no connection to QEMU");
		return;
	}
	switch (job->type) {
	case JOB_LOOK:
		mailbox_calls(&qmp->mailbox, "look at the machine");
		view(qmp);
		break;
	case JOB_ATTACH:
		mailbox_calls(&qmp->mailbox, "attach a device");
		do_attach(qmp, job);
		break;
	case JOB_DETACH:
		mailbox_calls(&qmp->mailbox, "detach a device");
		do_detach(qmp, job);
		break;
	case JOB_USED:
		mailbox_calls(&qmp->mailbox, "look whether the guest uses a device");
		do_used(qmp, job);
		break;
	case JOB_TELL:
		mailbox_calls(&qmp->mailbox, "tell the guest");
		do_tell(qmp, job);
		break;
	}
}

static void *run_worker(void *arg)
{
	struct qmp *qmp = arg;
	bool wanted, lost;
	struct job *job;

	do {
		job = mailbox_next(&qmp->mailbox, qmp->fd >= 0, qmp->try_ms, &wanted, &lost);
		if (lost && qmp->fd >= 0)
			log_info("QEMU: %s closed the connection", qmp->path);
		if (lost || !wanted)
			disconnect(qmp);
		if (wanted && qmp->fd < 0 && qmp->try_ms <= now_ms())
			connect_now(qmp);
		if (qmp->fd >= 0 && qmp->try_ms <= now_ms()) {
			mailbox_calls(&qmp->mailbox, "look at the machine");
			view(qmp);
		}
		if (job) {
			work(qmp, job);
			job_free(job);
		}
	} while (!mailbox_stopping(&qmp->mailbox));
	disconnect(qmp);
	mailbox_thread_ends(&qmp->mailbox);
	return NULL;
}

int qmp_start(struct qmp *qmp, const char *path)
{
	int ret;

	memset(qmp, 0, sizeof(*qmp));
	qmp->path = path;
	qmp->fd = -1;
	ret = mailbox_init(&qmp->mailbox);
	return ret ? ret : mailbox_thread(&qmp->mailbox, run_worker, qmp);
}

bool qmp_stop(struct qmp *qmp)
{
	if (!mailbox_stop(&qmp->mailbox))
		return false;
	json_object_put(qmp->reply);
	return true;
}
