/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recovery policies. Pure functions: no locks, no I/O, no allocation.
 */
#ifndef MDR_POLICY_H
#define MDR_POLICY_H

#include "machine.h"

/*
 * What follows the host's recovery; set by the mdev's type. Ordered by
 * strictness: a group with several mdevs follows the strictest.
 */
enum mdr_policy {
	MDR_POLICY_NONE = 0,	/* no mdev, or no user */
	MDR_POLICY_RESUME,	/* the gate opens by itself */
	MDR_POLICY_HOLD,	/* the gate opens once the user has reset */
	MDR_POLICY_EVICT,	/* the user is asked to release the device */
	MDR_POLICY_COUNT,
};

const char *mdr_policy_name(enum mdr_policy policy);
enum mdr_policy mdr_policy_stricter(enum mdr_policy a, enum mdr_policy b);
enum mdr_event mdr_policy_resume_event(enum mdr_policy policy);

#endif
