// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "check.h"
#include "log.h"
#include "owner.h"
#include "route.h"

#define ANSWER_S	20	/* for libvirt, or the program is killed */
#define NO_DOMAIN	3
#define NOT_TOLD	(~0ULL)	/* of no event */

struct check {
	const char *sysfs, *name;
	const char *halted;
	struct records records;
	struct json_object *findings;
};

static void add(struct json_object *finding, const char *key, const char *text)
{
	json_object_object_add(finding, key, text ? json_object_new_string(text) : NULL);
}

static void find(const struct check *check, const char *level, const char *what,
		 const char *object, const char *text, const char *next)
{
	struct json_object *finding = json_object_new_object();

	add(finding, "level", level);
	add(finding, "check", what);
	add(finding, "object", object);
	add(finding, "text", text);
	add(finding, "next", next);
	json_object_array_add(check->findings, finding);
}

static void take(const struct hostdev *hostdev, void *arg)
{
	struct check *check = arg;
	char group[GROUP_SIZE] = "";
	struct record *record;

	if (group_of_mdev(check->sysfs, hostdev->mdev, group))
		return;
	/* one domain, so its UUID does not matter */
	record = record_get(&check->records, hostdev->mdev, "");
	if (!record)
		return;
	record->place = *hostdev;
	record->halted = check->halted;
	record->seen = true;
	record->told = NOT_TOLD;
}

/* A type ends in the word that says what happens. */
static const char *type_of(const struct check *check, const char *mdev, char target[PATH_MAX])
{
	char path[PATH_MAX];
	ssize_t len;
	char *last;

	snprintf(path, sizeof(path), "%s/bus/mdev/devices/%s/mdev_type", check->sysfs, mdev);
	len = readlink(path, target, PATH_MAX - 1);
	target[len < 0 ? 0 : len] = 0;
	last = strrchr(target, '-');
	return last ? last + 1 : "unknown";
}

static void check_type(const struct check *check, const struct record *record)
{
	char type[PATH_MAX], text[128];
	const char *word = type_of(check, record->mdev, type);

	if (!strcmp(word, "hold")) {
		find(check, "PASS", "guest-type", record->mdev,
		     "is of type hold: the guest is told", NULL);
		return;
	}
	snprintf(text, sizeof(text), "is of type %.16s: the guest is not told, but %s",
		 word,
		 !strcmp(word, "evict") ? "loses it for a while" : "has to notice by itself");
	find(check, "WARN", "guest-type", record->mdev, text,
	     "if its driver has error handlers: mdrctl create --profile=guest-aer for a new mdev");
}

/* "what is wrong; what to do" */
static void check_route(const struct check *check, const struct record *record)
{
	char text[256], name[GROUP_SIZE] = "";
	const char *reason, *next;
	struct group group;

	group_of_mdev(check->sysfs, record->mdev, name);
	group_read(check->sysfs, name, &group);
	reason = route_reason(&check->records, record, &group, check->sysfs);
	if (!reason) {
		snprintf(text, sizeof(text), "its errors can be reported at port %s",
			 record->place.port);
		find(check, "PASS", "guest-port", record->mdev, text, NULL);
		return;
	}
	next = strstr(reason, "; ");
	snprintf(text, sizeof(text), "%.*s%s%s%s",
		 next ? (int)(next - reason) : (int)strlen(reason), reason,
		 record->place.neighbour[0] ? " (" : "", record->place.neighbour,
		 record->place.neighbour[0] ? ")" : "");
	find(check, "FAIL", "guest-port", record->mdev, text, next ? next + 2 : NULL);
}

int check_domain(const char *sysfs, const char *name, const char *xml, const char *halted,
		 struct json_object *findings)
{
	struct check check = {
		.sysfs = sysfs, .name = name, .halted = halted, .findings = findings,
	};
	int ret = hostdev_each(xml, take, &check);

	if (!ret && !check.records.first)
		find(&check, "WARN", "guest", name, "has no mdev of mdev_recovery",
		     "see libvirt.md, Give it to the domain");
	for (struct record *record = check.records.first; !ret && record; record = record->next) {
		check_type(&check, record);
		check_route(&check, record);
	}
	if (!ret && check.records.first)
		find(&check, "WARN", "guest-kernel", name,
		     "only the guest knows whether its kernel has AER and its drivers error handlers",
		     "in the guest: dmesg | grep 'AER: enabled'");
	records_free(&check.records);
	return ret;
}

static void add_mdev(const struct hostdev *hostdev, void *arg)
{
	json_object_array_add(arg, json_object_new_string(hostdev->mdev));
}

struct json_object *check_qemu(const char *name, const char *xml, const char *capabilities,
			       uint64_t memory_kib, bool running)
{
	struct json_object *qemu = json_object_new_object(), *mdevs = json_object_new_array();
	char owner[OWNER_SIZE];

	owner_of(xml, capabilities, owner);
	hostdev_each(xml, add_mdev, mdevs);
	add(qemu, "domain", name);
	json_object_object_add(qemu, "running", json_object_new_boolean(running));
	json_object_object_add(qemu, "memory_kib", json_object_new_int64(memory_kib));
	add(qemu, "user", owner[0] ? owner : NULL);
	json_object_object_add(qemu, "mdevs", mdevs);
	return qemu;
}

static int check_guest(const char *sysfs, virDomainPtr domain, const char *xml,
		       struct json_object *findings)
{
	const struct check check = { .findings = findings };
	const char *name = virDomainGetName(domain);
	int state, ret;

	if (!virDomainIsActive(domain)) {
		find(&check, "WARN", "guest", name,
		     "does not run, and its ports have no names before it does",
		     "virsh start it, and ask again");
		return 0;
	}
	if (virDomainGetState(domain, &state, NULL, 0)) {
		log_error("domain %s: %s", name, virGetLastErrorMessage());
		return 1;
	}
	ret = check_domain(sysfs, name, xml, route_halted(state), findings);
	if (ret)
		log_error("domain %s: cannot read its XML", name);
	return ret ? 1 : 0;
}

static int check_it(const char *sysfs, virConnectPtr connection, virDomainPtr domain,
		    struct json_object *tree, struct json_object *findings)
{
	char *xml = virDomainGetXMLDesc(domain, 0), *capabilities;
	int ret;

	if (!xml) {
		log_error("domain %s: %s", virDomainGetName(domain), virGetLastErrorMessage());
		return 1;
	}
	ret = check_guest(sysfs, domain, xml, findings);
	if (!ret) {
		capabilities = virConnectGetCapabilities(connection);
		json_object_object_add(tree, "qemu",
				       check_qemu(virDomainGetName(domain), xml, capabilities,
						  virDomainGetMaxMemory(domain),
						  virDomainIsActive(domain) > 0));
		free(capabilities);
	}
	free(xml);
	return ret;
}

static void no_print(void *arg, virErrorPtr error)
{
	(void)arg;
	(void)error;
}

int check_print(const char *sysfs, const char *uri, const char *name)
{
	struct json_object *tree = json_object_new_object(), *findings = json_object_new_array();
	virConnectPtr connection;
	virDomainPtr domain;
	int ret = NO_DOMAIN;

	json_object_object_add(tree, "findings", findings);
	alarm(ANSWER_S);
	virSetErrorFunc(NULL, no_print);
	connection = virConnectOpenReadOnly(uri);
	if (!connection) {
		log_error("cannot connect to libvirt: %s", virGetLastErrorMessage());
		json_object_put(tree);
		return 1;
	}
	domain = virDomainLookupByName(connection, name);
	if (!domain)
		domain = virDomainLookupByUUIDString(connection, name);
	if (domain) {
		ret = check_it(sysfs, connection, domain, tree, findings);
		virDomainFree(domain);
	} else {
		log_error("there is no domain '%s'", name);
	}
	virConnectClose(connection);
	if (!ret)
		puts(json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PRETTY));
	json_object_put(tree);
	if (fflush(stdout)) {
		log_error("cannot write what it has found");
		return 1;
	}
	return ret;
}
