/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * saved: what is bound at each boot. One file for each function, with the driver and
 * what the function is: another card in the same slot is left alone.
 */
#ifndef MDRCTL_SAVED_H
#define MDRCTL_SAVED_H

#include "mdrctl.h"

#define SAVED_DIR "/etc/mdev-recovery/bind.d"

struct saved {
	char driver[64];
	uint64_t vendor, device;
};

/* Return: 0, -ENOENT if there is no file, -EINVAL if it is damaged, or -errno. */
int saved_load(struct mdr *mdr, const char *address, struct saved *saved);
int saved_store(struct mdr *mdr, const char *address, const struct saved *saved);
/* Return: 0, also if there was none. */
int saved_forget(struct mdr *mdr, const char *address);

/* Calls each() for each function that has a file, by address. Return: the first nonzero. */
int saved_each(struct mdr *mdr, int (*each)(const char *address, void *arg), void *arg);

#endif
