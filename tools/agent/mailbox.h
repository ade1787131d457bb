/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mailbox: lies between the main thread and the one that calls libvirt or QEMU, which
 * may not answer. The main thread leaves jobs and never waits; the worker leaves
 * answers. It is the backend of the agent.
 */
#ifndef MDR_AGENT_MAILBOX_H
#define MDR_AGENT_MAILBOX_H

#include <pthread.h>

#include "agent.h"

enum job_type {
	JOB_LOOK,
	JOB_ATTACH,
	JOB_DETACH,
	JOB_USED,
	JOB_TELL,
};

struct job {
	struct job *next;
	enum job_type type;
	int id;				/* the run of the domain */
	char domain[UUID_SIZE];
	char mdev[UUID_SIZE];
	char port[PORT_SIZE];
	char alias[PORT_SIZE];
	char *xml;			/* of the mdev's hostdev, to attach or detach; else NULL */
};

/* See the functions of the same names in agent.h. */
enum answer_type {
	ANSWER_LIST_BEGIN,
	ANSWER_LIST_END,
	ANSWER_DOMAIN,
	ANSWER_KEPT,
	ANSWER_GONE,
	ANSWER_UNKNOWN,
	ANSWER_ATTACHED,
	ANSWER_DETACHED,
	ANSWER_USED,
	ANSWER_TOLD,
};

struct answer {
	struct answer *next;
	enum answer_type type;
	int id;
	const char *halted;
	bool used;
	char domain[UUID_SIZE];
	char mdev[UUID_SIZE];
	char port[PORT_SIZE];
	char *name, *xml, *error;	/* NULL if there is none */
};

struct mailbox {
	struct backend backend;		/* of the main thread; the first member */
	int fd;				/* readable when there are answers */

	pthread_mutex_t lock;		/* of what follows */
	pthread_cond_t changed;
	bool wanted;			/* there is something to know of the domains */
	bool lost;			/* the other end has closed the connection */
	bool stop;
	int running;			/* threads */
	struct job *jobs;
	struct job *aside;		/* under way still; their domains' other jobs wait */
	struct answer *answers;
	const char *call;		/* what the worker is doing, NULL if nothing */
	int64_t call_since_ms;
};

int64_t now_ms(void);			/* monotonic */

/* Return: 0 or -errno. */
int mailbox_init(struct mailbox *mailbox);

/*
 * The main thread
 */

/* Hands over to the agent what has come. */
void mailbox_dispatch(struct mailbox *mailbox, struct agent *agent, int64_t now);

/* How long the worker has had no answer, in ms, and what it is doing; 0 if it rests. */
int64_t mailbox_stuck_ms(struct mailbox *mailbox, int64_t now, const char **call);

/*
 * Ends the threads and frees all. Return: false if a thread is stuck: then the process
 * can only end, by _exit().
 */
bool mailbox_stop(struct mailbox *mailbox);

/*
 * The worker, and the threads that give it work
 */

/* Starts a thread; it ends with mailbox_thread_ends(). Return: 0 or -errno. */
int mailbox_thread(struct mailbox *mailbox, void *(*run)(void *arg), void *arg);
void mailbox_thread_ends(struct mailbox *mailbox);
bool mailbox_stopping(struct mailbox *mailbox);

void mailbox_look(struct mailbox *mailbox, const char *domain);
void mailbox_lost(struct mailbox *mailbox);

/*
 * Sleeps until there is something to do, and if a connection is wanted, at most until
 * try_ms; with a connection 0 is for ever. Return: a job for job_free(), or NULL.
 */
struct job *mailbox_next(struct mailbox *mailbox, bool connected, int64_t try_ms, bool *wanted,
			 bool *lost);
void job_free(struct job *job);

/* What the worker is doing. */
void mailbox_calls(struct mailbox *mailbox, const char *call);

/*
 * Runs a job in a thread of its own, and frees it. If it takes long, that returns
 * before the end of it, so that a guest that hangs holds up no other one.
 */
typedef void (*mailbox_run)(struct mailbox *mailbox, const struct job *job, void *arg);
void mailbox_call(struct mailbox *mailbox, struct job *job, mailbox_run run, void *arg);

/* Both end the program if there is no memory: nothing may be lost on the way. */
struct answer *answer_new(enum answer_type type, const char *domain);
char *copy(const char *text);

void mailbox_answer(struct mailbox *mailbox, struct answer *answer);
void mailbox_answer_simple(struct mailbox *mailbox, enum answer_type type, const char *domain);
void mailbox_answer_job(struct mailbox *mailbox, const struct job *job, const char *error);

/* By what query-pci returned, and QEMU's name of the device; buses: NULL with an error. */
struct json_object;
void mailbox_answer_used(struct mailbox *mailbox, const struct job *job,
			 struct json_object *buses, const char *id, const char *error);

/* What tells the guest at a port, or NULL if QEMU would not take the port for a name. */
const char *mailbox_tell_command(const struct job *job, char *command, int size);

#endif
