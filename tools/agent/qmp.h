/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * qmp: one QEMU without libvirt, through the socket of its monitor (-qmp
 * unix:SOCKET,server=on,wait=off). It is described as libvirt would describe a domain, so
 * that all else is the same. The run of the domain is QEMU's process.
 *
 * QEMU serves one client of a socket at a time: the socket is the agent's.
 */
#ifndef MDR_AGENT_QMP_H
#define MDR_AGENT_QMP_H

#include "mailbox.h"

struct json_object;

struct qmp {
	struct mailbox mailbox;
	const char *path;

	/* of the mailbox's lock: between the reader and the worker */
	int fd;				/* -1 without a connection */
	int reader_fd;			/* the same for the reader */
	int request;			/* the id of the latest one */
	struct json_object *reply;	/* to it, or NULL */
	bool closed;			/* by QEMU */

	/* of the worker */
	char domain[UUID_SIZE];
	char name[64];
	int pid;
	bool said;
	int64_t try_ms;			/* to connect, or to look again */
};

/* Starts the threads. Return: 0 or -errno. */
int qmp_start(struct qmp *qmp, const char *path);

/* As mailbox_stop(). */
bool qmp_stop(struct qmp *qmp);

#endif
