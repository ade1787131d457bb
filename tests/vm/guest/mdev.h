/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mediated devices: through mdevctl, as an administrator uses it, or through sysfs
 * where the errno matters. Return 0 or -errno.
 */
#ifndef MDR_MDEV_H
#define MDR_MDEV_H

#include <sys/types.h>

#define MDEV_DIR "/sys/bus/mdev/devices"

/* Runs mdevctl with these arguments; -EIO and a note if it fails. */
__attribute__((format(printf, 1, 2)))
int mdevctl(const char *fmt, ...);

/* For calls that may be refused: 0, or the exit code; what mdevctl says is in out. */
__attribute__((format(printf, 3, 4)))
int mdevctl_try(char *out, unsigned int size, const char *fmt, ...);

/*
 * Starts the system's udevd, with mdevctl's rule, which starts an mdev when its parent is
 * registered, and mdrctl's. Return: its process, to be killed, or -errno.
 */
pid_t mdev_start_udevd(void);

int mdev_create(const char *parent, const char *type, const char *uuid);
int mdev_remove(const char *uuid);
int mdev_remove_all(void);

#endif
