/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nodes: the files by which a function is opened.
 */
#ifndef MDRCTL_NODES_H
#define MDRCTL_NODES_H

#include "mdrctl.h"

/* Their names; device is "" if no driver of VFIO has the function. */
struct nodes {
	char group[32], no_iommu[32], device[64];
};

void nodes_of(const struct mdr *mdr, const struct mdr_function *function, struct nodes *nodes);

#endif
