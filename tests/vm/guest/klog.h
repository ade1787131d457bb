/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's log since a mark, read from /dev/kmsg. */
#ifndef MDR_KLOG_H
#define MDR_KLOG_H

#include <stdbool.h>
#include <stddef.h>

/* A line of our own into the log. */
__attribute__((format(printf, 1, 2)))
void klog_say(const char *fmt, ...);

/* From here on; the harness marks the start of each scenario. */
void klog_mark(void);

/* How many messages since the mark contain text. */
unsigned int klog_count(const char *text);
/* The first that does, within ms; line may be NULL. */
bool klog_wait(const char *text, unsigned int ms, char *line, size_t size);

/* The first sign of a kernel gone wrong since the mark. */
bool klog_splat(char *line, size_t size);

#endif
