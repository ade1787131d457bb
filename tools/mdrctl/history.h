/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * history: a file with a line of JSON for each change of a group. udevd runs "mdrctl
 * record" to write it. A full file is renamed, and a new one started.
 */
#ifndef MDRCTL_HISTORY_H
#define MDRCTL_HISTORY_H

#include <stdint.h>

#define HISTORY_FILE "/var/lib/mdev-recovery/history.jsonl"
#define HISTORY_LOCK "/var/lib/mdev-recovery/lock"
#define HISTORY_MOST 1048576	/* bytes: some 5000 changes */

/* Local time as text. */
#define TIME_SIZE 32
void time_text(int64_t time_us, char text[TIME_SIZE]);
int64_t time_now_us(void);

#endif
