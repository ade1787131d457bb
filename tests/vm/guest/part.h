/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parts of a function's registers that are as no device of QEMU's has them
 * (module/mdev_recovery_part.c): "payload", "read_request", "serr". Return 0 or -errno.
 */
#ifndef MDR_PART_H
#define MDR_PART_H

int part_load(void);
/* From now on the function has this part; part_end() takes it away. */
int part_set(const char *part, const char *addr, unsigned int value);
int part_end(const char *part);
/* What the part is, or -errno. */
long part_get(const char *part);

#endif
