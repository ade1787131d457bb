/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where in the kernel a process or thread is: known from its stack, not hoped for
 * after a sleep.
 */
#ifndef MDR_TASK_H
#define MDR_TASK_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether the task gets into this function of the kernel within ms. */
bool task_in(pid_t task, const char *function, unsigned int ms);

/* The same for the wait at a closed gate. */
bool task_at_gate(pid_t task, unsigned int ms);

#endif
