// SPDX-License-Identifier: GPL-2.0-only
/* An administrator's mistakes: each gives the right errno and changes nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "klog.h"
#include "mdev.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "sysfs.h"

#define PORT "rp_igb2"
#define DRIVER "/sys/bus/pci/drivers/mdr-pci"
#define DEVICE "/sys/bus/pci/devices/%s"

static const char * const bad_values[][2] = {
	{ "dead_access", "foo" },
	{ "dead_access", "\n" },
	{ "dead_access", "ones fault" },
	{ "nonfatal_action", "panic" },
	{ "stall_timeout_ms", "-1" },
	{ "stall_timeout_ms", "99999999999" },
	{ "stall_timeout_ms", "3600001" },
	{ "stall_timeout_ms", "\n" },
	{ "stall_timeout_ms", "12x" },
	{ "stall_timeout_ms", "0x10" },
	{ "recovery_timeout_ms", "5" },
	{ "hold_timeout_ms", "18446744073709551617" },
	{ "reset_elision", "always" },
	{ "revoke", "please" },
	{ "revoke_timeout_ms", "-1" },
};

static const char * const good_values[][2] = {
	{ "dead_access", "fault" },
	{ "nonfatal_action", "reset" },
	{ "stall_timeout_ms", "0" },
	{ "hold_timeout_ms", "3600000" },
	{ "recovery_timeout_ms", "100" },
	{ "reset_elision", "pristine" },
	{ "revoke", "kill" },
	{ "revoke_timeout_ms", "0" },
};

static unsigned int complaints(void)
{
	return klog_count("not a number from") + klog_count(": neither ");
}

SCENARIO(bad_input_attributes,
	 "a bad value of an attribute is EINVAL, changes nothing and is told in one line")
{
	const unsigned int nr_bad = sizeof(bad_values) / sizeof(bad_values[0]);
	const unsigned int nr_good = sizeof(good_values) / sizeof(good_values[0]);
	char before[32], after[32];
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	for (unsigned int i = 0; i < nr_bad; i++) {
		const char *name = bad_values[i][0];

		REQUIRE(sysfs_read(before, sizeof(before), MDEV_DIR "/%s/recovery/%s",
				   s.uuid, name) > 0, "%s", name);
		if (!CHECK_ERRNO(shim_set(&s, name, bad_values[i][1]), EINVAL))
			note("%s=%s", name, bad_values[i][1]);
		sysfs_read(after, sizeof(after), MDEV_DIR "/%s/recovery/%s", s.uuid, name);
		CHECK(!strcmp(before, after), "%s is %s, was %s", name, after, before);
		CHECK(complaints() == i + 1, "%u lines after %u bad values", complaints(),
		      i + 1);
	}
	CHECK_ERRNO(shim_set(&s, "no_such_attribute", "1"), ENOENT);
	for (unsigned int i = 0; i < nr_good; i++) {
		CHECK_OK(shim_set(&s, good_values[i][0], good_values[i][1]));
		sysfs_read(after, sizeof(after), MDEV_DIR "/%s/recovery/%s", s.uuid,
			   good_values[i][0]);
		CHECK(!strcmp(after, good_values[i][1]), "%s is %s", good_values[i][0], after);
	}
	CHECK_ERRNO(sysfs_write("maybe", SHIM_CLASS "/group%d/recover", s.group), EINVAL);
	CHECK_ERRNO(sysfs_write("0", SHIM_CLASS "/group%d/recover", s.group), EINVAL);
	CHECK(klog_count("recover: only 1 can be written") == 2, "%u lines",
	      klog_count("recover: only 1 can be written"));
	CHECK_ERRNO(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group), EINVAL);
	CHECK(klog_count("recover: state is not failed") == 1, "%u lines",
	      klog_count("recover: state is not failed"));
	CHECK(shim_is(s.group, "open"), "not open any more");
	MEASURE("refused", "%u", nr_bad);
}

static long available(const struct shim *s, const char *policy)
{
	return sysfs_read_number(DEVICE "/mdev_supported_types/mdr-pci-%s/available_instances",
				 s->addr, policy);
}

SCENARIO(bad_input_mdev,
	 "an unknown type, a UUID in use, and a second mdev of a function are refused")
{
	static const char second[] = "11111111-2222-4333-8444-555555555555";
	struct shim s, other;

	REQUIRE_OK(shim_bind(&s, "rp_igb", 0));
	REQUIRE_OK(shim_bind(&other, "rp_igb", 1));
	CHECK_ERRNO(mdev_create(s.addr, "mdr-pci-forget", second), ENOENT);
	CHECK_ERRNO(mdev_create(s.addr, "mdr-pci-hold", "not-a-uuid"), EINVAL);
	CHECK(available(&s, "hold") == 1, "%ld instances", available(&s, "hold"));

	REQUIRE_OK(shim_create(&s, "resume"));
	CHECK_ERRNO(mdev_create(other.addr, "mdr-pci-resume", s.uuid), EEXIST);
	CHECK_ERRNO(mdev_create(s.addr, "mdr-pci-hold", second), EUSERS);
	CHECK(available(&s, "hold") == 0 && available(&other, "hold") == 1,
	      "%ld and %ld instances", available(&s, "hold"), available(&other, "hold"));
	CHECK(!sysfs_exists(MDEV_DIR "/%s", second), "it is there");
	REQUIRE_OK(shim_create(&other, "evict"));
}

/* Binds as an administrator does, and returns the error. */
static int bind_loudly(const char *addr)
{
	int ret;

	ret = pci_unbind(addr);
	if (!ret)
		ret = sysfs_write("mdr-pci", DEVICE "/driver_override", addr);
	return ret ? ret : sysfs_write(addr, DRIVER "/bind");
}

SCENARIO(bad_input_bridge, "a bridge is refused with EINVAL and one line, and works as before")
{
	const char *port = pci_port_addr("rp_empty");
	char driver[32];

	REQUIRE_OK(shim_load());
	REQUIRE_OK(pci_driver(port, driver, sizeof(driver)));
	CHECK_ERRNO(bind_loudly(port), EINVAL);
	CHECK(klog_count("is a bridge") == 1, "%u lines", klog_count("is a bridge"));
	sysfs_write("\n", DEVICE "/driver_override", port);
	sysfs_write(port, "/sys/bus/pci/drivers_probe");
	pci_driver(port, driver, sizeof(driver));
	CHECK(!strcmp(driver, "pcieport"), "its driver is '%s'", driver);
}

SCENARIO(bad_input_no_iommu_group,
	 "a function in no IOMMU group is refused with ENODEV and one line")
{
	char addr[PCI_ADDR_LEN];

	REQUIRE_OK(shim_load());
	REQUIRE_OK(pci_below("rp_noiommu", 0, addr));
	CHECK_ERRNO(bind_loudly(addr), ENODEV);
	CHECK(klog_count("is in no IOMMU group") == 1, "%u lines",
	      klog_count("is in no IOMMU group"));
	CHECK(!sysfs_exists(DEVICE "/mdev_supported_types", addr), "it is offered");
}
