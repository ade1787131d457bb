/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that do not answer for a while after each reset
 * (module/mdev_recovery_slow.c). Return 0 or -errno.
 */
#ifndef MDR_SLOW_H
#define MDR_SLOW_H

/* kind: "ones", or "rrs" */
int slow_function(const char *addr, const char *kind, unsigned int ms);
/* How many accesses to config space got no answer so far. */
long slow_accesses(void);
/* All are as ever; at the end of every scenario. */
int slow_end(void);

#endif
