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
 * Does the module below this root of sysfs have another version than ours? Stores it in
 * found ("unknown" if the module has none). False if no module is loaded.
 */
bool version_differs(const char *sysfs, char found[VERSION_SIZE]);

#endif
