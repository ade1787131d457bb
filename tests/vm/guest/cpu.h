/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDR_CPU_H
#define MDR_CPU_H

/*
 * Whether each CPU gets its timer interrupt: 0, or -EIO if one does not. Some
 * QEMUs lose, under load, the first that an emulated CPU is sent and with it
 * all that follow; such a machine comes to rest at the first sleep on that CPU.
 */
int cpu_check_timers(void);

#endif
