/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDR_STUCK_H
#define MDR_STUCK_H

#include <sys/types.h>

/* Says where in the kernel each thread of the process group is. */
void stuck_report(pid_t group);

#endif
