// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs libvirt itself, with its test driver: a running domain with an mdev is
 * reported with its XML, events arrive, and a refused attach gives a reason.
 */
#include <string.h>

#include <libvirt/virterror.h>

#include "domains.h"
#include "fake_root.h"
#include "hostdev.h"
#include "test.h"

#define DOMAIN_XML \
	"<domain type='test'><name>guest</name><uuid>" DOMAIN_A "</uuid>" \
	"<memory>1024</memory><os><type>hvm</type></os><devices>" \
	"<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>" \
	"<address uuid='" MDEV_A "'/></source></hostdev></devices></domain>"

static int changes, mdevs, guests;

static void changed(void *arg)
{
	changes++;
}

static void see_mdev(const char *mdev, const char *xml, void *arg)
{
	assert_string_equal(mdev, MDEV_A);
	assert_non_null(strstr(xml, "hostdev"));
	mdevs++;
}

static void see_domain(const struct domain_view *domain, void *arg)
{
	if (strcmp(domain->name, "guest"))
		return;
	guests++;
	assert_string_equal(domain->uuid, DOMAIN_A);
	assert_true(domain->id > 0);
	assert_int_equal(hostdev_each(domain->xml, see_mdev, arg), 0);
}

static void on_timer(int timer, void *arg)
{
}

static void domain_with_mdev(void **state)
{
	struct domains domains = { .uri = "test:///default", .changed = changed };
	struct record record = { .domain = DOMAIN_A, .name = "guest", .xml = "<hostdev/>" };
	char message[256] = "";
	virDomainPtr domain;

	assert_true(domains_connect(&domains));
	assert_true(domains_connect(&domains));
	domain = virDomainCreateXML(domains.connection, DOMAIN_XML, 0);
	assert_non_null(domain);
	for (int i = 0; i < 100 && !changes; i++)
		assert_int_equal(virEventRunDefaultImpl(), 0);
	assert_true(changes > 0);

	assert_int_equal(domains_each(&domains, see_domain, NULL), 0);
	assert_int_equal(guests, 1);
	assert_int_equal(mdevs, 1);
	assert_true(domains_attach(&domains, &record, message, sizeof(message)) < 0);
	assert_true(message[0]);

	assert_int_equal(virDomainDestroy(domain), 0);
	virDomainFree(domain);
	assert_int_equal(domains_each(&domains, see_domain, NULL), 0);
	assert_int_equal(guests, 1);
	assert_true(domains_attach(&domains, &record, message, sizeof(message)) < 0);
	domains_disconnect(&domains);
	assert_true(domains_each(&domains, see_domain, NULL) < 0);
}

/* No daemon: no connection, no wait. */
static void nobody_there(void **state)
{
	struct domains domains = {
		.uri = "qemu+unix:///system?socket=/nonexistent/socket&mode=direct",
		.changed = changed,
	};
	struct record record = { .domain = DOMAIN_A, .xml = "" };
	char message[64];

	assert_false(domains_connect(&domains));
	assert_false(domains_connect(&domains));
	assert_true(domains_each(&domains, see_domain, NULL) < 0);
	assert_true(domains_attach(&domains, &record, message, sizeof(message)) < 0);
	domains_disconnect(&domains);
}

static void no_print(void *arg, virErrorPtr error)
{
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domain_with_mdev),
		cmocka_unit_test(nobody_there),
	};

	virSetErrorFunc(NULL, no_print);
	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0 ||
	    virEventAddTimeout(20, on_timer, NULL, NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
