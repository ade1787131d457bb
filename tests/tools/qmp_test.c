// SPDX-License-Identifier: GPL-2.0-only
/*
 * A QEMU without libvirt: its machine becomes records with the port above each mdev, the
 * guest is told at that port, and what was evicted is added again where it was. The
 * QEMU is a thread of the test that speaks QMP.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "decide.h"
#include "eventually.h"
#include "fake_root.h"
#include "qmp.h"
#include "route.h"

static struct qmp qmp;
static struct agent agent;
static char sysfs[128];

/* QEMU */
static struct {
	int listener, client;
	pthread_t thread;
	pthread_mutex_t lock;
	bool silent;		/* answers nothing but the greeting */
	bool refuses;		/* to list its devices */
	bool has_device, running, panicked, acpi;
	bool neighbour;
	bool unused;		/* the guest has given the device no addresses */
	const char *speed;
	char told[128], added[512];
	int looks;
} qemu = { .lock = PTHREAD_MUTEX_INITIALIZER };

#define PORT_JSON(devices_) \
	"[{\"bus\":0,\"devices\":[{\"bus\":0,\"slot\":0,\"function\":0,\"qdev_id\":\"\"}," \
	"{\"bus\":0,\"slot\":2,\"function\":0,\"qdev_id\":\"rp1\",\"pci_bridge\":{" \
	"\"bus\":{\"number\":0,\"secondary\":1,\"subordinate\":1},\"devices\":[" devices_ "]}}]}]"
#define UNATTACHED_JSON \
	"[{\"name\":\"device[2]\",\"type\":\"child<mch>\"}," \
	"{\"name\":\"device[3]\",\"type\":\"child<ICH9-LPC>\"}]"
#define REGIONS_JSON(address_) "\"regions\":[{\"bar\":0,\"size\":4096,\"address\":" address_ "}]"
#define VFIO_OF_JSON(regions_) \
	"{\"bus\":1,\"slot\":0,\"function\":0,\"qdev_id\":\"nic0\"," regions_ "}"
#define VFIO_JSON VFIO_OF_JSON(REGIONS_JSON("4261412864"))
#define UNUSED_JSON VFIO_OF_JSON(REGIONS_JSON("-1"))
#define ADDED_JSON \
	"{\"driver\":\"vfio-pci\",\"sysfsdev\":\"/sys/bus/mdev/devices/" MDEV_A "\"," \
	"\"id\":\"nic0\",\"addr\":\"0.0\",\"bus\":\"rp1\"}"
#define OTHER_JSON "{\"bus\":1,\"slot\":1,\"function\":0,\"qdev_id\":\"other\"}"

static const char *property(const char *path, const char *name)
{
	static char text[128];

	if (strstr(path, "rp1") && !strcmp(name, "type"))
		return "\"pcie-root-port\"";
	if (strstr(path, "rp1") && !strcmp(name, "x-speed")) {
		snprintf(text, sizeof(text), "\"%s\"", qemu.speed);
		return text;
	}
	if (strstr(path, "nic0") && !strcmp(name, "sysfsdev"))
		return "\"/sys/bus/mdev/devices/" MDEV_A "\"";
	if (strstr(path, "device[3]"))
		return qemu.acpi ? "true" : "false";
	return NULL;
}

static const char *arg_of(struct json_object *request, const char *name)
{
	struct json_object *arguments, *value;

	if (!json_object_object_get_ex(request, "arguments", &arguments) ||
	    !json_object_object_get_ex(arguments, name, &value))
		return "";
	return json_object_get_string(value);
}

/* What a command returns, in JSON; NULL for an error. */
static const char *returned(const char *command, struct json_object *request)
{
	struct json_object *arguments;

	if (!strcmp(command, "query-uuid"))
		return "{\"UUID\":\"" DOMAIN_A "\"}";
	if (!strcmp(command, "query-name"))
		return "{\"name\":\"guest\"}";
	if (!strcmp(command, "query-status"))
		return qemu.running ? "{\"running\":true,\"status\":\"running\"}" :
		       qemu.panicked ? "{\"running\":false,\"status\":\"guest-panicked\"}" :
		       "{\"running\":false,\"status\":\"paused\"}";
	if (!strcmp(command, "query-pci")) {
		qemu.looks++;
		if (qemu.refuses)
			return NULL;
		if (!qemu.has_device)
			return PORT_JSON("");
		if (qemu.unused)
			return PORT_JSON(UNUSED_JSON);
		return qemu.neighbour ? PORT_JSON(VFIO_JSON "," OTHER_JSON) : PORT_JSON(VFIO_JSON);
	}
	if (!strcmp(command, "qom-list"))
		return UNATTACHED_JSON;
	if (!strcmp(command, "qom-get"))
		return property(arg_of(request, "path"), arg_of(request, "property"));
	if (!strcmp(command, "human-monitor-command")) {
		snprintf(qemu.told, sizeof(qemu.told), "%s", arg_of(request, "command-line"));
		return "\"OK id: rp1 root bus: pcie.0, bus: 0 devfn: 2.0\\r\\n\"";
	}
	if (!strcmp(command, "device_del")) {
		/* the name that device_add was given */
		qemu.has_device = strcmp(arg_of(request, "id"), "nic0");
		return qemu.has_device ? NULL : "{}";
	}
	if (!strcmp(command, "device_add")) {
		json_object_object_get_ex(request, "arguments", &arguments);
		snprintf(qemu.added, sizeof(qemu.added), "%s",
			 json_object_to_json_string_ext(arguments,
							JSON_C_TO_STRING_PLAIN |
							JSON_C_TO_STRING_NOSLASHESCAPE));
		qemu.has_device = true;
		return "{}";
	}
	return "{}";
}

static void serve(const char *line)
{
	struct json_object *request = json_tokener_parse(line), *value;
	const char *result;
	char text[2048];
	int id;

	json_object_object_get_ex(request, "id", &value);
	id = json_object_get_int(value);
	json_object_object_get_ex(request, "execute", &value);
	pthread_mutex_lock(&qemu.lock);
	result = returned(json_object_get_string(value), request);
	snprintf(text, sizeof(text), result ? "{\"return\":%s,\"id\":%d}\n" :
		 "{\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"%.0s},\"id\":%d}\n",
		 result ? result : "", id);
	/* the agent may have gone */
	if (!qemu.silent)
		send(qemu.client, text, strlen(text), MSG_NOSIGNAL);
	pthread_mutex_unlock(&qemu.lock);
	json_object_put(request);
}

static void *run_qemu(void *arg)
{
	static const char greeting[] = "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\n";
	char *line = NULL;
	size_t size = 0;
	FILE *stream;

	(void)arg;
	for (;;) {
		qemu.client = accept(qemu.listener, NULL, NULL);
		if (qemu.client < 0)
			break;
		send(qemu.client, greeting, sizeof(greeting) - 1, MSG_NOSIGNAL);
		stream = fdopen(qemu.client, "r");
		while (getline(&line, &size, stream) > 0)
			serve(line);
		fclose(stream);
	}
	free(line);
	return NULL;
}

static void event(const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"event\":\"%s\",\"data\":{}}\n", name);
	assert_true(send(qemu.client, text, strlen(text), MSG_NOSIGNAL) > 0);
}

static void turn(void)
{
	struct pollfd fd = { .fd = qmp.mailbox.fd, .events = POLLIN };

	poll(&fd, 1, 10);
	mailbox_dispatch(&qmp.mailbox, &agent, now_ms());
	agent_step(&agent, now_ms());
}

static int setup(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	fake_root_make();
	snprintf(sysfs, sizeof(sysfs), "%s", fake_path("sys"));
	fake_group("group16", "open", "hold", 7, MDEV_A);
	qemu.has_device = true;
	qemu.running = true;
	qemu.panicked = false;
	qemu.acpi = true;
	qemu.silent = false;
	qemu.refuses = false;
	qemu.neighbour = false;
	qemu.unused = false;
	qemu.speed = "5";
	qemu.told[0] = 0;
	qemu.added[0] = 0;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake_path("qmp"));
	qemu.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(qemu.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(qemu.listener, 1), 0);
	assert_int_equal(pthread_create(&qemu.thread, NULL, run_qemu, NULL), 0);
	memset(&agent, 0, sizeof(agent));
	agent.sysfs = sysfs;
	agent.state_dir = fake_root;
	assert_int_equal(qmp_start(&qmp, strdup(address.sun_path)), 0);
	agent.backend = &qmp.mailbox.backend;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(qmp_stop(&qmp));
	free((char *)qmp.path);
	shutdown(qemu.listener, SHUT_RDWR);
	pthread_join(qemu.thread, NULL);
	close(qemu.listener);
	agent_free(&agent);
	fake_root_remove();
	return 0;
}

static struct record *record(void)
{
	return agent.records.first;
}

static void described(void **state)
{
	(void)state;
	assert_true(eventually(agent.known && record()));
	assert_string_equal(record()->mdev, MDEV_A);
	assert_string_equal(record()->domain, DOMAIN_A);
	assert_string_equal(record()->name, "guest");
	assert_int_equal(record()->id, getpid());
	assert_string_equal(record()->place.port, "rp1");
	assert_int_equal(record()->place.obstacle, OBSTACLE_NONE);
	assert_int_equal(record()->place.mdevs, 1);
	qemu.running = false;
	event("STOP");
	assert_true(eventually(record()->halted == route_paused));
	qemu.panicked = true;
	event("GUEST_PANICKED");
	assert_true(eventually(record()->halted == route_crashed));
}

static void obstacles(void **state)
{
	(void)state;
	assert_true(eventually(agent.known && record()));
	qemu.speed = "16";
	event("X");
	assert_true(eventually(record()->place.obstacle == OBSTACLE_LINK));
	qemu.acpi = false;
	event("X");
	assert_true(eventually(record()->place.obstacle == OBSTACLE_NONE));
	qemu.neighbour = true;
	event("X");
	assert_true(eventually(record()->place.obstacle == OBSTACLE_NEIGHBOUR));
}

/* The whole ladder: told, not reset in time, evicted, added again. */
static void ladder(void **state)
{
	(void)state;
	assert_true(eventually(agent.known && record()));
	fake_group("group16", "holding", "hold", 8, MDEV_A);
	assert_true(eventually(qemu.told[0]));
	assert_string_equal(qemu.told, "pcie_aer_inject_error rp1 DLP");
	assert_true(eventually(!record()->busy));
	assert_int_equal(record()->phase, PHASE_TOLD);
	fake_group("group16", "evicting", "hold", 8, MDEV_A);
	assert_true(eventually(record()->phase == PHASE_EVICTING));
	qemu.has_device = false;
	event("DEVICE_DELETED");
	assert_true(eventually(record()->phase == PHASE_DETACHED));
	fake_group("group16", "open", "hold", 8, MDEV_A);
	assert_true(eventually(qemu.added[0]));
	assert_string_equal(qemu.added, ADDED_JSON);
	assert_true(eventually(record()->phase == PHASE_ATTACHED && record()->seen));
}

/* The guest has reset the device, and uses it or not: then it is detached, and added again. */
static void used(void **state)
{
	(void)state;
	assert_true(eventually(agent.known && record()));
	qemu.unused = true;
	record()->phase = PHASE_RESET;
	record()->busy = true;
	record()->reset_ms = now_ms();
	agent.backend->ask_used(agent.backend, record());
	assert_true(eventually(!record()->busy));
	assert_int_equal(record()->phase, PHASE_RESET);
	qemu.unused = false;
	record()->busy = true;
	agent.backend->ask_used(agent.backend, record());
	assert_true(eventually(record()->phase == PHASE_ATTACHED));

	qemu.unused = true;
	record()->phase = PHASE_RESET;
	record()->busy = true;
	record()->reset_ms = now_ms() - UNUSED_MS;
	agent.backend->ask_used(agent.backend, record());
	assert_true(eventually(!qemu.has_device));
	event("DEVICE_DELETED");
	assert_true(eventually(qemu.added[0]));
	assert_true(eventually(record()->phase == PHASE_ATTACHED && record()->seen));
}

/* A line without an end fills no memory: the connection is closed. */
static void endless(void **state)
{
	static char text[100000];
	ssize_t sent = 0;

	(void)state;
	assert_true(eventually(agent.known && record()));
	memset(text, ' ', sizeof(text));
	for (int i = 0; i < 1000 && sent >= 0; i++)
		sent = send(qemu.client, text, sizeof(text), MSG_NOSIGNAL);
	assert_true(sent < 0);
	assert_true(eventually(!agent.known));
}

/* QEMU ends, and another one comes. */
static void ends(void **state)
{
	(void)state;
	assert_true(eventually(agent.known && record()));
	shutdown(qemu.client, SHUT_RDWR);
	assert_true(eventually(!agent.known));
	qmp.try_ms = 0;
	mailbox_look(&qmp.mailbox, DOMAIN_A);
	assert_true(eventually(agent.known && record()));
}

/* It answers again, but not yet to all: that is no reason to forget an eviction. */
static void refuses(void **state)
{
	int looks;

	(void)state;
	assert_true(eventually(agent.known && record()));
	fake_group("group16", "failed", "hold", 8, MDEV_A);
	qemu.has_device = false;
	record()->phase = PHASE_DETACHED;
	record()->seen = false;
	qemu.refuses = true;
	shutdown(qemu.client, SHUT_RDWR);
	assert_true(eventually(!agent.known));
	looks = qemu.looks;
	qmp.try_ms = 0;
	mailbox_look(&qmp.mailbox, DOMAIN_A);
	assert_true(eventually(agent.known && qemu.looks > looks));
	turn();
	assert_non_null(record());
	assert_int_equal(record()->phase, PHASE_DETACHED);
}

/* It accepts the connection and is silent: the main thread does not wait. */
static void silent(void **state)
{
	int64_t start = now_ms();

	(void)state;
	qemu.silent = true;
	for (int i = 0; i < 100; i++)
		turn();
	assert_true(now_ms() - start < 8000);
	assert_false(agent.known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(described, setup, teardown),
		cmocka_unit_test_setup_teardown(obstacles, setup, teardown),
		cmocka_unit_test_setup_teardown(ladder, setup, teardown),
		cmocka_unit_test_setup_teardown(used, setup, teardown),
		cmocka_unit_test_setup_teardown(endless, setup, teardown),
		cmocka_unit_test_setup_teardown(ends, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(silent, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
