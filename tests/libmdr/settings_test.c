// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's table of settings is read, with what a later module may add to it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_root.h"
#include "kernel.h"

#define TABLE "sys/class/mdev_recovery/settings"

static struct mdr_settings *settings;

static int teardown(void **state)
{
	mdr_settings_free(settings);
	settings = NULL;
	return kernel_teardown(state);
}

static void get(const char *table)
{
	mdr_settings_free(settings);
	settings = NULL;
	fake_write(TABLE, table);
	assert_int_equal(mdr_settings_get(mdr, &settings), 0);
}

static const struct mdr_setting *find(const char *name)
{
	const struct mdr_setting *setting = mdr_settings_find(settings, name);

	assert_non_null(setting);
	assert_string_equal(mdr_setting_name(setting), name);
	return setting;
}

static void numbers(void **state)
{
	const struct mdr_setting *setting;
	uint64_t low, high;

	(void)state;
	get("patience_ms number 2000 100 3600000 ms\nplain number 1 0 9\n");
	setting = find("patience_ms");
	assert_ptr_equal(mdr_settings_at(settings, 0), setting);
	assert_string_equal(mdr_setting_default(setting), "2000");
	assert_true(mdr_setting_range(setting, &low, &high));
	assert_int_equal(low, 100);
	assert_int_equal(high, 3600000);
	assert_string_equal(mdr_setting_unit(setting), "ms");
	assert_null(mdr_setting_word(setting, 0));
	assert_true(mdr_setting_allows(setting, "100"));
	assert_true(mdr_setting_allows(setting, "3600000"));
	assert_true(mdr_setting_allows(setting, "0000000000000000000000100"));
	assert_false(mdr_setting_allows(setting, "99"));
	assert_false(mdr_setting_allows(setting, "3600001"));
	assert_false(mdr_setting_allows(setting, "18446744073709551716"));
	assert_false(mdr_setting_allows(setting, ""));
	assert_false(mdr_setting_allows(setting, "100x"));
	assert_false(mdr_setting_allows(setting, " 100"));
	assert_false(mdr_setting_allows(setting, "-100"));
	assert_null(mdr_setting_unit(find("plain")));
	assert_null(mdr_settings_find(settings, "patience"));
	assert_null(mdr_settings_at(settings, 2));
}

static void words(void **state)
{
	const struct mdr_setting *setting;
	uint64_t low, high;

	(void)state;
	get("end word kill wait kill ask\n");
	setting = find("end");
	assert_string_equal(mdr_setting_default(setting), "kill");
	assert_false(mdr_setting_range(setting, &low, &high));
	assert_null(mdr_setting_unit(setting));
	assert_string_equal(mdr_setting_word(setting, 0), "wait");
	assert_string_equal(mdr_setting_word(setting, 2), "ask");
	assert_null(mdr_setting_word(setting, 3));
	assert_true(mdr_setting_allows(setting, "wait"));
	assert_true(mdr_setting_allows(setting, "ask"));
	assert_false(mdr_setting_allows(setting, "end"));
	assert_false(mdr_setting_allows(setting, "word"));
	assert_false(mdr_setting_allows(setting, ""));
}

/* One that this library does not know is the kernel's to judge. */
static void later(void **state)
{
	const struct mdr_setting *setting;
	uint64_t low, high;

	(void)state;
	get("shape colour red anything\nodd number many\n\nnothing\nlast word a a b\n");
	setting = find("shape");
	assert_string_equal(mdr_setting_default(setting), "red");
	assert_null(mdr_setting_word(setting, 0));
	assert_true(mdr_setting_allows(setting, "blue"));
	assert_false(mdr_setting_range(find("odd"), &low, &high));
	assert_true(mdr_setting_allows(find("odd"), "few"));
	/* what is no setting does not hide those behind it */
	assert_ptr_equal(mdr_settings_at(settings, 2), find("last"));
	assert_null(mdr_settings_at(settings, 3));
}

static void no_table(void **state)
{
	(void)state;
	assert_int_equal(mdr_settings_get(mdr, &settings), -EUNATCH);
	fake_write("sys/class/mdev_recovery/group1/state", "open\n");
	assert_int_equal(mdr_settings_get(mdr, &settings), -ENOENT);
	get("");
	assert_null(mdr_settings_at(settings, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers, kernel_setup, teardown),
		cmocka_unit_test_setup_teardown(words, kernel_setup, teardown),
		cmocka_unit_test_setup_teardown(later, kernel_setup, teardown),
		cmocka_unit_test_setup_teardown(no_table, kernel_setup, teardown),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
