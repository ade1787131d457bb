/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The result channel: lines go out through an I/O port straight to a file of
 * the host, so they arrive whatever state the guest's kernel is in.
 */
#ifndef MDR_TAP_H
#define MDR_TAP_H

/* Both before the first fork: children inherit port and lock. */
int tap_open(void);

/* One line, whole, from any process or thread. The newline is added. */
__attribute__((format(printf, 1, 2)))
void tap_line(const char *fmt, ...);

#endif
