// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdevs are read with their settings, which can be set; those of others are none.
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

#define DIR PCI "/" MDEV_A
#define REAL "sys/devices/pci0000:00/" PORT "/" FUNCTION

static int setup(void **state)
{
	kernel_setup(state);
	kernel_function("mdr-pci");
	fake_write(REAL "/mdev_supported_types/mdr-pci-hold/name", "");
	fake_write(REAL "/" MDEV_A "/recovery/stall_timeout_ms", "2000\n");
	fake_write(REAL "/" MDEV_A "/recovery/dead_access", "ones\n");
	fake_write("sys/bus/mdev/devices/none", "");
	kernel_link(REAL "/mdev_supported_types/mdr-pci-hold", REAL "/" MDEV_A "/mdev_type");
	kernel_link(REAL "/" MDEV_A, "sys/bus/mdev/devices/" MDEV_A);
	return 0;
}

static void all_is_read(void **state)
{
	struct mdr_mdev *mdev;
	const char *value;

	(void)state;
	assert_int_equal(mdr_mdev_get(mdr, MDEV_A, &mdev), 0);
	assert_string_equal(mdr_mdev_uuid(mdev), MDEV_A);
	assert_string_equal(mdr_mdev_type(mdev), "mdr-pci-hold");
	assert_string_equal(mdr_mdev_function(mdev), FUNCTION);
	assert_string_equal(mdr_mdev_setting(mdev, 0, &value), "dead_access");
	assert_string_equal(value, "ones");
	assert_string_equal(mdr_mdev_setting(mdev, 1, &value), "stall_timeout_ms");
	assert_string_equal(value, "2000");
	assert_null(mdr_mdev_setting(mdev, 2, &value));
	mdr_mdev_free(mdev);
}

static void no_mdev(void **state)
{
	struct mdr_mdev *mdev;

	(void)state;
	fake_write("sys/bus/mdev/devices/" MDEV_B "/mdev_type/name", "");
	assert_int_equal(mdr_mdev_get(mdr, MDEV_B, &mdev), -ENOENT);
	assert_int_equal(mdr_mdev_get(mdr, "11111111-2222-4333-8444-55555555cccc", &mdev), -ENOENT);
	assert_int_equal(mdr_mdev_get(mdr, "11111111-2222-4333-8444-55555555AAAA", &mdev), -EINVAL);
	assert_int_equal(mdr_mdev_get(mdr, "..", &mdev), -EINVAL);
}

static void set(void **state)
{
	(void)state;
	assert_int_equal(mdr_mdev_set(mdr, MDEV_A, "dead_access", "fault"), 0);
	assert_string_equal(fake_read(REAL "/" MDEV_A "/recovery/dead_access"), "fault");
	assert_int_equal(mdr_mdev_set(mdr, MDEV_A, "patience", "1"), -ENOENT);
	assert_int_equal(mdr_mdev_set(mdr, MDEV_A, "../remove", "1"), -ENOENT);
	assert_int_equal(mdr_mdev_set(mdr, MDEV_A, "..", "1"), -ENOENT);
	assert_int_equal(mdr_mdev_set(mdr, MDEV_A, "", "1"), -ENOENT);
	/* sysfs takes no notice of an empty write */
	assert_int_equal(mdr_mdev_set(mdr, MDEV_A, "dead_access", ""), -EINVAL);
	assert_string_equal(fake_read(REAL "/" MDEV_A "/recovery/dead_access"), "fault");
	assert_int_equal(mdr_mdev_set(mdr, MDEV_B, "dead_access", "ones"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_read, setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(no_mdev, setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(set, setup, kernel_teardown),
	};

	return cmocka_run_group_tests_name("mdev", tests, NULL, NULL);
}
