/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call in which the first allocation fails, then the second, and so on until it has no
 * more (fail_nth.h). It gives ENOMEM or succeeds, leaves nothing behind, and works the next
 * time.
 */
#ifndef MDR_SWEEP_H
#define MDR_SWEEP_H

#include <stdbool.h>

/**
 * struct step - a call that may run out of memory
 * @name: for a failure
 * @before: prepares a call, with all memory there is; may be NULL
 * @call: 0 or -errno
 * @after: undoes a call that has succeeded; may be NULL
 * @sure: it cannot fail
 */
struct step {
	const char *name;
	int (*before)(void);
	int (*call)(void);
	int (*after)(void);
	bool sure;
};

/* Each call in turn, with its name and the number of its allocations as a measurement. */
#define SWEEP(steps) sweep(steps, sizeof(steps) / sizeof((steps)[0]))

void sweep(const struct step *steps, unsigned int count);

#endif
