// SPDX-License-Identifier: GPL-2.0-only
/*
 * The types of an mdev, enum mdr_policy: their names, and what follows a recovery.
 */
#include "policy.h"

static const char * const mdr_policy_names[MDR_POLICY_COUNT] = {
	[MDR_POLICY_NONE]	= "none",
	[MDR_POLICY_RESUME]	= "resume",
	[MDR_POLICY_HOLD]	= "hold",
	[MDR_POLICY_EVICT]	= "evict",
};

/* As shown in sysfs; "none" for an invalid value. */
const char *mdr_policy_name(enum mdr_policy policy)
{
	if (policy >= MDR_POLICY_COUNT)
		policy = MDR_POLICY_NONE;
	return mdr_policy_names[policy];
}

enum mdr_policy mdr_policy_stricter(enum mdr_policy a, enum mdr_policy b)
{
	return a > b ? a : b;
}

/*
 * The event at the end of the host's recovery, for the strictest type among the open
 * devices of the group; MDR_POLICY_NONE if none is open.
 */
enum mdr_event mdr_policy_resume_event(enum mdr_policy policy)
{
	switch (policy) {
	case MDR_POLICY_HOLD:
		return MDR_EVENT_RESUME_HOLD;
	case MDR_POLICY_EVICT:
		return MDR_EVENT_RESUME_EVICT;
	default:
		return MDR_EVENT_RESUME_OPEN;
	}
}
