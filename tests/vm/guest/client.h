/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A function of ours with a user that reads a register all the time, wants to know
 * of ERR, and finds out afterwards whether it has its device back. Any failure ends
 * the scenario or is noted, as with CHECK and REQUIRE.
 */
#ifndef MDR_CLIENT_H
#define MDR_CLIENT_H

#include "access_log.h"
#include "shim.h"

struct client {
	/* set by the caller: the first function right below this port */
	const char *port;
	/* or the nth */
	unsigned int n;
	/* below the tests' own parent driver */
	bool test;
	/* whose space it shares: those of one IOMMU group have one */
	struct client *with;

	struct shim s;
	struct vfio_user u;
	struct access_log log;
	int err;
	/* its registers before */
	uint16_t command;
};

/* Binds, makes an mdev of type resume, opens it and reads from now on. */
void client_start(struct client *c);

/* Ends reading; the user must never have seen anything but the right value. */
void client_stop(struct client *c);
/* Ends reading; all-ones were allowed. */
void client_stop_lost(struct client *c);

/* An error at a port (monitor.h); returns when the host has told this one of it. */
void client_strike(struct client *c, const char *port, const char *status);

/* Open within ms, and all of the device is there; ERR did not fire. */
void client_check_whole(struct client *c, unsigned int ms);
/* Failed within ms, and ERR fired once. */
void client_check_lost(struct client *c, unsigned int ms);

/* The longest access so far, while it reads. */
uint64_t client_stall_ms(const struct client *c);

/* The function below a port is bound to mdr-pci, without an mdev. */
void client_park(const char *port, struct shim *s);

#endif
