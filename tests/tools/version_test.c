// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that is loaded and of another version than the program is noticed;
 * the same version, and no module, are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_root.h"
#include "version.h"

#define MODULE "sys/module/mdev_recovery"

static char found[VERSION_SIZE];

static bool differs(void)
{
	return version_differs(fake_path("sys"), found);
}

static void no_module(void **state)
{
	(void)state;
	assert_false(differs());
}

static void same_version(void **state)
{
	(void)state;
	fake_write(MODULE "/version", MDR_VERSION "\n");
	assert_false(differs());
}

static void other_version(void **state)
{
	(void)state;
	fake_write(MODULE "/version", "0.0.1\n");
	assert_true(differs());
	assert_string_equal(found, "0.0.1");
}

/* as a module that was built before modules had one */
static void no_version(void **state)
{
	(void)state;
	fake_write(MODULE "/refcnt", "0\n");
	assert_true(differs());
	assert_string_equal(found, "unknown");
}

static int setup(void **state)
{
	(void)state;
	fake_root_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_root_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_module, setup, teardown),
		cmocka_unit_test_setup_teardown(same_version, setup, teardown),
		cmocka_unit_test_setup_teardown(other_version, setup, teardown),
		cmocka_unit_test_setup_teardown(no_version, setup, teardown),
	};

	return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
