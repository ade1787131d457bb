/* SPDX-License-Identifier: GPL-2.0-only */
/* What kind of kernel runs. */
#ifndef MDR_KERNEL_H
#define MDR_KERNEL_H

#include <stdbool.h>

/*
 * PREEMPT_RT: each interrupt handler is a thread, mutexes pass on priorities, and there are
 * no huge pages.
 */
bool kernel_is_realtime(void);

#endif
