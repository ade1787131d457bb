/* SPDX-License-Identifier: GPL-2.0-only */
/* An error of any kind, and the recovery it brings about. */
#ifndef MDR_STRIKE_H
#define MDR_STRIKE_H

#include "shim.h"

/*
 * Injects status ("DLP", "POISON_TLP" ...) at a device or port, waits until the
 * group has an event id for it and has then come to a state. 0 or -errno;
 * -ETIMEDOUT if either takes too long.
 */
int strike(const struct shim *s, const char *device_id, const char *status,
	   const char *state);

/*
 * A fatal error, in whose recovery the host then stays for ms in slot_reset: that
 * of a function below the port which is bound to the tests' own driver. Returns
 * with the group recovering.
 */
int strike_slow(const struct shim *s, const char *device_id, const char *ms);

#endif
