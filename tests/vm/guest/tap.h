/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The result channel: lines go through an I/O port straight to a file on the host, so
 * they arrive whatever the state of the guest's kernel.
 */
#ifndef MDR_TAP_H
#define MDR_TAP_H

/* Called before the first fork: children inherit the port and the lock. */
int tap_open(void);

/* Writes one whole line, from any process or thread. Adds the newline. */
__attribute__((format(printf, 1, 2)))
void tap_line(const char *fmt, ...);

#endif
