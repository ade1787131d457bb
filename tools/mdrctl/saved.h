/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * saved: the functions that are bound at each boot. Each has a file with the driver, and
 * with its vendor and device id, so another card in the same slot is left alone.
 */
#ifndef MDRCTL_SAVED_H
#define MDRCTL_SAVED_H

#include "mdrctl.h"

#define SAVED_DIR "/etc/mdev-recovery/bind.d"
#define SAVED_SERVICE "mdev-recovery-bind.service"
#define SAVED_OFF "is not enabled: libvirt may start a domain before its mdev is there"
#define SAVED_ENABLE "systemctl enable " SAVED_SERVICE

struct saved {
	char driver[64];
	uint64_t vendor, device;
};

/* Returns 0, -ENOENT if there is no file, -EINVAL if it is damaged, or -errno. */
int saved_load(struct mdr *mdr, const char *address, struct saved *saved);
int saved_store(struct mdr *mdr, const char *address, const struct saved *saved);
/* Returns 0 also if there was no file. */
int saved_forget(struct mdr *mdr, const char *address);

/* Does the service that binds them start at boot? 1: yes, 0: no, -1: it is not installed. */
int saved_service(const struct mdr *mdr);

/* Calls each() for each saved function, by address. Returns its first nonzero, or -errno. */
int saved_each(struct mdr *mdr, int (*each)(const char *address, void *arg), void *arg);

#endif
