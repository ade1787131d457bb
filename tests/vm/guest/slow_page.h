/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page of memory whose first access takes as long as the test likes, also in a
 * system call. A thread whose system call touches it stops in the middle of the call.
 */
#ifndef MDR_SLOW_PAGE_H
#define MDR_SLOW_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#define SLOW_PAGE_SIZE 4096ul

struct slow_page {
	void *page;
	/* an ordinary page, just before it */
	void *before;
	int uffd;
};

/* Return 0 or -errno. */
int slow_page_init(struct slow_page *p);

/* Does a thread touch the page within ms, and so wait? */
bool slow_page_touched(struct slow_page *p, unsigned int ms);

/* Lets that thread continue: with zeroes, or with what begins with len bytes of data. */
int slow_page_release(struct slow_page *p);
int slow_page_fill(struct slow_page *p, const void *data, size_t len);

/* Takes the page away again, so that the next access is the first. */
int slow_page_take(struct slow_page *p);

#endif
