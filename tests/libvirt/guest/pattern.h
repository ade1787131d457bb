/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The data that is written and expected back. Every word of every stream is different,
 * so lost, old or misplaced data is noticed.
 */
#ifndef MDR_LIBVIRT_PATTERN_H
#define MDR_LIBVIRT_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* Fills size bytes that lie at offset of the stream; both are whole words. */
void pattern_fill(void *buf, size_t size, uint64_t stream, uint64_t offset);

/* The number of words in buf that differ from what pattern_fill() writes. */
size_t pattern_wrong(const void *buf, size_t size, uint64_t stream, uint64_t offset);

#endif
