/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Restores the machine to its state at boot: no mdev, no driver bound, every
 * function present, and its BARs unchanged.
 */
#ifndef MDR_CLEAN_H
#define MDR_CLEAN_H

#include <stdbool.h>
#include <stddef.h>

/* Records what is below each port. Called once, before the first scenario. */
int clean_init(void);

/*
 * Restores that state; why says what could not be restored. With vfs a PF may keep
 * its driver and its VFs (sriov.h). 0 or -errno.
 */
int clean_machine(bool vfs, char *why, size_t size);

#endif
