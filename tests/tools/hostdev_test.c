// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every mdev in a domain's XML is found, nothing else, with the XML to re-attach it, and
 * with what is above it in the guest.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fake_root.h"
#include "hostdev.h"
#include "test.h"

static int found;
static struct hostdev hostdevs[4];
static char xmls[4][1024];

static void take(const struct hostdev *hostdev, void *arg)
{
	assert_ptr_equal(arg, &found);
	assert_in_range(found, 0, 3);
	hostdevs[found] = *hostdev;
	snprintf(xmls[found++], sizeof(xmls[0]), "%s", hostdev->xml);
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
	assert_string_equal(hostdevs[0].mdev, MDEV_A);
	assert_string_equal(hostdevs[1].mdev, MDEV_B);
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
	assert_string_equal(hostdevs[0].mdev, MDEV_A);
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

/*
 * What is above it in the guest
 */
#define PORT(index_, model_, more_) \
	"<controller type='pci' index='" index_ "' model='" model_ "'>" \
	"<alias name='pci." index_ "'/>" more_ "</controller>"
#define BELOW(bus_) \
	"<address type='pci' domain='0x0000' bus='" bus_ "' slot='0x00' function='0x0'/>"
#define FAST_DOMAIN(devices_, more_) \
	"<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>" \
	"<devices>" devices_ "</devices>" more_ "</domain>"
#define SPEED(alias_, value_) \
	"<qemu:override><qemu:device alias='" alias_ "'><qemu:frontend>" \
	"<qemu:property name='x-speed' type='string' value='" value_ "'/>" \
	"</qemu:frontend></qemu:device></qemu:override>"
#define NO_ACPI \
	"<qemu:commandline><qemu:arg value='-global'/>" \
	"<qemu:arg value='ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off'/></qemu:commandline>"
#define ACPI \
	"<qemu:commandline><qemu:arg value='-global'/>" \
	"<qemu:arg value='ICH9-LPC.acpi-pci-hotplug-with-bridge-support=on'/></qemu:commandline>"
#define NAMELESS_PORT "<controller type='pci' index='10' model='pcie-root-port'/>"
#define STRANGE_BUS "<address type='pci' bus=\"0x0a' or '1'='1\"/>"
#define NVME MDEV(MDEV_A, BELOW("0x0a"))
#define PORT_10 PORT("10", "pcie-root-port", "")

static void port_is_right(void **state)
{
	static const char * const good[] = {
		FAST_DOMAIN(PORT_10 NVME, SPEED("pci.10", "5")),
		FAST_DOMAIN(NVME PORT_10, SPEED("pci.10", "2_5")),
		FAST_DOMAIN(PORT_10 NVME, NO_ACPI),
		/* others sit below other ports, and the port itself on the root bus */
		FAST_DOMAIN(PORT("1", "pcie-root-port", BELOW("0x00")) PORT_10 NVME
			    "<interface>" BELOW("0x01") "</interface>"
			    MDEV(MDEV_B, BELOW("0x01")), NO_ACPI),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(parse(good[i]), 0);
		assert_string_equal(hostdevs[0].mdev, MDEV_A);
		assert_int_equal(hostdevs[0].obstacle, OBSTACLE_NONE);
		assert_string_equal(hostdevs[0].port, "pci.10");
		assert_int_equal(hostdevs[0].mdevs, 1);
		assert_string_equal(hostdevs[0].neighbour, "");
	}
}

static void link_cannot_be_active(void **state)
{
	static const char * const bad[] = {
		FAST_DOMAIN(PORT_10 NVME, ""),
		FAST_DOMAIN(PORT_10 NVME, SPEED("pci.1", "5")),
		FAST_DOMAIN(PORT_10 NVME, SPEED("pci.10", "16")),
		FAST_DOMAIN(PORT_10 NVME, ACPI),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i]), 0);
		assert_int_equal(hostdevs[0].obstacle, OBSTACLE_LINK);
	}
}

static void no_port(void **state)
{
	static const char * const bad[] = {
		FAST_DOMAIN(MDEV(MDEV_A, BELOW("0x00")), NO_ACPI),
		FAST_DOMAIN(PORT("0", "pcie-root", "") MDEV(MDEV_A, BELOW("0x00")), NO_ACPI),
		FAST_DOMAIN(MDEV(MDEV_A, ""), NO_ACPI),
		FAST_DOMAIN(NVME, NO_ACPI),
		FAST_DOMAIN(PORT_10 MDEV(MDEV_A, "<address type='ccw'/>"), NO_ACPI),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i]), 0);
		assert_int_equal(hostdevs[0].obstacle, OBSTACLE_NO_PORT);
	}
}

static void not_a_root_port(void **state)
{
	(void)state;
	assert_int_equal(parse(FAST_DOMAIN(PORT("10", "pcie-to-pci-bridge", "") NVME, NO_ACPI)), 0);
	assert_int_equal(hostdevs[0].obstacle, OBSTACLE_NOT_ROOT_PORT);
	assert_string_equal(hostdevs[0].neighbour, "pcie-to-pci-bridge");
	assert_int_equal(parse(FAST_DOMAIN(PORT("10", "pcie-switch-downstream-port", "") NVME,
					   NO_ACPI)), 0);
	assert_int_equal(hostdevs[0].obstacle, OBSTACLE_NOT_ROOT_PORT);
	/* a port without a name in QEMU */
	assert_int_equal(parse(FAST_DOMAIN(NAMELESS_PORT NVME, NO_ACPI)), 0);
	assert_int_equal(hostdevs[0].obstacle, OBSTACLE_NOT_ROOT_PORT);
}

/* Functions of one slot, and a bridge with all that is below it, are neighbours, too. */
static void neighbours(void **state)
{
	(void)state;
	assert_int_equal(parse(FAST_DOMAIN(PORT_10 NVME "<interface>" BELOW("0x0a") "</interface>",
					   NO_ACPI)), 0);
	assert_int_equal(hostdevs[0].obstacle, OBSTACLE_NEIGHBOUR);
	assert_string_equal(hostdevs[0].neighbour, "interface");
	assert_int_equal(parse(FAST_DOMAIN(PORT_10 NVME PORT("11", "pcie-switch-upstream-port",
							     BELOW("0x0a")), NO_ACPI)), 0);
	assert_int_equal(hostdevs[0].obstacle, OBSTACLE_NEIGHBOUR);
	assert_int_equal(parse(FAST_DOMAIN(PORT_10 NVME "<hostdev mode='subsystem' type='pci'>"
					   BELOW("0x0a") "</hostdev>", NO_ACPI)), 0);
	assert_int_equal(hostdevs[0].obstacle, OBSTACLE_NEIGHBOUR);
	/* mdevs are counted: whether they may be there is not for the XML to say */
	assert_int_equal(parse(FAST_DOMAIN(PORT_10 NVME MDEV(MDEV_B, BELOW("0x0a")), NO_ACPI)), 0);
	assert_int_equal(hostdevs[0].obstacle, OBSTACLE_NONE);
	assert_int_equal(hostdevs[0].mdevs, 2);
	assert_int_equal(hostdevs[1].mdevs, 2);
}

/* What libvirt would not write does not lead astray. */
static void strange(void **state)
{
	(void)state;
	assert_int_equal(parse(FAST_DOMAIN(PORT_10 MDEV(MDEV_A, STRANGE_BUS), NO_ACPI)), 0);
	assert_int_not_equal(hostdevs[0].obstacle, OBSTACLE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_mdevs),
		cmocka_unit_test(what_attaches),
		cmocka_unit_test(upper_case),
		cmocka_unit_test(bad_uuids),
		cmocka_unit_test(not_a_domain),
		cmocka_unit_test(port_is_right),
		cmocka_unit_test(link_cannot_be_active),
		cmocka_unit_test(no_port),
		cmocka_unit_test(not_a_root_port),
		cmocka_unit_test(neighbours),
		cmocka_unit_test(strange),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
