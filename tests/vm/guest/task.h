/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a process or thread is at: where in the kernel, known from its stack, not hoped for
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

/* The descriptor of a vfio device's file in a process; -1: it has none. */
int task_device(pid_t pid);

#endif
