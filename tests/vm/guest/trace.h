/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel trace in its own ring: calls of functions and events of mdev_recovery, in
 * the order in which they happened on all CPUs. Return 0 or more, or -errno.
 */
#ifndef MDR_TRACE_H
#define MDR_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#define TRACE_INSTANCE "/sys/kernel/tracing/instances/mdr"

/*
 * Starts to trace calls of these functions (ended by NULL; NULL for none) and all
 * events of mdev_recovery. Discards what an earlier scenario left.
 */
int trace_start(const char * const *functions);

/* Adds a line to kprobe_events, for a probe in the group mdr_calls. */
int trace_probe(const char *probe);

/* Only what this task does, from now on. */
int trace_task(int pid);

/* Stops the trace. */
void trace_stop(void);

/*
 * Calls see() with every entry: "mdr_state: group3 id=1 ..." for an event,
 * "vfio_pci_core_read: (...)" for a call.
 */
int trace_each(void (*see)(const char *entry, void *arg), void *arg);

/* The time of the entry that see() is called with, in microseconds. */
double trace_us(const char *entry);

/* How long the longest drain of a gate took, in nanoseconds; 0 if there was none. */
int64_t trace_longest_drain(void);

/* The number of entries that did not fit into the ring. */
long trace_lost(void);

void trace_end(void);

#endif
