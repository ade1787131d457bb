/* SPDX-License-Identifier: GPL-2.0-only */
/* The scenarios that were linked in, run one after the other. */
#ifndef MDR_SUITE_H
#define MDR_SUITE_H

#include <stdbool.h>

/* tests/vm/run refuses a list that is longer */
#define SUITE_ONLY 1000

struct suite {
	/* shell patterns, separated by commas; empty: all scenarios that should pass */
	char only[SUITE_ONLY];
	/* the scenarios of "make demo" instead */
	bool demo;
	/* this is the debug kernel */
	bool debug;
	/* this machine runs one share of them: 0..shares-1 */
	unsigned int share, shares;
	/* how much longer than usual a scenario may take: some go on for so long */
	unsigned int long_s;
};

/* Writes plan and results to the result channel. 0 or -errno. */
int suite_run(const struct suite *suite);

#endif
