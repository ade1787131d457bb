/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The user API of mdev_recovery on a device of ours: status, eventfd, acknowledgement
 * and status page. Functions return 0 or more, or -errno.
 */
#ifndef MDR_VFIO_STATUS_H
#define MDR_VFIO_STATUS_H

#include <linux/mdev_recovery.h>
#include <stddef.h>

#include "vfio_user.h"

/* The ioctl VFIO_DEVICE_FEATURE, with size bytes of data. */
int vfio_feature(struct vfio_user *u, uint32_t flags, void *data, size_t size);

int vfio_status(struct vfio_user *u, struct mdr_status *status);
int vfio_acknowledge(struct vfio_user *u, uint64_t event);
/* fd: an eventfd, or -1 to remove it. */
int vfio_status_eventfd(struct vfio_user *u, int fd);

/* The region of the status page; size and offset may be NULL. */
int vfio_status_region(struct vfio_user *u, uint64_t *size, uint64_t *offset);
/* Maps it for reading; NULL and errno if that fails. */
const struct mdr_status_page *vfio_status_map(struct vfio_user *u);
/* A copy that no change has torn. */
struct mdr_status vfio_status_look(const struct mdr_status_page *page);

#endif
