// SPDX-License-Identifier: GPL-2.0-only
/* Every mdev in a domain's XML is found, nothing else, and with the XML to re-attach it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fake_root.h"
#include "hostdev.h"
#include "test.h"

static int found;
static char mdevs[4][UUID_SIZE], xmls[4][1024];

static void take(const char *mdev, const char *xml, void *arg)
{
	assert_ptr_equal(arg, &found);
	assert_in_range(found, 0, 3);
	snprintf(mdevs[found], UUID_SIZE, "%s", mdev);
	snprintf(xmls[found++], sizeof(xmls[0]), "%s", xml);
}

static int parse(const char *xml)
{
	found = 0;
	return hostdev_each(xml, take, &found);
}

#define MDEV(uuid_, more_) \
	"<hostdev mode='subsystem' type='mdev' managed='no' model='vfio-pci'>" \
	"<source><address uuid='" uuid_ "'/></source>" more_ "</hostdev>"

#define PCI \
	"<hostdev mode='subsystem' type='pci'><source>" \
	"<address domain='0' bus='5' slot='0' function='0'/></source></hostdev>"
#define OTHER \
	"<hostdev mode='subsystem' type='other'><source>" \
	"<address uuid='" DOMAIN_A "'/></source></hostdev>"
#define DEVICES(devices_) \
	"<domain type='kvm' id='3'><name>a</name><devices>" devices_ "</devices></domain>"

static void all_mdevs(void **state)
{
	assert_int_equal(parse(DEVICES(PCI MDEV(MDEV_A, "") "<disk/>" MDEV(MDEV_B, "") OTHER)), 0);
	assert_int_equal(found, 2);
	assert_string_equal(mdevs[0], MDEV_A);
	assert_string_equal(mdevs[1], MDEV_B);
}

#define ADDRESS "<address type='pci' bus='0x04' slot='0x00'/>"

/* libvirt may have given its alias to another device; the place and a user's alias stay. */
static void what_attaches(void **state)
{
	assert_int_equal(parse(DEVICES(MDEV(MDEV_A, "<alias name='hostdev0'/>" ADDRESS)
				       MDEV(MDEV_B, "<alias name='ua-disk'/>"))), 0);
	assert_int_equal(found, 2);
	assert_null(strstr(xmls[0], "alias"));
	assert_non_null(strstr(xmls[0], "bus=\"0x04\""));
	assert_non_null(strstr(xmls[0], MDEV_A));
	assert_non_null(strstr(xmls[0], "model=\"vfio-pci\""));
	assert_null(strstr(xmls[0], MDEV_B));
	assert_non_null(strstr(xmls[1], "ua-disk"));
}

static void upper_case(void **state)
{
	assert_int_equal(parse(DEVICES(MDEV("11111111-2222-4333-8444-55555555AAAA", ""))), 0);
	assert_int_equal(found, 1);
	assert_string_equal(mdevs[0], MDEV_A);
}

/* Only UUIDs are accepted: no path leads out of sysfs. */
static void bad_uuids(void **state)
{
	static const char * const bad[] = {
		"", "..", "../../../../../../../../../../etc/shadow",
		"11111111-2222-4333-8444-55555555aaa", "11111111-2222-4333-8444-55555555aaaaa",
		"11111111-2222-4333-8444/55555555aaaa", "g1111111-2222-4333-8444-55555555aaaa",
	};
	char xml[512];

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		snprintf(xml, sizeof(xml), DEVICES(MDEV("%s", "")), bad[i]);
		assert_int_equal(parse(xml), 0);
		assert_int_equal(found, 0);
	}
}

static void not_a_domain(void **state)
{
	static const char * const bad[] = {
		"", "<", "text", "<domain>", "<network/>", "<domain><devices></domain>",
		"<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><network>&x;</network>",
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(parse(bad[i]), -EINVAL);
		assert_int_equal(found, 0);
	}
	assert_int_equal(parse("<domain/>"), 0);
	assert_int_equal(found, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_mdevs),
		cmocka_unit_test(what_attaches),
		cmocka_unit_test(upper_case),
		cmocka_unit_test(bad_uuids),
		cmocka_unit_test(not_a_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
