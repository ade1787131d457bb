/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instance of tracefs in which mdev_recovery's tracepoints are recorded: a ring
 * of its own, so that it is in nobody's way, and nobody is in its.
 */
#ifndef MDRCTL_TRACING_H
#define MDRCTL_TRACING_H

#include <stdbool.h>
#include <stdio.h>

#include <libmdr.h>

#define TRACING_DIR "/sys/kernel/tracing"
#define TRACING_INSTANCE TRACING_DIR "/instances/mdev_recovery"
/* Of each CPU: a recovery takes 1 KiB. */
#define TRACING_KB 64

/* Return: an enum end, which was told already. */
int tracing_on(const struct mdr *mdr);
int tracing_off(const struct mdr *mdr);

/* What was recorded, and whether its times are those of CLOCK_MONOTONIC. */
int tracing_open(const struct mdr *mdr, FILE **trace, bool *is_monotonic);

#endif
