// SPDX-License-Identifier: GPL-2.0-only
/*
 * An evicted mdev is re-attached when it has left the domain and its group is open,
 * and at no other time. Every wait has an end or a reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decide.h"

static const enum group_state groups[] = {
	GROUP_GONE, GROUP_OPEN, GROUP_EVICTING, GROUP_FAILED, GROUP_CLOSED,
};

#define for_each_group(group_) \
	for (const enum group_state *group_ = groups; group_ < groups + 5; group_++)

/* While libvirt does not answer nothing is done, whatever the group's state. */
static void unknown_waits(void **state)
{
	(void)state;
	for (enum phase phase = PHASE_ATTACHED; phase <= PHASE_DETACHED; phase++)
		for_each_group(group) {
			struct record record = { .phase = phase };

			assert_int_equal(decide(&record, PRESENCE_UNKNOWN, *group, 1000000),
					 VERDICT_WAIT);
		}
}

/* An mdev without an eviction is left alone, also when it is detached. */
static void attached_is_left_alone(void **state)
{
	(void)state;
	for (enum presence presence = PRESENCE_UNKNOWN; presence <= PRESENCE_ATTACHED; presence++)
		for_each_group(group) {
			struct record record = { .phase = PHASE_ATTACHED };

			assert_int_equal(decide(&record, presence, *group, 5), VERDICT_WAIT);
		}
}

/* If the domain stops or is restarted, the eviction is over, in any phase. */
static void stopped_ends(void **state)
{
	(void)state;
	for (enum phase phase = PHASE_EVICTING; phase <= PHASE_DETACHED; phase++)
		for_each_group(group) {
			struct record record = { .phase = phase };

			assert_int_equal(decide(&record, PRESENCE_STOPPED, *group, 5),
					 VERDICT_STOPPED);
		}
}

/* An mdev that left the domain is detached, whatever the group's state is then. */
static void evicting_to_detached(void **state)
{
	(void)state;
	for_each_group(group) {
		struct record record = { .phase = PHASE_EVICTING };

		assert_int_equal(decide(&record, PRESENCE_ABSENT, *group, 5), VERDICT_DETACHED);
	}
}

/* The group may be open before libvirt notices; the wait for that has an end. */
static void open_before_absent(void **state)
{
	struct record record = { .phase = PHASE_EVICTING };

	(void)state;
	assert_int_equal(decide(&record, PRESENCE_ATTACHED, GROUP_EVICTING, 1), VERDICT_WAIT);
	assert_int_equal(decide(&record, PRESENCE_ATTACHED, GROUP_OPEN, 100), VERDICT_WAIT);
	assert_int_equal(decide(&record, PRESENCE_ATTACHED, GROUP_OPEN, 99 + SETTLE_MS),
			 VERDICT_WAIT);
	/* a new error restarts the wait */
	assert_int_equal(decide(&record, PRESENCE_ATTACHED, GROUP_CLOSED, 100 + SETTLE_MS),
			 VERDICT_WAIT);
	assert_int_equal(decide(&record, PRESENCE_ATTACHED, GROUP_OPEN, 200 + SETTLE_MS),
			 VERDICT_WAIT);
	assert_int_equal(decide(&record, PRESENCE_ATTACHED, GROUP_OPEN, 199 + 2 * SETTLE_MS),
			 VERDICT_WAIT);
	assert_int_equal(decide(&record, PRESENCE_ATTACHED, GROUP_OPEN, 200 + 2 * SETTLE_MS),
			 VERDICT_STAYED);
}

/* The guest may take as long as it likes to release the device. */
static void slow_guest(void **state)
{
	struct record record = { .phase = PHASE_EVICTING };

	(void)state;
	for (int64_t now = 0; now < 100 * SETTLE_MS; now += SETTLE_MS)
		assert_int_equal(decide(&record, PRESENCE_ATTACHED, GROUP_EVICTING, now),
				 VERDICT_WAIT);
}

static void detached(void **state)
{
	struct record record = { .phase = PHASE_DETACHED };

	(void)state;
	assert_int_equal(decide(&record, PRESENCE_ABSENT, GROUP_OPEN, 5), VERDICT_ATTACH);
	assert_int_equal(decide(&record, PRESENCE_ABSENT, GROUP_EVICTING, 5), VERDICT_WAIT);
	assert_int_equal(decide(&record, PRESENCE_ABSENT, GROUP_CLOSED, 5), VERDICT_WAIT);
	assert_int_equal(decide(&record, PRESENCE_ABSENT, GROUP_FAILED, 5), VERDICT_WAIT);
	assert_int_equal(decide(&record, PRESENCE_ABSENT, GROUP_GONE, 5), VERDICT_MDEV_GONE);
	for_each_group(group)
		assert_int_equal(decide(&record, PRESENCE_ATTACHED, *group, 5), VERDICT_RETURNED);
}

/* The time between tries grows, never shrinks, and the tries end. */
static void retries(void **state)
{
	struct record record = { .phase = PHASE_DETACHED };
	int64_t now = 1000, wait, before = 0;
	int tries = 0;

	(void)state;
	for (; tries < 1000; tries++) {
		assert_int_equal(decide(&record, PRESENCE_ABSENT, GROUP_OPEN, now),
				 VERDICT_ATTACH);
		wait = decide_retry(&record, now);
		if (wait < 0)
			break;
		assert_true(wait >= RETRY_FIRST_MS && wait <= RETRY_MOST_MS && wait >= before);
		assert_int_equal(decide(&record, PRESENCE_ABSENT, GROUP_OPEN, now + wait - 1),
				 VERDICT_WAIT);
		now += wait;
		before = wait;
	}
	assert_int_equal(tries + 1, ATTEMPTS_MOST);
	assert_int_equal(before, RETRY_MOST_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_waits),
		cmocka_unit_test(attached_is_left_alone),
		cmocka_unit_test(stopped_ends),
		cmocka_unit_test(evicting_to_detached),
		cmocka_unit_test(open_before_absent),
		cmocka_unit_test(slow_guest),
		cmocka_unit_test(detached),
		cmocka_unit_test(retries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
