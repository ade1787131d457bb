// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only devices that have an id (-device ...,id=) can be named to QEMU again. Any other
 * one is an unknown neighbour.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>
#include <libxml/parser.h>

#include "group.h"
#include "machine.h"

#define NAME_SIZE	64

/* neither XML nor QEMU takes one of these for syntax */
#define GOOD_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789._-/:"

#define SPEED_FORMAT \
	"<qemu:device alias='%s'><qemu:frontend>" \
	"<qemu:property name='x-speed' type='string' value='%s'/>" \
	"</qemu:frontend></qemu:device>"
#define PLACE_FORMAT \
	"<address type='pci' bus='0x%02x' slot='0x%02x' function='0x%x'/>"
#define HOSTDEV_FORMAT \
	"<hostdev mode='subsystem' type='mdev'>" \
	"<source><address uuid='%s'/></source>" \
	"<alias name='ua-%s'/>%s<port name='%s'/></hostdev>"
#define DOMAIN_FORMAT \
	"<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>" \
	"<devices>%s</devices><qemu:override>%s</qemu:override>" \
	"<qemu:commandline><qemu:arg value='" \
	"ICH9-LPC.acpi-pci-hotplug-with-bridge-support=%s'/>" \
	"</qemu:commandline></domain>"

struct description {
	FILE *devices, *overrides;
	machine_ask ask;
	void *arg;
	int buses;		/* with a number so far */
};

static struct json_object *field(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

/* A property's string, if it has nothing that XML or QEMU would take for syntax. */
static bool get_property(const struct description *d, const char *path, const char *property,
			 char text[NAME_SIZE])
{
	static const char good[] = GOOD_CHARACTERS;
	struct json_object *value = d->ask(d->arg, path, property);
	const char *string = json_object_get_string(value);
	bool valid;

	valid = string && strlen(string) < NAME_SIZE && !string[strspn(string, good)];
	snprintf(text, NAME_SIZE, "%s", valid ? string : "");
	json_object_put(value);
	return valid;
}

static void describe_port(const struct description *d, const char *id, int index)
{
	char path[NAME_SIZE + 24], type[NAME_SIZE], speed[NAME_SIZE];

	snprintf(path, sizeof(path), "/machine/peripheral/%s", id);
	if (!*id || !get_property(d, path, "type", type))
		snprintf(type, sizeof(type), "unknown");
	fprintf(d->devices, "<controller type='pci' index='%d' model='%s'>", index, type);
	if (*id)
		fprintf(d->devices, "<alias name='%s'/>", id);
	fputs("</controller>", d->devices);
	if (*id && get_property(d, path, "x-speed", speed))
		fprintf(d->overrides, SPEED_FORMAT, id, speed);
}

/* The mdev that a device is, if it is one. */
static bool get_mdev(const struct description *d, const char *id, char mdev[UUID_SIZE])
{
	char path[NAME_SIZE + 24];
	struct json_object *value;
	const char *dir, *base;
	bool valid = false;

	snprintf(path, sizeof(path), "/machine/peripheral/%s", id);
	value = d->ask(d->arg, path, "sysfsdev");
	dir = json_object_get_string(value);
	base = dir ? strrchr(dir, '/') : NULL;
	if (base && strlen(base + 1) == UUID_SIZE - 1) {
		snprintf(mdev, UUID_SIZE, "%s", base + 1);
		valid = uuid_valid(mdev);
	}
	json_object_put(value);
	return valid;
}

/* A guest may influence QEMU's answer, so it need not be a list. */
static size_t length_of(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static void describe_bus(struct description *d, struct json_object *devices, int index,
			 const char *port);

static void describe_device(struct description *d, struct json_object *device, int index,
			    const char *port)
{
	struct json_object *bridge = field(device, "pci_bridge");
	const char *id = json_object_get_string(field(device, "qdev_id"));
	char place[160], mdev[UUID_SIZE];

	if (!id || strlen(id) >= NAME_SIZE || strpbrk(id, "'<>&\""))
		id = "";
	snprintf(place, sizeof(place), PLACE_FORMAT, index,
		 json_object_get_int(field(device, "slot")),
		 json_object_get_int(field(device, "function")));
	if (bridge) {
		int number = ++d->buses;

		describe_port(d, id, number);
		/* the bridge itself is a device on the bus that it is on */
		fprintf(d->devices, "<bridge>%s</bridge>", place);
		describe_bus(d, field(bridge, "devices"), number, id);
	} else if (*id && get_mdev(d, id, mdev)) {
		fprintf(d->devices, HOSTDEV_FORMAT, mdev, id, place, port);
	} else {
		fprintf(d->devices, "<device>%s</device>", place);
	}
}

static void describe_bus(struct description *d, struct json_object *devices, int index,
			 const char *port)
{
	for (size_t i = 0; i < length_of(devices); i++)
		describe_device(d, json_object_array_get_idx(devices, i), index, port);
}

/* Whether ACPI does the hot-plug below bridges, which a q35 machine's LPC knows. */
static bool acpi_hotplug(const struct description *d)
{
	struct json_object *list = d->ask(d->arg, "/machine/unattached", NULL), *value;
	bool on = true;

	for (size_t i = 0; i < length_of(list); i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);
		const char *type = json_object_get_string(field(entry, "type"));
		const char *name = json_object_get_string(field(entry, "name"));
		char path[128];

		if (!type || !name || strcmp(type, "child<ICH9-LPC>"))
			continue;
		snprintf(path, sizeof(path), "/machine/unattached/%s", name);
		value = d->ask(d->arg, path, "acpi-pci-hotplug-with-bridge-support");
		on = !value || json_object_get_boolean(value);
		json_object_put(value);
	}
	json_object_put(list);
	return on;
}

char *machine_describe(struct json_object *buses, machine_ask ask, void *arg)
{
	struct description d = { .ask = ask, .arg = arg };
	char *devices = NULL, *overrides = NULL, *xml = NULL;
	size_t size;
	FILE *all;

	d.devices = open_memstream(&devices, &size);
	d.overrides = open_memstream(&overrides, &size);
	if (!d.devices || !d.overrides)
		abort();
	for (size_t i = 0; i < length_of(buses); i++)
		describe_bus(&d, field(json_object_array_get_idx(buses, i), "devices"),
			     i ? ++d.buses : 0, "");
	fclose(d.devices);
	fclose(d.overrides);
	all = open_memstream(&xml, &size);
	if (!all)
		abort();
	fprintf(all, DOMAIN_FORMAT, devices, overrides, acpi_hotplug(&d) ? "on" : "off");
	if (fclose(all))
		abort();
	free(devices);
	free(overrides);
	return xml;
}

static int has_addresses(struct json_object *device)
{
	struct json_object *regions = field(device, "regions");

	for (size_t i = 0; i < length_of(regions); i++) {
		struct json_object *region = json_object_array_get_idx(regions, i);

		/* one that is not mapped is at the end, which JSON has as -1 or as 2^64 - 1 */
		if (json_object_get_uint64(field(region, "address")) != UINT64_MAX &&
		    json_object_get_int64(field(region, "address")) != -1)
			return 1;
	}
	return 0;
}

static int find_addresses(struct json_object *devices, const char *id)
{
	int ret = -ENOENT;

	for (size_t i = 0; ret < 0 && i < length_of(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		const char *name = json_object_get_string(field(device, "qdev_id"));

		ret = name && !strcmp(name, id) ?
			has_addresses(device) :
			find_addresses(field(field(device, "pci_bridge"), "devices"), id);
	}
	return ret;
}

int machine_has_addresses(struct json_object *buses, const char *id)
{
	int ret = -ENOENT;

	for (size_t i = 0; ret < 0 && i < length_of(buses); i++)
		ret = find_addresses(field(json_object_array_get_idx(buses, i), "devices"), id);
	return ret;
}

static void add_attribute(struct json_object *arguments, const char *key, xmlNodePtr node,
			  const char *name, const char *format)
{
	xmlChar *value = xmlGetProp(node, BAD_CAST name);
	char text[256];
	const char *text_of = value ? (const char *)value : "";

	/* libvirt's prefix for a name that is a user's choice */
	if (!strncmp(text_of, "ua-", 3))
		text_of += 3;
	snprintf(text, sizeof(text), format, text_of);
	json_object_object_add(arguments, key, json_object_new_string(text));
	xmlFree(value);
}

static void add_place(struct json_object *arguments, xmlNodePtr address)
{
	xmlChar *slot = xmlGetProp(address, BAD_CAST "slot");
	xmlChar *function = xmlGetProp(address, BAD_CAST "function");
	char text[32];

	snprintf(text, sizeof(text), "%lx.%lx", slot ? strtoul((char *)slot, NULL, 16) : 0,
		 function ? strtoul((char *)function, NULL, 16) : 0);
	json_object_object_add(arguments, "addr", json_object_new_string(text));
	xmlFree(slot);
	xmlFree(function);
}

struct json_object *machine_attach(const char *hostdev_xml)
{
	xmlDocPtr doc = xmlReadMemory(hostdev_xml, strlen(hostdev_xml), "hostdev.xml", NULL,
				      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
	struct json_object *arguments;

	if (!root) {
		xmlFreeDoc(doc);
		return NULL;
	}
	arguments = json_object_new_object();
	json_object_object_add(arguments, "driver", json_object_new_string("vfio-pci"));
	for (xmlNodePtr node = root->children; node; node = node->next) {
		if (!xmlStrcmp(node->name, BAD_CAST "source") && node->children)
			add_attribute(arguments, "sysfsdev", node->children, "uuid",
				      "/sys/bus/mdev/devices/%s");
		else if (!xmlStrcmp(node->name, BAD_CAST "alias"))
			add_attribute(arguments, "id", node, "name", "%s");
		else if (!xmlStrcmp(node->name, BAD_CAST "port"))
			add_attribute(arguments, "bus", node, "name", "%s");
		else if (!xmlStrcmp(node->name, BAD_CAST "address"))
			add_place(arguments, node);
	}
	xmlFreeDoc(doc);
	return arguments;
}
