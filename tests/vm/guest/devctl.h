/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parts of a function's Device Control that QEMU's devices do not have
 * (module/mdev_recovery_devctl.c): "payload" and "read_request". Return 0 or -errno.
 */
#ifndef MDR_DEVCTL_H
#define MDR_DEVCTL_H

int devctl_load(void);
/* From now on the function has this part; devctl_end() takes it away. */
int devctl_set(const char *part, const char *addr, unsigned int value);
int devctl_end(const char *part);
/* What the part is, or -errno. */
long devctl_get(const char *part);

#endif
