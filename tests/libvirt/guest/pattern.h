/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is written and expected back: every word of every stream is different,
 * so that data which is lost, old or in the wrong place is seen.
 */
#ifndef MDR_LIBVIRT_PATTERN_H
#define MDR_LIBVIRT_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* Fills size bytes that lie at offset of the stream; both are whole words. */
void pattern_fill(void *buf, size_t size, uint64_t stream, uint64_t offset);

/* How many words of buf are not what pattern_fill() would have put there. */
size_t pattern_wrong(const void *buf, size_t size, uint64_t stream, uint64_t offset);

#endif
