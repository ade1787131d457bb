// SPDX-License-Identifier: GPL-2.0-only
/*
 * The drain of a gate waits for whoever is inside, and for nobody else: users who try
 * to enter a closed gate raise its counts for a moment, on as many CPUs as there are.
 * Who waits for a closed gate waits until it opens, or until there is nothing to wait for.
 * Here gate.c runs among the few parts of the kernel that it needs.
 */
#include "kernel.h"
#include "gate.c"
#include "test.h"

#define TIMEOUT_MS 1000
/* what happens in a wait happens in its first few milliseconds */
#define AT_ONCE_MS 10

static struct mdr_gate gate;

/* What happens between two looks of a drain, or in a wait. */
static void (*meanwhile)(void);

void fake_sleep(void)
{
	if (meanwhile)
		meanwhile();
}

static int set_up(void **state)
{
	fake_trying = NULL;
	meanwhile = NULL;
	fake_cpu = 0;
	return mdr_gate_init(&gate);
}

static int tear_down(void **state)
{
	mdr_gate_destroy(&gate);
	return 0;
}

static bool drain(void)
{
	return mdr_gate_drain(&gate, TIMEOUT_MS, false);
}

/* At any moment somebody tries on one of the CPUs, and each of them has its turn. */
static bool in_turn(unsigned int cpu)
{
	return cpu % 2 == fake_sleeps % 2;
}

static void who_tries_does_not_hold_it_up(void **state)
{
	mdr_gate_close(&gate);
	fake_trying = in_turn;
	assert_true(drain());
}

static void who_is_inside_does(void **state)
{
	for (fake_cpu = 0; fake_cpu < FAKE_CPUS; fake_cpu++) {
		struct mdr_gate_entry entry;

		assert_true(mdr_gate_enter(&gate, MDR_ENTRY_CONFIG, &entry));
		mdr_gate_close(&gate);
		assert_false(drain());
		/* the PCI core keeps it from the function */
		assert_true(mdr_gate_drain(&gate, TIMEOUT_MS, true));
		fake_trying = in_turn;
		assert_false(drain());
		fake_trying = NULL;
		mdr_gate_exit(&entry);
		assert_true(drain());
		mdr_gate_open(&gate, false);
	}
}

static struct mdr_gate_entry first, second;

/* The first one is on the last CPU, so that the others have been looked at. */
static void opens_in_between(void)
{
	meanwhile = NULL;
	mdr_gate_open(&gate, false);
	fake_cpu = 0;
	assert_true(mdr_gate_enter(&gate, MDR_ENTRY_ACCESS, &second));
	mdr_gate_close(&gate);
	mdr_gate_exit(&first);
}

static void who_comes_in_between_does(void **state)
{
	fake_cpu = FAKE_CPUS - 1;
	assert_true(mdr_gate_enter(&gate, MDR_ENTRY_ACCESS, &first));
	mdr_gate_close(&gate);
	meanwhile = opens_in_between;
	assert_false(drain());
	mdr_gate_exit(&second);
	assert_true(drain());
}

static void who_resets_does(void **state)
{
	struct mdr_gate_entry entry;

	mdr_gate_close(&gate);
	mdr_gate_enter_exclusive(&gate, &entry);
	assert_true(drain());
	fake_task++;
	assert_false(drain());
	mdr_gate_exit(&entry);
	assert_true(drain());
}

/* The result of a wait, in which this happens, and how long it took. */
static int wait(void (*happens)(void), u64 *took_ms)
{
	u64 begin = fake_ns;
	int ret;

	meanwhile = happens;
	ret = mdr_gate_wait(&gate, TIMEOUT_MS, false);
	*took_ms = (fake_ns - begin) / NSEC_PER_MSEC;
	return ret;
}

static void opens(void)
{
	meanwhile = NULL;
	mdr_gate_open(&gate, false);
}

static void dies(void)
{
	meanwhile = NULL;
	mdr_gate_die(&gate);
}

static void who_waits_goes_on_when_it_opens(void **state)
{
	u64 took_ms;

	mdr_gate_close(&gate);
	assert_int_equal(wait(opens, &took_ms), 0);
	assert_in_range(took_ms, 0, AT_ONCE_MS);
}

static void who_waits_has_a_bound(void **state)
{
	u64 took_ms;

	mdr_gate_close(&gate);
	assert_int_equal(wait(NULL, &took_ms), -ETIMEDOUT);
	assert_in_range(took_ms, TIMEOUT_MS, TIMEOUT_MS + AT_ONCE_MS);
}

static void who_waits_goes_on_if_it_is_lost(void **state)
{
	u64 took_ms;

	mdr_gate_close(&gate);
	assert_int_equal(wait(dies, &took_ms), -ETIMEDOUT);
	assert_in_range(took_ms, 0, AT_ONCE_MS);
	assert_int_equal(wait(NULL, &took_ms), -ETIMEDOUT);
	assert_in_range(took_ms, 0, AT_ONCE_MS);
}

/* A device that was lost comes back, and its user has to reset it first. */
static void closed_again_it_is_lost_no_more(void **state)
{
	u64 took_ms;

	mdr_gate_die(&gate);
	assert_true(mdr_gate_expired(&gate, TIMEOUT_MS));
	mdr_gate_close(&gate);
	assert_false(mdr_gate_expired(&gate, TIMEOUT_MS));
	assert_int_equal(wait(opens, &took_ms), 0);
	mdr_gate_die(&gate);
	mdr_gate_open(&gate, false);
	mdr_gate_close(&gate);
	assert_false(mdr_gate_expired(&gate, TIMEOUT_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_tries_does_not_hold_it_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_is_inside_does, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_comes_in_between_does, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_resets_does, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_waits_goes_on_when_it_opens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_waits_has_a_bound, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_waits_goes_on_if_it_is_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(closed_again_it_is_lost_no_more, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
