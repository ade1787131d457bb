/* SPDX-License-Identifier: GPL-2.0-only */
/* A sysfs below the fake root, laid out as the kernel's, and what writes to it do. */
#ifndef TESTS_LIBMDR_KERNEL_H
#define TESTS_LIBMDR_KERNEL_H

#include "private.h"

#define PORT "0000:00:14.0"
#define FUNCTION "0000:05:00.0"
#define PCI "sys/bus/pci/devices/" FUNCTION

extern struct mdr *mdr;
extern bool kernel_refuses;	/* mdr-pci takes no function */
extern bool kernel_is_bound_by_another;	/* to mdr-pci, once there is an override */
extern unsigned int kernel_unbinds;	/* how often a driver has lost the function */

int kernel_setup(void **state);
int kernel_teardown(void **state);

void kernel_link(const char *target, const char *path);

/* The function in IOMMU group 16, bound to this driver or to none. */
void kernel_function(const char *driver);

/* A group with all its files, and the function and MDEV_A in it. */
void kernel_group(const char *name, const char *state);

#endif
