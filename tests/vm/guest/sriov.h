/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtual functions of an igb whose physical function stays with its driver in
 * the host. Return 0 or -errno.
 */
#ifndef MDR_SRIOV_H
#define MDR_SRIOV_H

#include <stdbool.h>

/*
 * Binds the first function below a port to its host driver and creates VFs. They are
 * the functions from 1 on below that port, and have no driver.
 */
int sriov_start(const char *port, unsigned int vfs);
/* Is the first function below a port present, and bound to its host driver? */
bool sriov_is_on(const char *port);

/* Writes sriov_numvfs of a physical function; 0 removes all VFs. */
int sriov_set(const char *addr, unsigned int vfs);
int sriov_number(const char *addr);

/* Takes the PF's interface down and up, so that its driver sets up the PF again. */
int sriov_restart(const char *addr);

/* Unloads the driver, with all VFs. */
int sriov_end(void);

#endif
