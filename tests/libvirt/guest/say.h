/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines on the guest's console, which the host reads. */
#ifndef MDR_LIBVIRT_SAY_H
#define MDR_LIBVIRT_SAY_H

/* Prints one line at once, with the seconds since boot in front. */
void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...);

#endif
