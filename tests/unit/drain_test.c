// SPDX-License-Identifier: GPL-2.0-only
/*
 * The drain of a gate waits for whoever is inside, and for nobody else: users who try
 * to enter a closed gate raise its counts for a moment, on as many CPUs as there are.
 * Here gate.c runs among the few parts of the kernel that it needs.
 */
#include "kernel.h"
#include "gate.c"
#include "test.h"

#define TIMEOUT_MS 1000

static struct mdr_gate gate;

/* What happens between two looks of a drain. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_tries_does_not_hold_it_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_is_inside_does, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_comes_in_between_does, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_resets_does, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
