// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions are read as they are, go to another driver and back, and are where they
 * were if that fails.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_root.h"
#include "kernel.h"

static const char *driver(void)
{
	static char name[64];
	struct mdr_function *function;

	assert_int_equal(mdr_function_get(mdr, FUNCTION, &function), 0);
	snprintf(name, sizeof(name), "%s", mdr_function_driver(function) ?
		 mdr_function_driver(function) : "none");
	mdr_function_free(function);
	return name;
}

static const char *override(void)
{
	return fake_read(PCI "/driver_override");
}

static void all_is_read(void **state)
{
	struct mdr_function *function;

	(void)state;
	kernel_function("igb");
	assert_int_equal(mdr_function_get(mdr, "05:00.0", &function), 0);
	assert_string_equal(mdr_function_address(function), FUNCTION);
	assert_string_equal(mdr_function_driver(function), "igb");
	assert_null(mdr_function_override(function));
	assert_int_equal(mdr_function_group(function), 16);
	assert_string_equal(mdr_function_port(function), PORT);
	assert_int_equal(mdr_function_class(function), 0x020000);
	assert_int_equal(mdr_function_vendor(function), 0x8086);
	assert_int_equal(mdr_function_device(function), 0x10c9);
	mdr_function_free(function);
}

static void nothing_around(void **state)
{
	struct mdr_function *function;

	(void)state;
	kernel_function(NULL);
	unlink(fake_path(PCI "/iommu_group"));
	fake_write("sys/devices/pci0000:00/0000:00:1f.0/class", "0x060100\n");
	kernel_link("sys/devices/pci0000:00/0000:00:1f.0", "sys/bus/pci/devices/0000:00:1f.0");
	assert_int_equal(mdr_function_get(mdr, FUNCTION, &function), 0);
	assert_null(mdr_function_driver(function));
	assert_int_equal(mdr_function_group(function), -1);
	mdr_function_free(function);
	assert_int_equal(mdr_function_get(mdr, "0000:00:1f.0", &function), 0);
	assert_null(mdr_function_port(function));
	mdr_function_free(function);
}

/* VMD has a bus of its own below a function. */
static void below_vmd(void **state)
{
	static const char path[] =
		"sys/devices/pci0000:e0/0000:e0:00.5/pci10000:e0/10000:e0:06.0/10000:e1:00.0";
	struct mdr_function *function;
	char file[128];

	(void)state;
	kernel_function(NULL);
	snprintf(file, sizeof(file), "%s/class", path);
	fake_write(file, "0x010802\n");
	kernel_link(path, "sys/bus/pci/devices/10000:e1:00.0");
	assert_int_equal(mdr_function_get(mdr, "10000:e1:00.0", &function), 0);
	assert_string_equal(mdr_function_port(function), "10000:e0:06.0");
	mdr_function_free(function);
}

static void is_none(const char *address, int error)
{
	struct mdr_function *function;

	assert_int_equal(mdr_function_get(mdr, address, &function), error);
}

static void no_function(void **state)
{
	(void)state;
	kernel_function("igb");
	is_none("", -EINVAL);
	is_none("matrix", -EINVAL);
	is_none("../0000:05:00.0", -EINVAL);
	is_none("0000:05:00.8", -EINVAL);
	is_none("0000:05:00.00", -EINVAL);
	is_none("0000:0g:00.0", -EINVAL);
	is_none("0000:06:00.0", -ENOENT);
	is_none("06:00.0", -ENOENT);
}

/* Nor is it cut, which would make another driver's name of it. */
static void long_names(void **state)
{
	char longest[NAME_MAX + 1], too_long[NAME_MAX + 2], line[NAME_MAX + 2];

	(void)state;
	kernel_function("igb");
	memset(longest, 'x', NAME_MAX);
	longest[NAME_MAX] = 0;
	memset(too_long, 'x', NAME_MAX + 1);
	too_long[NAME_MAX + 1] = 0;
	assert_int_equal(mdr_function_bind(mdr, FUNCTION, too_long), -ENAMETOOLONG);
	assert_string_equal(driver(), "igb");
	/* what it was before comes back whole */
	snprintf(line, sizeof(line), "%s\n", longest);
	fake_write(PCI "/driver_override", line);
	kernel_refuses = true;
	assert_true(mdr_function_bind(mdr, FUNCTION, MDR_DRIVER) < 0);
	assert_string_equal(override(), line);
}

static void bind_and_back(void **state)
{
	(void)state;
	kernel_function("igb");
	assert_int_equal(mdr_function_bind(mdr, "05:00.0", MDR_DRIVER), 0);
	assert_string_equal(driver(), "mdr-pci");
	assert_string_equal(override(), "mdr-pci\n");
	assert_int_equal(kernel_unbinds, 1);
	assert_int_equal(mdr_function_bind(mdr, FUNCTION, MDR_DRIVER), 0);
	assert_string_equal(driver(), "mdr-pci");
	assert_int_equal(mdr_function_unbind(mdr, FUNCTION), 0);
	assert_string_equal(driver(), "igb");
	assert_string_equal(override(), "\n");
}

static void bind_unbound(void **state)
{
	(void)state;
	kernel_function(NULL);
	assert_int_equal(mdr_function_bind(mdr, FUNCTION, MDR_DRIVER), 0);
	assert_string_equal(driver(), "mdr-pci");
}

/* udev and the service, at boot */
static void bind_at_once(void **state)
{
	(void)state;
	kernel_function("igb");
	kernel_is_bound_by_another = true;
	assert_int_equal(mdr_function_bind(mdr, FUNCTION, MDR_DRIVER), 0);
	assert_string_equal(driver(), "mdr-pci");
	assert_int_equal(kernel_unbinds, 0);
}

static void bind_refused(void **state)
{
	(void)state;
	kernel_function("igb");
	kernel_refuses = true;
	assert_int_equal(mdr_function_bind(mdr, FUNCTION, MDR_DRIVER), -ENODEV);
	assert_string_equal(driver(), "igb");
	assert_string_equal(override(), "\n");
	assert_int_equal(mdr_function_bind(mdr, "0000:06:00.0", MDR_DRIVER), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_read, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(nothing_around, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(below_vmd, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(no_function, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(bind_and_back, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(bind_unbound, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(bind_at_once, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(bind_refused, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(long_names, kernel_setup, kernel_teardown),
	};

	return cmocka_run_group_tests_name("function", tests, NULL, NULL);
}
