/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page of memory whose first access takes as long as one likes, in a system
 * call too: who reads a device into it is caught in the middle of the read.
 */
#ifndef MDR_SLOW_PAGE_H
#define MDR_SLOW_PAGE_H

#include <stdbool.h>

struct slow_page {
	void *page;
	int uffd;
};

/* 0 or -errno. */
int slow_page_init(struct slow_page *p);

/* Whether somebody touches it within ms, and so waits. */
bool slow_page_touched(struct slow_page *p, unsigned int ms);

/* Lets him go on. */
int slow_page_release(struct slow_page *p);

#endif
