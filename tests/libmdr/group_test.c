// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups are found by each of their names, read as a whole, and in the order of their
 * numbers; what is no group is told apart from one that is not there.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_root.h"
#include "kernel.h"

static void all_is_read(void **state)
{
	struct mdr_group *group;
	const char *port;
	uint64_t value;

	(void)state;
	kernel_group("group16", "holding");
	assert_int_equal(mdr_group_get(mdr, "group16", &group), 0);
	assert_int_equal(mdr_group_number(group), 16);
	assert_string_equal(mdr_group_name(group), "group16");
	assert_int_equal(mdr_group_state(group), MDR_GROUP_HOLDING);
	assert_string_equal(mdr_group_state_name(group), "holding");
	assert_int_equal(mdr_group_advice(group), MDR_ADVICE_WAIT);
	assert_int_equal(mdr_group_event(group), 7);
	assert_string_equal(mdr_group_cause(group), "fatal");
	assert_string_equal(mdr_group_type(group), "hold");
	assert_string_equal(mdr_group_function(group, 0), FUNCTION);
	assert_string_equal(mdr_group_function(group, 1), "0000:05:00.1");
	assert_null(mdr_group_function(group, 2));
	assert_string_equal(mdr_group_port(group, 0), PORT);
	assert_null(mdr_group_port(group, 1));
	assert_string_equal(mdr_group_mdev(group, 0), MDEV_A);
	assert_null(mdr_group_mdev(group, 1));
	assert_string_equal(mdr_group_blocker(group, 1, &port), "0000:05:00.3");
	assert_string_equal(port, "0000:02:01.0");
	assert_null(mdr_group_blocker(group, 2, NULL));
	assert_string_equal(mdr_group_counter(group, 0, &value), "recoveries");
	assert_int_equal(value, 3);
	assert_string_equal(mdr_group_counter(group, 1, &value), "stall_ns_max");
	assert_true(value == 9000000000);
	assert_null(mdr_group_counter(group, 2, &value));
	mdr_group_free(group);
}

static void is_found(const char *name, unsigned int number)
{
	struct mdr_group *group;

	assert_int_equal(mdr_group_get(mdr, name, &group), 0);
	assert_int_equal(mdr_group_number(group), number);
	mdr_group_free(group);
}

static void is_not_found(const char *name, int error)
{
	struct mdr_group *group;

	assert_int_equal(mdr_group_get(mdr, name, &group), error);
}

static void names(void **state)
{
	(void)state;
	is_not_found("group16", -EUNATCH);
	is_not_found(MDEV_A, -EUNATCH);
	kernel_group("group16", "open");
	is_found("group16", 16);
	is_found("16", 16);
	is_found(MDEV_A, 16);
	is_found(FUNCTION, 16);
	is_found("05:00.0", 16);
	is_not_found("17", -ENOENT);
	is_not_found(MDEV_B, -ENOENT);
	is_not_found("0000:06:00.0", -ENOENT);
	is_not_found("", -EINVAL);
	is_not_found("group", -EINVAL);
	is_not_found("group16x", -EINVAL);
	is_not_found("../group16", -EINVAL);
	is_not_found("-1", -EINVAL);
	is_not_found("99999999999999999999", -EINVAL);
	is_not_found("group99999999999999999999", -EINVAL);
	is_not_found(MDEV_A "0", -EINVAL);
	is_not_found("0000:05:00.8", -EINVAL);
}

static unsigned int seen[8], seen_count;

static int see(const struct mdr_group *group, void *arg)
{
	seen[seen_count++] = mdr_group_number(group);
	return seen_count == *(unsigned int *)arg ? 77 : 0;
}

static void in_order(void **state)
{
	unsigned int stop = 0;

	(void)state;
	seen_count = 0;
	assert_int_equal(mdr_group_each(mdr, see, &stop), -EUNATCH);
	kernel_group("group100", "open");
	kernel_group("group9", "open");
	kernel_group("group16", "open");
	fake_write("sys/class/mdev_recovery/other/state", "open\n");
	/* it is on its way out: no state */
	fake_write("sys/class/mdev_recovery/group10/cause", "none\n");
	assert_int_equal(mdr_group_each(mdr, see, &stop), 0);
	assert_int_equal(seen_count, 3);
	assert_int_equal(seen[0], 9);
	assert_int_equal(seen[1], 16);
	assert_int_equal(seen[2], 100);
	stop = 2;
	seen_count = 0;
	assert_int_equal(mdr_group_each(mdr, see, &stop), 77);
	assert_int_equal(seen_count, 2);
}

/* What an older or a newer kernel says is no failure. */
static void other_kernel(void **state)
{
	struct mdr_group *group;

	(void)state;
	fake_write("sys/class/mdev_recovery/group3/state", "sleeping\n");
	fake_write("sys/class/mdev_recovery/group3/" FUNCTION, "");
	assert_int_equal(mdr_group_get(mdr, "3", &group), 0);
	assert_int_equal(mdr_group_state(group), MDR_GROUP_UNKNOWN);
	assert_string_equal(mdr_group_state_name(group), "sleeping");
	assert_string_equal(mdr_group_cause(group), "unknown");
	assert_string_equal(mdr_group_function(group, 0), FUNCTION);
	assert_null(mdr_group_counter(group, 0, NULL));
	mdr_group_free(group);
}

static void advice(void **state)
{
	static const struct {
		const char *state, *cause, *advice;
	} all[] = {
		{ "open", "permanent\n", "none" }, { "closing", "fatal\n", "wait" },
		{ "recovering", "fatal\n", "wait" }, { "holding", "fatal\n", "wait" },
		{ "evicting", "fatal\n", "release" }, { "failed", "watchdog\n", "recover" },
		{ "failed", "permanent\n", "replace" }, { "resetting", "none\n", "wait" },
	};
	struct mdr_group *group;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		kernel_group("group1", all[i].state);
		fake_write("sys/class/mdev_recovery/group1/cause", all[i].cause);
		assert_int_equal(mdr_group_get(mdr, "1", &group), 0);
		assert_string_equal(mdr_advice_name(mdr_group_advice(group)), all[i].advice);
		mdr_group_free(group);
	}
}

static void recover(void **state)
{
	struct mdr_group *group;

	(void)state;
	kernel_group("group16", "failed");
	assert_int_equal(mdr_group_get(mdr, "16", &group), 0);
	assert_int_equal(mdr_group_recover(mdr, group), 0);
	assert_string_equal(fake_read("sys/class/mdev_recovery/group16/recover"), "1\n");
	fake_group_remove("group16");
	assert_int_equal(mdr_group_recover(mdr, group), -ENOENT);
	mdr_group_free(group);
}

static void module_version(void **state)
{
	char version[32];

	(void)state;
	assert_int_equal(mdr_module_version(mdr, version, sizeof(version)), -ENOENT);
	fake_write("sys/module/mdev_recovery/refcnt", "0\n");
	assert_int_equal(mdr_module_version(mdr, version, sizeof(version)), 0);
	assert_string_equal(version, "unknown");
	fake_write("sys/module/mdev_recovery/version", "0.1.0\n");
	assert_int_equal(mdr_module_version(mdr, version, sizeof(version)), 0);
	assert_string_equal(version, "0.1.0");
	assert_string_equal(mdr_version(), MDR_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_read, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(names, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(in_order, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(other_kernel, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(advice, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(recover, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(module_version, kernel_setup, kernel_teardown),
	};

	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
