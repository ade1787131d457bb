/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine as it was at boot: no mdev, no driver bound, every function
 * there and its BARs as they were.
 */
#ifndef MDR_CLEAN_H
#define MDR_CLEAN_H

#include <stdbool.h>
#include <stddef.h>

/* Remembers what is below each port. Once, before the first scenario. */
int clean_init(void);

/*
 * Brings that back; why says what could not be. With vfs a PF may keep its driver
 * and its VFs (sriov.h). 0 or -errno.
 */
int clean_machine(bool vfs, char *why, size_t size);

#endif
