/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Something happens at a moment that a scenario could not hit
 * (module/mdev_recovery_moment.c). Return 0 or -errno.
 */
#ifndef MDR_MOMENT_H
#define MDR_MOMENT_H

int moment_load(void);
int moment_set(const char *parameter, const char *value);
/* A number in a parameter, or -errno. */
long moment_count(const char *parameter);

#endif
