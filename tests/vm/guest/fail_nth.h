/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations that fail on purpose: the nth of a task, inside the kernel (failslab and
 * fail_page_alloc of the debug kernel). Those of per-CPU memory never fail.
 */
#ifndef MDR_FAIL_NTH_H
#define MDR_FAIL_NTH_H

#include <stdbool.h>

/* Code of the kernel that does not survive a failure; it allocates as usual. */
enum fail_nth_not {
	/* the ACPI interpreter then uses memory that it has freed */
	FAIL_NTH_NOT_ACPI,
	/* an entry that is missing in /proc/irq gives a warning when its interrupt is freed */
	FAIL_NTH_NOT_PROC,
};

/* Call once in a scenario, in the thread that uses the others. 0 or -errno. */
int fail_nth_init(enum fail_nth_not not);

/* The nth allocation of this thread from now on fails; 1 is the next one. */
void fail_nth_arm(unsigned int n);
/* From now on none does. Has one failed? */
bool fail_nth_disarm(void);

/*
 * The same for each of the kernel's threads whose name matches a shell pattern. Returns
 * how many there are.
 */
unsigned int fail_nth_arm_threads(const char *pattern, unsigned int n);
bool fail_nth_disarm_threads(void);

#endif
