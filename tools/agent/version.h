/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * version: whether the module that is loaded is of this program's version. After
 * an upgrade it is the old one until it is loaded again.
 */
#ifndef MDR_AGENT_VERSION_H
#define MDR_AGENT_VERSION_H

#include <stdbool.h>

#define VERSION_SIZE	64

/*
 * Whether the module below this root of sysfs has another version than ours; it
 * goes to found, "unknown" for a module without one. No module is no other.
 */
bool version_differs(const char *sysfs, char found[VERSION_SIZE]);

#endif
