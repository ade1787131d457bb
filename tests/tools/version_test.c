// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that is loaded and of another version than the program is noticed;
 * the same version, and no module, are none.
 */
#include "fake_root.h"
#include "test.h"
#include "version.h"

#define MODULE "sys/module/mdev_recovery"

static char found[VERSION_SIZE];

static bool differs(void)
{
	return version_differs(fake_path("sys"), found);
}

static void no_module(void **state)
{
	assert_false(differs());
}

static void same_version(void **state)
{
	fake_write(MODULE "/version", MDR_VERSION "\n");
	assert_false(differs());
}

static void other_version(void **state)
{
	fake_write(MODULE "/version", "0.0.1\n");
	assert_true(differs());
	assert_string_equal(found, "0.0.1");
}

/* as a module that was built before modules had one */
static void no_version(void **state)
{
	fake_write(MODULE "/refcnt", "0\n");
	assert_true(differs());
	assert_string_equal(found, "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_FAKE_ROOT(no_module),
		TEST_IN_FAKE_ROOT(same_version),
		TEST_IN_FAKE_ROOT(other_version),
		TEST_IN_FAKE_ROOT(no_version),
	};

	return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
