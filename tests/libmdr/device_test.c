// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is no device of ours is not opened, either way, and leaves no file open. The rest
 * takes a real one: tests/vm/scenarios/example.c.
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

#define MDEVS "sys/bus/mdev/devices/"

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
	fake_write(MDEVS MDEV_A "/remove", "");
	kernel_link("sys/kernel/iommu_groups/16", MDEVS MDEV_A "/iommu_group");
	assert_int_equal(mdr_device_open(mdr, MDEV_A, &device), -ENOENT);
	fake_write("dev/vfio/16", "");
	assert_int_equal(mdr_device_open(mdr, MDEV_A, &device), -ENOENT);
	/* a file that is no vfio group */
	fake_write("dev/vfio/vfio", "");
	assert_int_equal(mdr_device_open(mdr, MDEV_A, &device), -ENOTTY);
	assert_int_equal(open_files(), before);
}

static void no_character_device(void **state)
{
	unsigned int before = open_files();
	struct mdr_device *device;

	(void)state;
	assert_int_equal(mdr_device_open_cdev(mdr, "../" MDEV_A, &device), -EINVAL);
	assert_int_equal(mdr_device_open_cdev(mdr, MDEV_A, &device), -ENOENT);
	fake_write(MDEVS MDEV_A "/remove", "");
	assert_int_equal(mdr_device_open_cdev(mdr, MDEV_A, &device), -ENOENT);
	fake_write("sys/devices/vfio-dev/.hidden", "");
	kernel_link("sys/devices/vfio-dev", MDEVS MDEV_A "/vfio-dev");
	assert_int_equal(mdr_device_open_cdev(mdr, MDEV_A, &device), -ENOENT);
	/* the kernel has no character devices */
	fake_write("sys/devices/vfio-dev/vfio3/uevent", "");
	assert_int_equal(mdr_device_open_cdev(mdr, MDEV_A, &device), -EOPNOTSUPP);
	fake_write("sys/devices/vfio-dev/vfio3/dev", "510:3\n");
	assert_int_equal(mdr_device_open_cdev(mdr, MDEV_A, &device), -ENOENT);
	fake_write("dev/vfio/devices/vfio3", "");
	assert_int_equal(mdr_device_open_cdev(mdr, MDEV_A, &device), -ENOENT);
	/* files that are neither a device nor an iommufd */
	fake_write("dev/iommu", "");
	assert_int_equal(mdr_device_open_cdev(mdr, MDEV_A, &device), -ENOTTY);
	assert_int_equal(open_files(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(not_opened, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(no_character_device, kernel_setup,
						kernel_teardown),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
