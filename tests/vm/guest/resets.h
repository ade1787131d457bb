/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel does in resets (module/mdev_recovery_bus.c). Return 0 or -errno. */
#ifndef MDR_RESETS_H
#define MDR_RESETS_H

int resets_load(void);

/* One of the module's numbers, or -errno. */
long resets_seen(const char *which);

/* The function that "awake", "flr_awake" and "channel" are of. */
int resets_watch(const char *addr);
/* Its driver is told that it is lost for good, outside of any recovery. */
int resets_give_up(const char *addr);
/* To the kernel it is gone from now on, though its driver is still bound. */
int resets_vanish(const char *addr);

#endif
