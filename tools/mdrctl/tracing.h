/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tracefs instance that records mdev_recovery's tracepoints. Its own ring keeps it
 * apart from all other tracing.
 */
#ifndef MDRCTL_TRACING_H
#define MDRCTL_TRACING_H

#include <stdbool.h>

#include <libmdr.h>

#include "trace.h"

#define TRACING_DIR "/sys/kernel/tracing"
#define TRACING_INSTANCE TRACING_DIR "/instances/mdev_recovery"
/* For each CPU; a recovery takes 1 KiB. */
#define TRACING_KB 64

/* Returns an enum end; errors are already printed. */
int tracing_on(const struct mdr *mdr);
int tracing_off(const struct mdr *mdr);

/* What was recorded, see trace.h; is_monotonic: its times are those of CLOCK_MONOTONIC. */
int tracing_read(const struct mdr *mdr, struct trace *trace, bool *is_monotonic);

#endif
