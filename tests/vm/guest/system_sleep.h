/* SPDX-License-Identifier: GPL-2.0-only */
/* Puts this machine to sleep, and wakes it. */
#ifndef MDR_SYSTEM_SLEEP_H
#define MDR_SYSTEM_SLEEP_H

/*
 * Returns when the machine is awake: 0, or what the kernel says if it did not sleep.
 * state: as in /sys/power/state. depth: "none" sleeps really, and then the host or the clock
 * wakes the machine; or as in /sys/power/pm_test how far the kernel goes, for 2 s, and for 5 s
 * in a hibernation.
 */
int system_sleep(const char *state, const char *depth);

#endif
