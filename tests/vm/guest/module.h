/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel modules. Return 0 or -errno. */
#ifndef MDR_MODULE_H
#define MDR_MODULE_H

#include <stdbool.h>

/* Whether the machine's file system has it. */
bool module_exists(const char *name);
bool module_loaded(const char *name);
/* With what it depends on. */
int module_load(const char *name);
/* Never waits: -EWOULDBLOCK if it is in use. */
int module_unload(const char *name);

#endif
