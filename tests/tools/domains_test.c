// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs libvirt itself, with its test driver: a running domain with an mdev gets a
 * record, events bring news without a list, one domain that vanishes does not hide the
 * others, what libvirt refuses is asked again, and neither a libvirt nor a guest that does
 * not answer stops anybody else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <json-c/json.h>

#include <libvirt/virterror.h>

#include "domains.h"
#include "eventually.h"
#include "fake_root.h"
#include "machine.h"
#include "route.h"

#define DOMAIN_B "aaaaaaaa-0000-4000-8000-000000000002"
#define XML_OF(name_, uuid_, mdev_) \
	"<domain type='test'><name>" name_ "</name><uuid>" uuid_ "</uuid>" \
	"<memory>1024</memory><os><type>hvm</type></os><devices>" \
	"<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>" \
	"<address uuid='" mdev_ "'/></source></hostdev></devices></domain>"

static struct domains domains;
static struct agent agent;
static char sysfs[128];
static int lists, descriptions;
static int refuse_lists, refuse_descriptions, refuse_states;	/* so many */
static const char *vanishes;
static int hangs;		/* the id of a domain to which nothing can be attached */
static sem_t hung, released;

/* libvirt's own, and what the test does around them; see the linker's --wrap */
int __real_virConnectListAllDomains(virConnectPtr connection, virDomainPtr **list,
				    unsigned int flags);
int __wrap_virConnectListAllDomains(virConnectPtr connection, virDomainPtr **list,
				    unsigned int flags);
char *__real_virDomainGetXMLDesc(virDomainPtr domain, unsigned int flags);
char *__wrap_virDomainGetXMLDesc(virDomainPtr domain, unsigned int flags);
int __real_virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned int flags);
int __wrap_virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned int flags);

int __real_virDomainAttachDeviceFlags(virDomainPtr domain, const char *xml, unsigned int flags);
int __wrap_virDomainAttachDeviceFlags(virDomainPtr domain, const char *xml, unsigned int flags);

int __wrap_virDomainAttachDeviceFlags(virDomainPtr domain, const char *xml, unsigned int flags)
{
	if ((int)virDomainGetID(domain) == hangs) {
		sem_post(&hung);
		sem_wait(&released);
	}
	return __real_virDomainAttachDeviceFlags(domain, xml, flags);
}

int __wrap_virConnectListAllDomains(virConnectPtr connection, virDomainPtr **list,
				    unsigned int flags)
{
	lists++;
	if (refuse_lists && refuse_lists--)
		return -1;
	return __real_virConnectListAllDomains(connection, list, flags);
}

char *__wrap_virDomainGetXMLDesc(virDomainPtr domain, unsigned int flags)
{
	descriptions++;
	if (vanishes && !strcmp(virDomainGetName(domain), vanishes))
		virDomainDestroy(domain);
	if (refuse_descriptions && refuse_descriptions--)
		return NULL;
	return __real_virDomainGetXMLDesc(domain, flags);
}

int __wrap_virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned int flags)
{
	if (refuse_states && refuse_states--)
		return -1;
	return __real_virDomainGetState(domain, state, reason, flags);
}

/* stderr goes to a file; how often it has a text. */
static int logged(const char *text)
{
	const char *at = fake_read("log");
	int count = 0;

	while ((at = strstr(at, text))) {
		count++;
		at++;
	}
	return count;
}

static void turn(void)
{
	struct pollfd fd = { .fd = domains.mailbox.fd, .events = POLLIN };

	poll(&fd, 1, 10);
	mailbox_dispatch(&domains.mailbox, &agent, now_ms());
	agent_step(&agent, now_ms());
}

static struct record *record_of(const char *domain)
{
	struct record *record = agent.records.first;

	while (record && strcmp(record->domain, domain))
		record = record->next;
	return record;
}

static void begin(const char *uri)
{
	memset(&agent, 0, sizeof(agent));
	agent.sysfs = sysfs;
	agent.state_dir = fake_root;
	assert_int_equal(domains_start(&domains, uri), 0);
	agent.backend = &domains.mailbox.backend;
	lists = 0;
	descriptions = 0;
	vanishes = NULL;
	refuse_lists = 0;
	refuse_descriptions = 0;
	refuse_states = 0;
}

static int setup(void **state)
{
	(void)state;
	fake_root_make();
	snprintf(sysfs, sizeof(sysfs), "%s", fake_path("sys"));
	fake_group("group16", "open", "evict", 7, MDEV_A);
	fake_group("group2", "open", "evict", 7, MDEV_B);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	agent_free(&agent);
	fake_root_remove();
	return 0;
}

/* Starts a transient domain behind the agent's back, in the same test driver. */
static virDomainPtr create(const char *xml)
{
	return virDomainCreateXML(domains.connection, xml, 0);
}

static void news(void **state)
{
	virDomainPtr domain;

	(void)state;
	begin("test:///default");
	assert_true(eventually(agent.known));
	assert_int_equal(lists, 1);
	domain = create(XML_OF("guest", DOMAIN_A, MDEV_A));
	assert_non_null(domain);
	assert_true(eventually(record_of(DOMAIN_A)));
	assert_string_equal(record_of(DOMAIN_A)->name, "guest");
	assert_true(record_of(DOMAIN_A)->running && record_of(DOMAIN_A)->seen);
	assert_int_equal(virDomainSuspend(domain), 0);
	assert_true(eventually(record_of(DOMAIN_A)->halted == route_paused));
	assert_int_equal(virDomainResume(domain), 0);
	assert_true(eventually(!record_of(DOMAIN_A)->halted));
	assert_int_equal(virDomainDestroy(domain), 0);
	virDomainFree(domain);
	assert_true(eventually(!record_of(DOMAIN_A)));
	/* all that without another list */
	assert_int_equal(lists, 1);
	assert_true(domains_stop(&domains));
}

/* While an eviction is open nothing is asked for that no event has announced. */
static void quiet(void **state)
{
	virDomainPtr domain;
	int before;

	(void)state;
	begin("test:///default");
	assert_true(eventually(agent.known));
	domain = create(XML_OF("guest", DOMAIN_A, MDEV_A));
	assert_true(eventually(record_of(DOMAIN_A)));
	fake_group("group16", "evicting", "evict", 8, MDEV_A);
	agent_group_changed(&agent, "group16", "evicting", now_ms());
	assert_int_equal(record_of(DOMAIN_A)->phase, PHASE_EVICTING);
	eventually(false);
	before = descriptions;
	eventually(false);
	assert_int_equal(descriptions, before);
	assert_int_equal(lists, 1);
	virDomainDestroy(domain);
	virDomainFree(domain);
	assert_true(domains_stop(&domains));
}

/* A domain that ends between the list and its XML does not hide the others. */
static void vanishing(void **state)
{
	virDomainPtr a, b;

	(void)state;
	begin("test:///default");
	assert_true(eventually(agent.known));
	a = create(XML_OF("guest", DOMAIN_A, MDEV_A));
	b = create(XML_OF("another", DOMAIN_B, MDEV_B));
	assert_true(eventually(record_of(DOMAIN_A) && record_of(DOMAIN_B)));
	vanishes = "another";
	/* as after a restart of the daemon; the test driver keeps its domains meanwhile */
	virConnectRef(domains.connection);
	{
		virConnectPtr keep = domains.connection;

		mailbox_lost(&domains.mailbox);
		assert_true(eventually(lists == 2 && agent.known));
		virConnectClose(keep);
	}
	assert_true(eventually(record_of(DOMAIN_A) && record_of(DOMAIN_A)->running));
	assert_null(record_of(DOMAIN_B));
	virDomainDestroy(a);
	virDomainFree(a);
	virDomainFree(b);
	assert_true(domains_stop(&domains));
}

static void log_to_file(void)
{
	assert_non_null(freopen(fake_path("log"), "w", stderr));
	setvbuf(stderr, NULL, _IONBF, 0);
}

static void turns(int ms)
{
	int64_t end = now_ms() + ms;

	while (now_ms() < end)
		turn();
}

/* libvirt is busy: it is asked again, ever less often, and one line says so. */
static void busy(void **state)
{
	virDomainPtr domain;
	int of_events;

	(void)state;
	begin("test:///default");
	assert_true(eventually(agent.known));
	log_to_file();
	refuse_descriptions = 1000;
	domain = create(XML_OF("guest", DOMAIN_A, MDEV_A));
	assert_true(eventually(descriptions));
	turns(500);
	of_events = descriptions;
	turns(1000);
	/* again after a second, then after two more */
	assert_int_equal(descriptions, of_events + 1);
	assert_null(record_of(DOMAIN_A));
	refuse_descriptions = 0;
	assert_true(eventually(record_of(DOMAIN_A)));
	assert_true(record_of(DOMAIN_A)->running);
	assert_int_equal(descriptions, of_events + 2);
	assert_int_equal(logged("cannot describe domain guest"), 1);
	assert_int_equal(logged("domain guest can be described again"), 1);
	/* without the state it is not known whether the guest can be told */
	refuse_states = 1;
	assert_int_equal(virDomainSuspend(domain), 0);
	assert_true(eventually(record_of(DOMAIN_A)->halted == route_paused));
	assert_int_equal(refuse_states, 0);
	assert_int_equal(logged("cannot describe domain guest"), 2);
	virDomainDestroy(domain);
	virDomainFree(domain);
	assert_true(eventually(!record_of(DOMAIN_A)));
	assert_true(domains_stop(&domains));
}

/* Likewise if it does not list its domains. */
static void no_list(void **state)
{
	(void)state;
	log_to_file();
	begin("test:///default");
	refuse_lists = 3;
	for (int i = 0; i < 3; i++) {
		assert_true(eventually(refuse_lists == 2 - i && !domains.connection));
		domains.try_ms = 0;
		mailbox_look(&domains.mailbox, DOMAIN_A);
	}
	assert_true(eventually(agent.known));
	/* the list comes before it is said */
	assert_true(eventually(logged("connected to") == 1));
	assert_int_equal(logged("no list of domains"), 1);
	assert_true(domains_stop(&domains));
}

/* A refused attach, detach, and error at a port give libvirt's reasons. */
static void refused(void **state)
{
	virDomainPtr domain;
	struct record *record;

	(void)state;
	begin("test:///default");
	assert_true(eventually(agent.known));
	domain = create(XML_OF("guest", DOMAIN_A, MDEV_A));
	assert_true(eventually(record_of(DOMAIN_A)));
	record = record_of(DOMAIN_A);
	record->phase = PHASE_DETACHED;
	record->busy = true;
	record->seen = false;
	agent.backend->attach(agent.backend, record);
	assert_true(eventually(record_of(DOMAIN_A)->attempts == 1));
	/* the test driver of libvirt cannot */
	record->phase = PHASE_EVICTING;
	record->busy = true;
	record->seen = true;
	agent.backend->detach(agent.backend, record);
	assert_true(eventually(!record->busy));
	assert_int_equal(record->phase, PHASE_ATTACHED);
	record->phase = PHASE_TOLD;
	record->busy = true;
	snprintf(record->place.port, PORT_SIZE, "pci.1");
	agent.backend->tell(agent.backend, record, 8);
	assert_true(eventually(!record->busy));
	assert_int_not_equal(record->phase, PHASE_TOLD);
	log_to_file();
	record->phase = PHASE_RESET;
	record->busy = true;
	agent.backend->ask_used(agent.backend, record);
	assert_true(eventually(!record->busy));
	assert_int_equal(logged("uses the device again: "), 1);
	assert_int_equal(logged("not supported by the connection driver"), 1);
	virDomainDestroy(domain);
	virDomainFree(domain);
	assert_true(domains_stop(&domains));
}

static struct record *to_attach(const char *uuid)
{
	struct record *record = record_of(uuid);

	record->phase = PHASE_DETACHED;
	record->busy = true;
	record->seen = false;
	agent.backend->attach(agent.backend, record);
	return record;
}

/* A guest whose QEMU hangs, with its memory on storage that is away, holds up no other one. */
static void one_hangs(void **state)
{
	virDomainPtr a, b;

	(void)state;
	begin("test:///default");
	log_to_file();
	sem_init(&hung, 0, 0);
	sem_init(&released, 0, 0);
	assert_true(eventually(agent.known));
	a = create(XML_OF("guest", DOMAIN_A, MDEV_A));
	b = create(XML_OF("another", DOMAIN_B, MDEV_B));
	assert_true(eventually(record_of(DOMAIN_A) && record_of(DOMAIN_B)));
	hangs = virDomainGetID(a);
	to_attach(DOMAIN_A);
	assert_int_equal(sem_wait(&hung), 0);
	to_attach(DOMAIN_B);
	assert_true(eventually(record_of(DOMAIN_B)->attempts == 1));
	assert_int_equal(logged("has not answered for 2 s (attach a device)"), 1);
	assert_true(record_of(DOMAIN_A)->busy && !record_of(DOMAIN_A)->attempts);

	/* what else there is to do for it waits, and is done */
	assert_int_equal(virDomainSuspend(a), 0);
	assert_int_equal(virDomainSuspend(b), 0);
	assert_true(eventually(record_of(DOMAIN_B)->halted == route_paused));
	assert_null(record_of(DOMAIN_A)->halted);
	hangs = 0;
	sem_post(&released);
	assert_true(eventually(record_of(DOMAIN_A)->attempts == 1));
	assert_true(eventually(record_of(DOMAIN_A)->halted == route_paused));
	assert_int_equal(logged("has answered after"), 1);
	virDomainDestroy(a);
	virDomainDestroy(b);
	virDomainFree(a);
	virDomainFree(b);
	assert_true(domains_stop(&domains));
}

/* The domain was stopped and started meanwhile: it is not the one that had the device. */
static void another_run(void **state)
{
	virDomainPtr domain;

	(void)state;
	begin("test:///default");
	log_to_file();
	assert_true(eventually(agent.known));
	domain = create(XML_OF("guest", DOMAIN_A, MDEV_A));
	assert_true(eventually(record_of(DOMAIN_A)));
	record_of(DOMAIN_A)->id++;
	to_attach(DOMAIN_A);
	assert_true(eventually(logged("it was restarted") == 1));
	virDomainDestroy(domain);
	virDomainFree(domain);
	assert_true(domains_stop(&domains));
}

/* No daemon: nothing is known, and no wait. */
static void nobody_there(void **state)
{
	const char *call;

	(void)state;
	begin("qemu+unix:///system?socket=/nonexistent/socket&mode=direct");
	assert_true(eventually(domains.said));
	assert_false(agent.known);
	assert_true(eventually(!mailbox_stuck_ms(&domains.mailbox, now_ms(), &call)));
	assert_true(domains_stop(&domains));
}

/* Without a group of ours there is no call at all. */
static void not_wanted(void **state)
{
	(void)state;
	fake_group_remove("group16");
	fake_group_remove("group2");
	begin("test:///default");
	for (int i = 0; i < 20; i++)
		turn();
	assert_int_equal(lists, 0);
	assert_null(domains.connection);
	assert_true(domains_stop(&domains));
}

static int silent_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake_path("silent"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

/* The last test: afterwards a thread is in libvirt for ever. */
static void does_not_answer(void **state)
{
	int64_t start = now_ms();
	const char *call;
	char uri[256];

	(void)state;
	silent_socket();
	snprintf(uri, sizeof(uri), "qemu+unix:///system?socket=%s&mode=direct",
		 fake_path("silent"));
	begin(uri);
	for (int i = 0; i < 200; i++)
		turn();
	/* the main thread has not waited, and knows that another one does */
	assert_true(now_ms() - start < 10000);
	assert_true(mailbox_stuck_ms(&domains.mailbox, now_ms(), &call) > 1000);
	assert_string_equal(call, "connect");
	assert_false(agent.known);
	assert_false(domains_stop(&domains));
}

/* A QEMU that its guest has taken over says what it likes to query-pci. */
static void strange_addresses(void **state)
{
	static const char *const answers[] = {
		"{}", "\"text\"", "7", "null", "[7]", "[{\"devices\":{}}]",
		"[{\"devices\":[7]}]", "[{\"devices\":[{\"pci_bridge\":[]}]}]",
		"[{\"devices\":[{\"qdev_id\":[\"hostdev0\"]}]}]",
	};
	static const char *const no_regions[] = {
		"[{\"devices\":[{\"qdev_id\":\"hostdev0\"}]}]",
		"[{\"devices\":[{\"qdev_id\":\"hostdev0\",\"regions\":{}}]}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct json_object *buses = json_tokener_parse(answers[i]);

		assert_int_equal(machine_has_addresses(buses, "hostdev0"), -ENOENT);
		json_object_put(buses);
	}
	for (size_t i = 0; i < sizeof(no_regions) / sizeof(*no_regions); i++) {
		struct json_object *buses = json_tokener_parse(no_regions[i]);

		assert_int_equal(machine_has_addresses(buses, "hostdev0"), 0);
		json_object_put(buses);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strange_addresses),
		cmocka_unit_test_setup_teardown(news, setup, teardown),
		cmocka_unit_test_setup_teardown(quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(vanishing, setup, teardown),
		cmocka_unit_test_setup_teardown(busy, setup, teardown),
		cmocka_unit_test_setup_teardown(no_list, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(one_hangs, setup, teardown),
		cmocka_unit_test_setup_teardown(another_run, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(not_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(does_not_answer, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fflush(NULL);
	_exit(failed);
}
