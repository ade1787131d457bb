/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor of the QEMU that runs this guest, over a serial port: error
 * injection and hotplug. Return 0 or -errno.
 */
#ifndef MDR_MONITOR_H
#define MDR_MONITOR_H

/* Called once, before the first fork. */
int monitor_init(void);

/* Runs a command of the human monitor. The answer is its error message, or "". */
__attribute__((format(printf, 1, 2)))
int monitor(const char *fmt, ...);

/* status: "DLP" (fatal), "POISON_TLP" (non-fatal), "RCVR" (correctable) ... */
int aer_inject(const char *device_id, const char *status);

/* arguments as after QEMU's -device; below rp_empty with id=plugged */
int device_add(const char *arguments);
int device_del(const char *device_id);

#endif
