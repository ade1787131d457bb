/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The phases of one recovery, from a trace of the kernel's and of our functions.
 */
#ifndef MDR_PHASES_H
#define MDR_PHASES_H

enum phase { ERROR_DETECTED, MMIO_ENABLED, SLOT_RESET, RESUME, NR_PHASES };

/* In microseconds, the resolution of a trace. Times are those of the trace clock. */
struct phases {
	double interrupt;		/* the error reached the root port's driver */
	double kernel_start, kernel;	/* pcie_do_recovery(): start and duration */
	double first[NR_PHASES];	/* the first function's callback began */
	double last[NR_PHASES];		/* the last function's callback ended */
	double took[NR_PHASES];		/* total of all callbacks */
	double drain;
	double open;			/* the last gate opened */
	unsigned int opened;		/* the number of gates that opened */
};

/* A fatal error at a port, traced; the kernel recovers within ms. */
void phases_strike(const char *port, unsigned int ms);
/* Call once all has ended. */
struct phases phases_read(void);

/* The total time of all callbacks. */
double phases_callbacks(const struct phases *ph);

#endif
