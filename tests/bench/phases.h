/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The phases of one recovery, from a trace of the kernel's and of our functions.
 */
#ifndef MDR_PHASES_H
#define MDR_PHASES_H

enum phase { ERROR_DETECTED, MMIO_ENABLED, SLOT_RESET, RESUME, NR_PHASES };

/* In microseconds: that is what a trace tells. Times of day of the trace clock. */
struct phases {
	double interrupt;		/* the error reached the root port's driver */
	double kernel_start, kernel;	/* pcie_do_recovery(): from, and how long */
	double first[NR_PHASES];	/* the first function's callback began */
	double last[NR_PHASES];		/* the last function's callback ended */
	double took[NR_PHASES];		/* all of them together */
	double drain;
	double open;			/* the last gate opened */
	unsigned int opened;		/* how many did */
};

void phases_start(void);
/* Call once the recovery has ended. */
struct phases phases_read(void);

/* A line of kprobe_events; trace_end() takes group mdr_calls away. 0 or -errno. */
int phases_probe(const char *line);

/* What all callbacks took together. */
double phases_callbacks(const struct phases *ph);

#endif
