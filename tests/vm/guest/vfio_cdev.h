/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other way to a VFIO device: /dev/vfio/devices/vfioN, bound to an iommufd.
 * Debian's kernels do not have it, the debug kernel does. Functions return 0 or
 * more, or -errno.
 */
#ifndef MDR_VFIO_CDEV_H
#define MDR_VFIO_CDEV_H

#include "vfio_user.h"

/*
 * Opens the character device that the vfio-dev directory of the mdev or function
 * names. Does not bind it to anything.
 */
int vfio_cdev_open(const char *name);

/*
 * Opens it, binds it to an iommufd and attaches it to an address space; both are its
 * own, or those of another user. vfio_user_close() closes everything.
 */
int vfio_cdev_user_open_in(struct vfio_user *u, const char *name, struct vfio_space *space);
int vfio_cdev_user_open(struct vfio_user *u, const char *name);

int vfio_cdev_attach(int device, uint32_t ioas);
int vfio_cdev_detach(int device);

/* vfio_user_dma_map() and _unmap() for such a space. */
int vfio_cdev_dma_map(struct vfio_space *s, const struct vfio_dma *dma);
int vfio_cdev_dma_unmap(struct vfio_space *s, const struct vfio_dma *dma);

#endif
