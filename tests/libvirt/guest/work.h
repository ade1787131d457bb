/* SPDX-License-Identifier: GPL-2.0-only */
/* The workers of the guest. Each waits for its device, and never returns. */
#ifndef MDR_LIBVIRT_WORK_H
#define MDR_LIBVIRT_WORK_H

/*
 * Writes files of FILE_MIB to the file system on an nvme disk until there are
 * mib MiB, reads each of them back from the medium and compares.
 */
void disk_work(unsigned int mib);

/* Exchanges messages with 10.0.<subnet>.1 through the function of a driver. */
void net_work(const char *driver, unsigned int subnet);

#endif
