// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a parent driver with a vfio driver of its own has to bring along. If something is
 * missing, the kernel warns of its programmer's mistake, and no machine of the tests may
 * warn. So the check is taken out of function.c, and runs here by itself.
 */
#include <stdbool.h>
#include <stddef.h>

#include "test.h"

struct vfio_pci_core_device {
	char size[100];
};

typedef void (*operation)(void);

struct vfio_device_ops {
	operation init, release, open_device, close_device, read, write, ioctl,
		device_feature, request, match, mmap;
};

struct mdr_parent_ops {
	const struct vfio_device_ops *device_ops;
	size_t device_size;
};

#include "parent_ops.c"

static void something(void)
{
}

/* mmap() is not needed. */
static const struct vfio_device_ops whole = {
	.init = something,
	.release = something,
	.open_device = something,
	.close_device = something,
	.read = something,
	.write = something,
	.ioctl = something,
	.device_feature = something,
	.request = something,
	.match = something,
};

static bool complete(const struct vfio_device_ops *ops, size_t size)
{
	const struct mdr_parent_ops parent = { .device_ops = ops, .device_size = size };

	return mdr_parent_ops_complete(&parent);
}

static void no_operations_have_no_size(void **state)
{
	assert_true(complete(NULL, 0));
	assert_false(complete(NULL, sizeof(struct vfio_pci_core_device)));
}

static void a_device_holds_one_of_the_core(void **state)
{
	assert_true(complete(&whole, sizeof(struct vfio_pci_core_device)));
	assert_true(complete(&whole, sizeof(struct vfio_pci_core_device) + 1));
	assert_false(complete(&whole, sizeof(struct vfio_pci_core_device) - 1));
	assert_false(complete(&whole, 0));
}

static void no_operation_is_missing(void **state)
{
	for (size_t at = 0; at < sizeof(whole); at += sizeof(operation)) {
		struct vfio_device_ops some = whole;

		*(operation *)((char *)&some + at) = NULL;
		assert_int_equal(complete(&some, sizeof(struct vfio_pci_core_device)),
				 at == offsetof(struct vfio_device_ops, mmap));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_operations_have_no_size),
		cmocka_unit_test(a_device_holds_one_of_the_core),
		cmocka_unit_test(no_operation_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
