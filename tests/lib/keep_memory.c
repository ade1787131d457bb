// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loaded into the emulator (LD_PRELOAD): what it frees stays with it.
 *
 * QEMU gives free memory back to the kernel each time its RCU thread has nothing more to
 * do (util/rcu.c), and so after each change of the memory map. A write to COMMAND or to a
 * BAR is one, with a map for each function. Half of the time of a machine went into that,
 * and into the page faults after it.
 */
#include <stddef.h>

int malloc_trim(size_t pad);

int malloc_trim(size_t pad)
{
	(void)pad;
	return 0;
}
