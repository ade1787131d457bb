// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is no device of ours is not opened, and leaves no file open. The rest takes a real
 * one: tests/vm/scenarios/example.c.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_root.h"
#include "kernel.h"

static unsigned int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void not_opened(void **state)
{
	unsigned int before = open_files();
	struct mdr_device *device;

	(void)state;
	assert_int_equal(mdr_device_open(mdr, "../" MDEV_A, &device), -EINVAL);
	assert_int_equal(mdr_device_open(mdr, MDEV_A, &device), -ENOENT);
	fake_write("sys/bus/mdev/devices/" MDEV_A "/remove", "");
	kernel_link("sys/kernel/iommu_groups/16", "sys/bus/mdev/devices/" MDEV_A "/iommu_group");
	assert_int_equal(mdr_device_open(mdr, MDEV_A, &device), -ENOENT);
	fake_write("dev/vfio/16", "");
	assert_int_equal(mdr_device_open(mdr, MDEV_A, &device), -ENOENT);
	/* a file that is no vfio group */
	fake_write("dev/vfio/vfio", "");
	assert_int_equal(mdr_device_open(mdr, MDEV_A, &device), -ENOTTY);
	assert_int_equal(open_files(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(not_opened, kernel_setup, kernel_teardown),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
