/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDR_HOT_RESET_H
#define MDR_HOT_RESET_H

#include "vfio_user.h"

/* VFIO_DEVICE_PCI_HOT_RESET with all groups of the user's space. 0 or -errno. */
int hot_reset(struct vfio_user *u);

#endif
