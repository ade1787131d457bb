/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that do not answer for a while after each reset
 * (module/mdev_recovery_slow.c). Return 0 or -errno.
 */
#ifndef MDR_SLOW_H
#define MDR_SLOW_H

/*
 * kind: "ones", or "rrs"; "now": also from now on; "late": from the moment at which the PCI
 * core waits for it, after slow_give_up(); "down": a port, which answers, but the link below
 * it is down from now on
 */
int slow_function(const char *addr, const char *kind, unsigned int ms);
/* How many accesses to config space got no answer so far. */
long slow_accesses(void);
/*
 * Config space of a function is blocked, as in a reset by the PCI core: a user that
 * reads it waits inside the gate (in pci_wait_cfg()) until it is no longer.
 */
int slow_block(const char *addr);
int slow_unblock(void);
/* The PCI core waits for so long after a reset, in place of 60 s. */
int slow_give_up(unsigned int ms);
/* All are as ever; at the end of every scenario. */
int slow_end(void);

#endif
