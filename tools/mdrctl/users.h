/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * users: the processes that lose a function when its driver is unbound.
 */
#ifndef MDRCTL_USERS_H
#define MDRCTL_USERS_H

#include "mdrctl.h"

#define USERS_SIZE 256

/*
 * The processes that have the function or its IOMMU group open through VFIO, as
 * "NAME (PID), NAME (PID)"; false if there is none. Only root sees those of other users.
 */
bool users_find(const struct mdr *mdr, const struct mdr_function *function,
		char users[USERS_SIZE]);

/* Does this process have it open so? */
bool users_is(const struct mdr *mdr, const struct mdr_function *function, const char *pid);

/* Says which of the function's network interfaces are up. */
void users_warn(const struct mdr *mdr, const struct mdr_function *function);

#endif
