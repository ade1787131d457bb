// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_root.h"
#include "kernel.h"

#define REAL "sys/devices/pci0000:00/" PORT "/" FUNCTION

struct mdr *mdr;
bool kernel_refuses, kernel_is_bound_by_another;
unsigned int kernel_unbinds;

void kernel_link(const char *target, const char *path)
{
	char to[512];

	snprintf(to, sizeof(to), "%s", fake_path("%s", target));
	unlink(fake_path("%s", path));
	assert_int_equal(symlink(to, fake_path("%s", path)), 0);
}

static void bind_to(const char *driver)
{
	char path[256];

	unlink(fake_path(REAL "/driver"));
	if (!driver)
		return;
	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/unbind", driver);
	fake_write(path, "");
	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", driver);
	kernel_link(path, REAL "/driver");
}

/* Only the driver that has the function can lose it. */
static void unbound_from(const char *unbind)
{
	char has[PATH_MAX], from[PATH_MAX], *end;

	if (!realpath(fake_path(REAL "/driver"), has) || !realpath(unbind, from))
		return;
	end = strrchr(from, '/');
	*end = 0;
	if (strcmp(has, from))
		return;
	bind_to(NULL);
	kernel_unbinds++;
}

/* What the kernel does about it. The usual driver of the function is igb. */
static void written(const char *path, const char *value)
{
	const char *file = strrchr(path, '/') + 1;
	char override[64] = "";

	if (!strcmp(file, "unbind")) {
		assert_string_equal(value, FUNCTION);
		unbound_from(path);
	}
	if (!strcmp(file, "driver_override") && kernel_is_bound_by_another)
		bind_to("mdr-pci");
	if (strcmp(file, "drivers_probe"))
		return;
	assert_string_equal(value, FUNCTION);
	if (!access(fake_path(REAL "/driver"), F_OK))
		return;
	snprintf(override, sizeof(override), "%s", fake_read(REAL "/driver_override"));
	override[strcspn(override, "\n")] = 0;
	if (!*override)
		bind_to("igb");
	else if (!kernel_refuses)
		bind_to(override);
}

int kernel_setup(void **state)
{
	(void)state;
	fake_root_make();
	mdr = mdr_new(fake_root);
	assert_non_null(mdr);
	mdr->written = written;
	kernel_refuses = false;
	kernel_is_bound_by_another = false;
	kernel_unbinds = 0;
	return 0;
}

int kernel_teardown(void **state)
{
	(void)state;
	mdr_free(mdr);
	fake_root_remove();
	return 0;
}

void kernel_function(const char *driver)
{
	fake_write(REAL "/driver_override", "(null)\n");
	fake_write(REAL "/class", "0x020000\n");
	fake_write(REAL "/vendor", "0x8086\n");
	fake_write(REAL "/device", "0x10c9\n");
	fake_write("sys/bus/pci/devices/none", "");
	fake_write("sys/bus/pci/drivers_probe", "");
	fake_write("sys/kernel/iommu_groups/16/type", "DMA\n");
	kernel_link(REAL, "sys/bus/pci/devices/" FUNCTION);
	kernel_link("sys/kernel/iommu_groups/16", REAL "/iommu_group");
	bind_to(driver);
}

static void group_file(const char *name, const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "sys/class/mdev_recovery/%s/%s", name, file);
	fake_write(path, text);
}

void kernel_group(const char *name, const char *state)
{
	fake_group(name, state, "hold", 7, MDEV_A);
	group_file(name, "cause", "fatal\n");
	group_file(name, "policy", "hold\n");
	group_file(name, "functions", FUNCTION "\n0000:05:00.1\n");
	group_file(name, "domain", PORT "\n");
	group_file(name, "blockers", "0000:05:00.2 " PORT "\n0000:05:00.3 0000:02:01.0\n");
	group_file(name, "recover", "");
	group_file(name, "stats/recoveries", "3\n");
	group_file(name, "stats/stall_ns_max", "9000000000\n");
	group_file(name, FUNCTION, "");
	group_file(name, "power/control", "auto\n");
}
