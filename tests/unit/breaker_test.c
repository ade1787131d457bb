// SPDX-License-Identifier: GPL-2.0-only
/*
 * The breaker trips at one error too many in a window, never earlier, and ignores
 * errors before the window.
 */
#include "breaker.h"
#include "test.h"

#define SECOND 1000000000ull

/* A burst of max errors passes, and the next one trips. */
static void trips_after_max(void **state)
{
	for (unsigned int max = 1; max < MDR_BREAKER_MAX; max++) {
		struct mdr_breaker breaker = { .count = 0 };

		for (unsigned int i = 0; i < max; i++)
			assert_false(mdr_breaker_trips(&breaker, 7 + i, max, SECOND));
		assert_true(mdr_breaker_trips(&breaker, 7 + max, max, SECOND));
	}
}

/* Errors that are further apart than the window never trip it. */
static void old_errors_do_not_count(void **state)
{
	struct mdr_breaker breaker = { .count = 0 };

	for (unsigned int i = 0; i < 3 * MDR_BREAKER_MAX; i++)
		assert_false(mdr_breaker_trips(&breaker, i * SECOND, 2, 2 * SECOND - 1));
}

/* The window's two ends: an error exactly one window ago still counts. */
static void window_is_closed(void **state)
{
	struct mdr_breaker inside = { .count = 0 }, outside = { .count = 0 };

	assert_false(mdr_breaker_trips(&inside, 5, 1, SECOND));
	assert_true(mdr_breaker_trips(&inside, 5 + SECOND, 1, SECOND));
	assert_false(mdr_breaker_trips(&outside, 5, 1, SECOND));
	assert_false(mdr_breaker_trips(&outside, 6 + SECOND, 1, SECOND));
}

/* The ring goes round: a burst long after many single errors trips as the first. */
static void ring_goes_round(void **state)
{
	struct mdr_breaker breaker = { .count = 0 };
	uint64_t now = 0;

	for (unsigned int i = 0; i < 5 * MDR_BREAKER_MAX + 3; i++, now += 10 * SECOND)
		assert_false(mdr_breaker_trips(&breaker, now, 3, SECOND));
	for (unsigned int i = 1; i <= 2; i++)
		assert_false(mdr_breaker_trips(&breaker, now - 10 * SECOND + i, 3, SECOND));
	assert_true(mdr_breaker_trips(&breaker, now - 10 * SECOND + 3, 3, SECOND));
}

/* 0 is no limit. */
static void zero_never_trips(void **state)
{
	struct mdr_breaker breaker = { .count = 0 };

	for (unsigned int i = 0; i < 200; i++)
		assert_false(mdr_breaker_trips(&breaker, 1, 0, SECOND));
}

/* After a reset the errors before it are forgotten. */
static void reset_forgets(void **state)
{
	struct mdr_breaker breaker = { .count = 0 };

	assert_false(mdr_breaker_trips(&breaker, 1, 1, SECOND));
	mdr_breaker_reset(&breaker);
	assert_false(mdr_breaker_trips(&breaker, 2, 1, SECOND));
	assert_true(mdr_breaker_trips(&breaker, 3, 1, SECOND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trips_after_max),
		cmocka_unit_test(old_errors_do_not_count),
		cmocka_unit_test(window_is_closed),
		cmocka_unit_test(ring_goes_round),
		cmocka_unit_test(zero_never_trips),
		cmocka_unit_test(reset_forgets),
	};

	return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
