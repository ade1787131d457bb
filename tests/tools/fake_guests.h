/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A backend of the test, one domain with at most two mdevs, and an agent that has it;
 * MDEV_A is in group16, MDEV_B in group2.
 */
#ifndef TESTS_TOOLS_FAKE_GUESTS_H
#define TESTS_TOOLS_FAKE_GUESTS_H

#include "agent.h"
#include "fake_root.h"

struct fake_libvirt {
	struct backend backend;
	bool up, wanted;
	bool refuses;		/* to attach and to detach */
	bool silent;		/* leaves jobs without an answer */
	const char *refuses_to_tell, *refuses_to_say;
	bool used;		/* by the guest, when it is asked */
	int id;			/* 0: not running */
	const char *halted;	/* of route.h */
	const char *mdev, *second;
	int bus, second_bus;
	int attaches, detaches, asks, tells, looks;
	unsigned long long told;
	char port[PORT_SIZE];
	char attached[1024];	/* the XML of the last attach */
	bool answer_attach, answer_detach, answer_used, answer_tell;
};

extern struct fake_libvirt libvirt;
extern struct agent agent;
extern int64_t now;
extern const char *policy16;		/* of group16, from its next state on */
extern unsigned long long event16;	/* and its event */

/* A group of type evict, or hold, and the device in the domain, at rest. */
int guests_setup(void **state);
int guests_setup_hold(void **state);
int guests_teardown(void **state);

/* Starts the agent anew, and stops it before. */
void start(void);
void restart(void);

/* What libvirt says by itself when something changes, and what it answers. */
void news(void);
void answer(void);

/* Like the main loop: news, and then steps until nothing is due. */
int step(void);

/* group16 enters a state; when it leaves open there is a new event. */
void set_group16(const char *state);
void uevent16(const char *state);
void change(const char *state);		/* with a uevent and a step */
void change_unseen(const char *state);	/* with a step */
void change2(const char *policy, const char *state, unsigned long long event);

/* Whether a record in the file is in that phase. */
bool kept(const char *phase);
/* The domain has the device, and there is nothing to follow. */
bool at_rest(void);
bool forgotten(void);

#endif
