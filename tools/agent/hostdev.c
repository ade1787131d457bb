// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include "hostdev.h"

#define QEMU_NAMESPACE	"http://libvirt.org/schemas/domain/qemu/1.0"
#define MDEV		"hostdev[@mode='subsystem' and @type='mdev']"
#define NEIGHBOUR_PATH \
	"/domain/devices/*[not(self::" MDEV ")]/address[@type='pci' and @bus='%s']%s"
#define SPEED_PATH \
	"/domain/qemu:override/qemu:device[@alias='%s']/qemu:frontend/qemu:property" \
	"[@name='x-speed' and (@value='5' or @value='2_5')%s]"

/* Aliases with this prefix are the user's, all others are libvirt's. */
static const char user_alias[] = "ua-";

static void drop_alias(xmlNodePtr hostdev)
{
	xmlNodePtr node, next;
	xmlChar *name;

	for (node = hostdev->children; node; node = next) {
		next = node->next;
		if (node->type != XML_ELEMENT_NODE || xmlStrcmp(node->name, BAD_CAST "alias"))
			continue;
		name = xmlGetProp(node, BAD_CAST "name");
		if (!name || xmlStrncmp(name, BAD_CAST user_alias, sizeof(user_alias) - 1)) {
			xmlUnlinkNode(node);
			xmlFreeNode(node);
		}
		xmlFree(name);
	}
}

/* Copies an attribute; "" for one that is too long, or has a quote, as no name does. */
static void get_attribute(xmlNodePtr node, const char *name, char *text, int size)
{
	xmlChar *value = node ? xmlGetProp(node, BAD_CAST name) : NULL;

	text[0] = 0;
	if (value && xmlStrlen(value) < size && !strchr((const char *)value, '\''))
		snprintf(text, size, "%s", (const char *)value);
	xmlFree(value);
}

/* The UUID in lower case, as in sysfs; false if it is not a UUID. */
static bool read_uuid(xmlNodePtr address, char mdev[UUID_SIZE])
{
	get_attribute(address, "uuid", mdev, UUID_SIZE);
	for (char *at = mdev; *at; at++)
		*at = tolower(*at);
	return uuid_valid(mdev);
}

/* How many nodes an XPath expression finds; the first of them in node. */
static int find(xmlXPathContextPtr context, xmlNodePtr *node, const char *format, const char *a,
		const char *b)
{
	xmlXPathObjectPtr found;
	char path[512];
	int count;

	if (node)
		*node = NULL;
	snprintf(path, sizeof(path), format, a, b);
	found = xmlXPathEvalExpression(BAD_CAST path, context);
	count = found && found->nodesetval ? found->nodesetval->nodeNr : 0;
	if (count && node)
		*node = found->nodesetval->nodeTab[0];
	xmlXPathFreeObject(found);
	return count;
}

/*
 * After a reset of its link Linux waits until a port of more than 5 GT/s reports an
 * active link. QEMU's ports have that speed, and do not report it while ACPI does the
 * hot-plug for them. Without either there is nothing to wait for.
 */
static bool link_can_be_active(xmlXPathContextPtr context, const char *port)
{
	return find(context, NULL,
		    "/domain/qemu:commandline/qemu:arg[contains(@value, '%s%s=off')]",
		    "ICH9-LPC.acpi-pci-hotplug-with-bridge-support", "") ||
	       find(context, NULL,
		    SPEED_PATH,
		    port, "");
}

static void look_above(xmlXPathContextPtr context, xmlNodePtr hostdev, struct hostdev *result)
{
	char bus[16] = "", index[16], model[PORT_SIZE];
	xmlNodePtr address, controller, node;

	context->node = hostdev;
	if (find(context, &address, "./address[@type='pci']%s%s", "", ""))
		get_attribute(address, "bus", bus, sizeof(bus));
	snprintf(index, sizeof(index), "%lu", strtoul(bus, NULL, 16));
	result->obstacle = OBSTACLE_NO_PORT;
	if (!strcmp(index, "0") ||
	    !find(context, &controller, "/domain/devices/controller[@type='pci' and @index='%s']%s",
		  index, ""))
		return;
	get_attribute(controller, "model", model, sizeof(model));
	context->node = controller;
	find(context, &node, "./alias[@name]%s%s", "", "");
	get_attribute(node, "name", result->port, sizeof(result->port));
	result->obstacle = OBSTACLE_NOT_ROOT_PORT;
	snprintf(result->neighbour, sizeof(result->neighbour), "%s", model);
	if (strcmp(model, "pcie-root-port") || !result->port[0])
		return;

	result->obstacle = OBSTACLE_NEIGHBOUR;
	result->mdevs = find(context, NULL, "/domain/devices/" MDEV
			     "/address[@type='pci' and @bus='%s']%s", bus, "");
	if (find(context, &node, NEIGHBOUR_PATH, bus, "")) {
		snprintf(result->neighbour, sizeof(result->neighbour), "%s",
			 (const char *)node->parent->name);
		return;
	}
	result->neighbour[0] = 0;
	result->obstacle = link_can_be_active(context, result->port) ?
		OBSTACLE_NONE : OBSTACLE_LINK;
}

static int take(xmlXPathContextPtr context, xmlNodePtr address,
		void (*each)(const struct hostdev *hostdev, void *arg), void *arg)
{
	xmlNodePtr node = address->parent->parent, alias;
	struct hostdev hostdev = {};
	xmlBufferPtr xml;

	if (!read_uuid(address, hostdev.mdev))
		return 0;
	look_above(context, node, &hostdev);
	context->node = node;
	find(context, &alias, "./alias[@name]%s%s", "", "");
	get_attribute(alias, "name", hostdev.alias, sizeof(hostdev.alias));
	drop_alias(node);
	xml = xmlBufferCreate();
	if (!xml)
		return -ENOMEM;
	if (xmlNodeDump(xml, context->doc, node, 0, 0) > 0) {
		hostdev.xml = (const char *)xmlBufferContent(xml);
		each(&hostdev, arg);
	}
	xmlBufferFree(xml);
	return 0;
}

static int take_all(xmlXPathContextPtr context,
		    void (*each)(const struct hostdev *hostdev, void *arg), void *arg)
{
	xmlXPathObjectPtr found;
	int ret = 0;

	if (xmlXPathRegisterNs(context, BAD_CAST "qemu", BAD_CAST QEMU_NAMESPACE))
		return -ENOMEM;
	found = xmlXPathEvalExpression(BAD_CAST "/domain/devices/" MDEV "/source/address[@uuid]",
				       context);
	if (!found)
		return -ENOMEM;
	for (int i = 0; !ret && found->nodesetval && i < found->nodesetval->nodeNr; i++)
		ret = take(context, found->nodesetval->nodeTab[i], each, arg);
	xmlXPathFreeObject(found);
	return ret;
}

int hostdev_each(const char *domain_xml,
		 void (*each)(const struct hostdev *hostdev, void *arg), void *arg)
{
	xmlXPathContextPtr context;
	int ret = -EINVAL;
	xmlNodePtr root;
	xmlDocPtr doc;

	doc = xmlReadMemory(domain_xml, strlen(domain_xml), "domain.xml", NULL,
			    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!doc)
		return -EINVAL;
	root = xmlDocGetRootElement(doc);
	if (root && !xmlStrcmp(root->name, BAD_CAST "domain")) {
		context = xmlXPathNewContext(doc);
		ret = context ? take_all(context, each, arg) : -ENOMEM;
		xmlXPathFreeContext(context);
	}
	xmlFreeDoc(doc);
	return ret;
}
