// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a domain needs to be told is found before there is an error, for each of its mdevs.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "check.h"
#include "fake_root.h"
#include "route.h"
#include "test.h"

#define MDEV(uuid_, bus_) \
	"<hostdev mode='subsystem' type='mdev'><source><address uuid='" uuid_ "'/></source>" \
	"<address type='pci' bus='" bus_ "'/></hostdev>"
#define PORT(index_) \
	"<controller type='pci' index='" index_ "' model='pcie-root-port'>" \
	"<alias name='pci." index_ "'/></controller>"
#define DOMAIN(devices_) \
	"<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>" \
	"<devices>" devices_ "</devices>" \
	"<qemu:commandline><qemu:arg value='" \
	"ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off'/></qemu:commandline></domain>"
#define ONE DOMAIN(PORT("1") MDEV(MDEV_A, "0x01"))

static struct json_object *findings;

static void type(const char *mdev, const char *name)
{
	char target[128];

	fake_write(fake_path("sys/bus/mdev/devices/%s/x", mdev) + strlen(fake_root) + 1, "");
	snprintf(target, sizeof(target), "../types/%s", name);
	unlink(fake_path("sys/bus/mdev/devices/%s/mdev_type", mdev));
	assert_int_equal(symlink(target, fake_path("sys/bus/mdev/devices/%s/mdev_type", mdev)), 0);
}

static int setup(void **state)
{
	fake_root_setup(state);
	fake_group("group16", "open", "hold", 3, MDEV_A);
	fake_group("group2", "open", "hold", 3, MDEV_B);
	type(MDEV_A, "mdr-pci-hold");
	type(MDEV_B, "acme-hold");
	findings = NULL;
	return 0;
}

static int teardown(void **state)
{
	json_object_put(findings);
	return fake_root_teardown(state);
}

static int look(const char *xml, const char *halted)
{
	char sysfs[96];

	json_object_put(findings);
	findings = json_object_new_array();
	snprintf(sysfs, sizeof(sysfs), "%s/sys", fake_root);
	return check_domain(sysfs, "vm", xml, halted, findings);
}

static const char *get(size_t index, const char *key)
{
	struct json_object *finding = json_object_array_get_idx(findings, index);

	return json_object_get_string(json_object_object_get(finding, key));
}

static void finds(size_t index, const char *level, const char *check, const char *object,
		  const char *text, const char *next)
{
	assert_string_equal(get(index, "level"), level);
	assert_string_equal(get(index, "check"), check);
	assert_string_equal(get(index, "object"), object);
	assert_string_equal(get(index, "text"), text);
	if (next)
		assert_string_equal(get(index, "next"), next);
	else
		assert_null(get(index, "next"));
}

static void all_is_well(void **state)
{
	(void)state;
	assert_int_equal(look(ONE, NULL), 0);
	finds(0, "PASS", "guest-type", MDEV_A, "is of type hold: the guest is told", NULL);
	finds(1, "PASS", "guest-port", MDEV_A, "its errors can be reported at port pci.1",
	      NULL);
	assert_string_equal(get(2, "check"), "guest-kernel");
	assert_int_equal(json_object_array_length(findings), 3);
}

static void types(void **state)
{
	(void)state;
	type(MDEV_A, "mdr-pci-evict");
	assert_int_equal(look(ONE, NULL), 0);
	assert_string_equal(get(0, "level"), "WARN");
	assert_non_null(strstr(get(0, "text"), "type evict"));
	type(MDEV_A, "mdr-pci-resume");
	assert_int_equal(look(ONE, NULL), 0);
	assert_non_null(strstr(get(0, "text"), "type resume: the guest is not told, but has to"));
}

static void ports(void **state)
{
	(void)state;
	assert_int_equal(look(DOMAIN(PORT("1") MDEV(MDEV_A, "0x01")
				     "<interface><address type='pci' bus='0x01'/></interface>"),
			      NULL), 0);
	finds(1, "FAIL", "guest-port", MDEV_A,
	      "another device is below the guest's port (interface)",
	      "give it a pcie-root-port of its own");
	assert_int_equal(look(DOMAIN(MDEV(MDEV_A, "0x00")), NULL), 0);
	finds(1, "FAIL", "guest-port", MDEV_A, "it is below no port of the guest",
	      "give it a pcie-root-port of its own");
	assert_int_equal(look("<domain><devices>" PORT("1") MDEV(MDEV_A, "0x01")
			      "</devices></domain>", NULL), 0);
	finds(1, "FAIL", "guest-port", MDEV_A,
	      "the guest's port cannot report an active link",
	      "set its x-speed to 5, see mdr-agent(8)");
	assert_int_equal(look(ONE, route_paused), 0);
	finds(1, "FAIL", "guest-port", MDEV_A, "the domain is paused", "resume it");
}

/* Those of one error may be below one port, others may not; each has its own findings. */
static void two(void **state)
{
	static const char same[] =
		DOMAIN(PORT("1") MDEV(MDEV_A, "0x01") MDEV(MDEV_B, "0x01"));

	(void)state;
	assert_int_equal(look(same, NULL), 0);
	assert_int_equal(json_object_array_length(findings), 5);
	finds(3, "PASS", "guest-port", MDEV_B, "its errors can be reported at port pci.1",
	      NULL);
	fake_group("group2", "open", "hold", 4, MDEV_B);
	assert_int_equal(look(same, NULL), 0);
	finds(1, "FAIL", "guest-port", MDEV_A, "an mdev below the same port has no error",
	      "give each its own pcie-root-port");
	assert_int_equal(look(DOMAIN(PORT("1") PORT("2") MDEV(MDEV_A, "0x01")
				     MDEV(MDEV_B, "0x02")), NULL), 0);
	assert_string_equal(get(1, "level"), "PASS");
	assert_string_equal(get(3, "level"), "PASS");
	fake_group_remove("group2");
	assert_int_equal(look(same, NULL), 0);
	assert_int_equal(json_object_array_length(findings), 3);
	assert_non_null(strstr(get(1, "text"), "a foreign mdev is below the same port"));
}

static void none(void **state)
{
	(void)state;
	assert_int_equal(look(DOMAIN(""), NULL), 0);
	assert_int_equal(json_object_array_length(findings), 1);
	finds(0, "WARN", "guest", "vm", "has no mdev of mdev_recovery",
	      "see libvirt.md, Give it to the domain");
	assert_int_equal(look("<pool/>", false), -EINVAL);
	assert_int_equal(look("<domain", false), -EINVAL);
}

#define CAPABILITIES(models_) "<capabilities><host>" models_ "</host></capabilities>"
#define APPARMOR \
	"<secmodel><model>apparmor</model><baselabel type='kvm'>no</baselabel></secmodel>"
#define DAC \
	"<secmodel><model>dac</model><baselabel type='kvm'>+64055:+64055</baselabel>" \
	"<baselabel type='qemu'>+64055:+64055</baselabel></secmodel>"
#define LABEL(model_, label_) \
	"<seclabel type='dynamic' model='" model_ "'><label>" label_ "</label></seclabel>"

static void is_qemu(const char *xml, const char *capabilities, bool running, const char *user,
		    const char *mdevs)
{
	struct json_object *qemu = check_qemu("vm", xml, capabilities, 524288, running);
	char want[256];

	snprintf(want, sizeof(want),
		 "{\"domain\":\"vm\",\"running\":%s,\"memory_kib\":524288,\"user\":%s,\"mdevs\":[%s]}",
		 running ? "true" : "false", user, mdevs);
	assert_string_equal(json_object_to_json_string_ext(qemu, JSON_C_TO_STRING_PLAIN), want);
	json_object_put(qemu);
}

/* The user of a domain's QEMU is its own, or else that of libvirt. */
static void qemu(void **state)
{
	(void)state;
	is_qemu(ONE, CAPABILITIES(APPARMOR DAC), false, "\"+64055:+64055\"", "\"" MDEV_A "\"");
	is_qemu("<domain><devices/>" LABEL("apparmor", "no") LABEL("dac", "+7:+8") "</domain>",
		CAPABILITIES(DAC), true, "\"+7:+8\"", "");
	is_qemu(DOMAIN(MDEV(MDEV_A, "1") MDEV(MDEV_B, "2")), CAPABILITIES(APPARMOR), true,
		"null", "\"" MDEV_A "\",\"" MDEV_B "\"");
	is_qemu("<domain", NULL, false, "null", "");
}

/* libvirt's own driver for tests has one domain, "test". */
static void libvirt(void **state)
{
	(void)state;
	assert_int_equal(check_print("/sys", "test:///default", "nobody"), 3);
	assert_int_equal(check_print("/sys", "nonsense:///", "test"), 1);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_well, setup, teardown),
		cmocka_unit_test_setup_teardown(types, setup, teardown),
		cmocka_unit_test_setup_teardown(ports, setup, teardown),
		cmocka_unit_test_setup_teardown(two, setup, teardown),
		cmocka_unit_test_setup_teardown(none, setup, teardown),
		cmocka_unit_test_setup_teardown(qemu, setup, teardown),
		cmocka_unit_test_setup_teardown(libvirt, setup, teardown),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
