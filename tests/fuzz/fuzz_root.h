/* SPDX-License-Identifier: GPL-2.0-only */
/* A root of sysfs below /tmp, whose module has this table of settings. */
#ifndef FUZZ_ROOT_H
#define FUZZ_ROOT_H

#include <stddef.h>
#include <stdint.h>

struct mdr;

struct mdr *fuzz_root(const void *table, size_t size);

#endif
