/* SPDX-License-Identifier: GPL-2.0-only */
/* For a test with a main loop, turn(), whose one round takes 10 ms if nothing comes. */
#ifndef TESTS_TOOLS_EVENTUALLY_H
#define TESTS_TOOLS_EVENTUALLY_H

/* Like the main loop, until the condition holds; false after 5 s. */
#define eventually(condition_) \
	({ \
		int rounds_ = 0; \
		while (!(condition_) && rounds_++ < 500) \
			turn(); \
		(condition_); \
	})

#endif
