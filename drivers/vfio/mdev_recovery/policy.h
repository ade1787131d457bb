/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types of an mdev. Pure functions: no locks, no I/O, no allocation.
 */
#ifndef MDR_POLICY_H
#define MDR_POLICY_H

#include "machine.h"

/*
 * enum mdr_policy is part of the user API. MDR_POLICY_NONE: no mdev, or no user.
 */
#define MDR_POLICY_COUNT (MDR_POLICY_EVICT + 1)

const char *mdr_policy_name(enum mdr_policy policy);
enum mdr_policy mdr_policy_stricter(enum mdr_policy a, enum mdr_policy b);
enum mdr_event mdr_policy_resume_event(enum mdr_policy policy);

#endif
