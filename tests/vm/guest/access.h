/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One access of 32 bits to a region of a device; a load or store in the mapped region
 * that raises SIGBUS is an error like others.
 */
#ifndef MDR_ACCESS_H
#define MDR_ACCESS_H

#include <stdbool.h>

#include "vfio_user.h"

enum access_kind {
	ACCESS_MAP_READ,	/* a load from the mapped region */
	ACCESS_MAP_WRITE,	/* a store to it */
	ACCESS_PREAD,
	ACCESS_PWRITE,
};

static inline bool access_is_mapped(enum access_kind kind)
{
	return kind == ACCESS_MAP_READ || kind == ACCESS_MAP_WRITE;
}

/* Maps the region if needed, so that later only the access happens. 0 or -errno. */
int access_prepare(struct vfio_user *u, enum access_kind kind, unsigned int region);

/* value: to write, or what was read. 0 or errno; EFAULT stands for a SIGBUS. */
int access_once(struct vfio_user *u, enum access_kind kind, unsigned int region,
		uint64_t off, uint32_t *value);

#endif
