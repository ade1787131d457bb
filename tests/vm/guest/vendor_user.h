/* SPDX-License-Identifier: GPL-2.0-only */
/* A user of the parent driver that has a vfio driver of its own (module/mdev_recovery_vendor.c). */
#ifndef MDR_VENDOR_USER_H
#define MDR_VENDOR_USER_H

#include "shim.h"
#include "vfio_user.h"

#define VENDOR_PORT "rp_igb2"
/* the driver's own region, and what it and the register have that only its hook writes */
#define VENDOR_REGION VFIO_PCI_NUM_REGIONS
#define VENDOR_MAGIC 0x600dcafe

/* Binds the function below VENDOR_PORT, and opens it. Nothing stalls for 20 s. */
void vendor_start(struct shim *s, struct vfio_user *u, const char *policy);
/* Checks that nobody but the shim has called the driver while its device was dead. */
void vendor_check_gated(const struct shim *s);

#endif
