/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Errors of functions for which QEMU cannot inject any: the kernel's aer_inject
 * makes the port report an error, and the function's registers show it.
 */
#ifndef MDR_AER_FAULT_H
#define MDR_AER_FAULT_H

#include <stdint.h>

/* Bits of the Uncorrectable Error Status register. */
#define AER_FAULT_DLP 0x10		/* fatal by default */
#define AER_FAULT_POISON_TLP 0x1000	/* non-fatal by default */

/*
 * An error by the bits of both status registers; 0 for one that shows nothing. Both
 * functions return 0 or -errno. Between them the port hides real errors, and the scenario
 * must not read config space through sysfs: aer_inject takes a lock there that may
 * sleep below one that must not, which the debug kernel reports.
 */
int aer_fault(const char *addr, uint32_t uncorrectable, uint32_t correctable);
int aer_fault_end(void);

#endif
