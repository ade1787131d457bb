// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decisions about policy, as pure functions.
 */
#include "policy.h"

static const char * const mdr_policy_names[MDR_POLICY_COUNT] = {
	[MDR_POLICY_NONE]	= "none",
	[MDR_POLICY_RESUME]	= "resume",
	[MDR_POLICY_HOLD]	= "hold",
	[MDR_POLICY_EVICT]	= "evict",
};

/**
 * mdr_policy_name - name of a policy as shown in sysfs
 * @policy: the policy
 *
 * Context: any.
 * Return: a constant string; "none" for a value that is no policy.
 */
const char *mdr_policy_name(enum mdr_policy policy)
{
	if (policy >= MDR_POLICY_COUNT)
		policy = MDR_POLICY_NONE;
	return mdr_policy_names[policy];
}

/**
 * mdr_policy_stricter - the policy that two mdevs of one group lead to
 * @a: policy of one
 * @b: policy of the other
 *
 * Context: any.
 * Return: the stricter of the two.
 */
enum mdr_policy mdr_policy_stricter(enum mdr_policy a, enum mdr_policy b)
{
	return a > b ? a : b;
}

/**
 * mdr_policy_resume_event - what the end of the host's recovery means
 * @policy: the strictest policy among the devices of the group that are open,
 *	MDR_POLICY_NONE if none is
 *
 * Context: any.
 * Return: the event for the group's state machine.
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
