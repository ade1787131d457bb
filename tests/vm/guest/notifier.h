/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A slow MMU notifier of this process (module/mdev_recovery_notifier.c). Functions return 0
 * or more, or -errno.
 */
#ifndef MDR_NOTIFIER_H
#define MDR_NOTIFIER_H

#include <stdbool.h>
#include <stddef.h>

/* From now on this part of the process's memory has it. */
int notifier_watch(const volatile void *start, size_t size);
/* Does an invalidation there go on? */
int notifier_hold(bool hold);
/* How many have begun. */
long notifier_calls(void);

#endif
