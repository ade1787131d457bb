/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's threads that recover from errors, one a port: at work or idle. */
#ifndef MDR_AER_THREAD_H
#define MDR_AER_THREAD_H

#include <stdbool.h>

/* All of them are idle, and no error is in their queues; false if not within ms. */
bool aer_wait_idle(unsigned int ms);

#endif
