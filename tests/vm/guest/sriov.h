/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtual functions of an igb whose physical function stays with its driver in
 * the host. Return 0 or -errno.
 */
#ifndef MDR_SRIOV_H
#define MDR_SRIOV_H

#include <stdbool.h>

/*
 * The first function below a port goes to its host driver and gets VFs; these
 * are the functions from 1 on below that port, all without a driver.
 */
int sriov_start(const char *port, unsigned int vfs);
/* Whether the first function below a port is there and so driven. */
bool sriov_is_on(const char *port);

/* Writes sriov_numvfs of a physical function; 0 takes all VFs away. */
int sriov_set(const char *addr, unsigned int vfs);
int sriov_number(const char *addr);

/* Takes the PF's interface down and up: its driver sets all of it up anew. */
int sriov_restart(const char *addr);

/* Unloads the driver, with all VFs. */
int sriov_end(void);

#endif
