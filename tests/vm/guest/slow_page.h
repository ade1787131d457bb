/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page of memory whose first access takes as long as the test likes, also in a
 * system call. A thread that reads a device into it stops in the middle of the read.
 */
#ifndef MDR_SLOW_PAGE_H
#define MDR_SLOW_PAGE_H

#include <stdbool.h>

#include "vfio_user.h"

struct slow_page {
	void *page;
	int uffd;
	struct vfio_user *reader;
};

/* 0 or -errno. */
int slow_page_init(struct slow_page *p);

/* The same, and a thread reads the device's config space into it. */
int slow_page_read(struct slow_page *p, struct vfio_user *u);

/* Does a thread touch the page within ms, and so wait? */
bool slow_page_touched(struct slow_page *p, unsigned int ms);

/* Lets that thread continue. */
int slow_page_release(struct slow_page *p);

#endif
