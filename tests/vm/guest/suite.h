/* SPDX-License-Identifier: GPL-2.0-only */
/* The scenarios that were linked in, run one after the other. */
#ifndef MDR_SUITE_H
#define MDR_SUITE_H

#include <stdbool.h>

struct suite {
	/* shell patterns with commas between; empty: all that are meant to pass */
	char only[256];
	/* the scenarios of "make demo" instead */
	bool demo;
	/* this is the debug kernel */
	bool debug;
	/* of these, those of this machine: share 0..shares-1 */
	unsigned int share, shares;
};

/* Says plan and results on the result channel. 0 or -errno. */
int suite_run(const struct suite *suite);

#endif
