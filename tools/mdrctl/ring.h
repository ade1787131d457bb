/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ring of one CPU, read without taking anything out of it.
 */
#ifndef MDRCTL_RING_H
#define MDRCTL_RING_H

#include <stdbool.h>

#include <kbuffer.h>

/*
 * Calls see() with a copy of every part of the ring that has entries. The parts are in no
 * order; the entries of a part are. fd: the ring's trace_pipe_raw. is_whole: no entry was
 * overwritten, or taken by a reader. Returns 0 or -errno; -EINVAL: this CPU never ran.
 */
int ring_each(int fd, struct kbuffer *kbuf, void (*see)(struct kbuffer *kbuf, void *arg),
	      void *arg, bool *is_whole);

#endif
