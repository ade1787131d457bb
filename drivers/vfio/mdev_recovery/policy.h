/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a group does once the host has recovered it, and other decisions that
 * are pure functions of their arguments. No locks, no I/O, no allocation.
 */
#ifndef MDR_POLICY_H
#define MDR_POLICY_H

#include "machine.h"

/**
 * enum mdr_policy - recovery semantics of an mdev, chosen by its type
 * @MDR_POLICY_NONE: no mdev, or nobody has it open
 * @MDR_POLICY_RESUME: the gate opens by itself
 * @MDR_POLICY_HOLD: the gate stays closed until the user resets the device
 * @MDR_POLICY_EVICT: the user is asked to give the device back
 * @MDR_POLICY_COUNT: number of values
 *
 * In the order of strictness: a group with several mdevs follows the strictest.
 */
enum mdr_policy {
	MDR_POLICY_NONE = 0,
	MDR_POLICY_RESUME,
	MDR_POLICY_HOLD,
	MDR_POLICY_EVICT,
	MDR_POLICY_COUNT,
};

const char *mdr_policy_name(enum mdr_policy policy);
enum mdr_policy mdr_policy_stricter(enum mdr_policy a, enum mdr_policy b);
enum mdr_event mdr_policy_resume_event(enum mdr_policy policy);

#endif
