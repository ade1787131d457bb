/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * disks: those of a function that the host itself uses. Unbinding the function would
 * remove them.
 */
#ifndef MDRCTL_DISKS_H
#define MDRCTL_DISKS_H

#include "mdrctl.h"

#define DISK_USE_SIZE 128

/*
 * A disk of the function, or a part of one, that is in use, as "nvme0n1p2 is mounted on
 * /"; false if there is none. A file system or a volume uses it, or it is swap space.
 */
bool disks_find(const struct mdr *mdr, const struct mdr_function *function,
		char use[DISK_USE_SIZE]);

#endif
