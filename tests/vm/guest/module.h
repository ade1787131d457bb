/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel modules. Return 0 or -errno. */
#ifndef MDR_MODULE_H
#define MDR_MODULE_H

#include <stdbool.h>

/* Does the machine's file system have the module? */
bool module_exists(const char *name);
bool module_loaded(const char *name);
/* Loads the module and its dependencies. */
int module_load(const char *name);
/* Unloads it, or returns -EWOULDBLOCK at once if it is in use. */
int module_unload(const char *name);

#endif
