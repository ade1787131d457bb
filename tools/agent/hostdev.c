// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "hostdev.h"

static const char addresses[] =
	"/domain/devices/hostdev[@mode='subsystem' and @type='mdev']/source/address[@uuid]";

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

/* The UUID in lower case, as in sysfs; false if it is not a UUID. */
static bool read_uuid(xmlNodePtr address, char mdev[UUID_SIZE])
{
	xmlChar *value = xmlGetProp(address, BAD_CAST "uuid");
	size_t i;

	if (!value)
		return false;
	for (i = 0; i < UUID_SIZE - 1 && value[i]; i++)
		mdev[i] = tolower(value[i]);
	mdev[i] = 0;
	if (value[i])
		mdev[0] = 0;
	xmlFree(value);
	return uuid_valid(mdev);
}

static int take(xmlDocPtr doc, xmlNodePtr address,
		void (*each)(const char *mdev, const char *xml, void *arg), void *arg)
{
	char mdev[UUID_SIZE];
	xmlNodePtr hostdev = address->parent->parent;
	xmlBufferPtr xml;

	if (!read_uuid(address, mdev))
		return 0;
	drop_alias(hostdev);
	xml = xmlBufferCreate();
	if (!xml)
		return -ENOMEM;
	if (xmlNodeDump(xml, doc, hostdev, 0, 0) > 0)
		each(mdev, (const char *)xmlBufferContent(xml), arg);
	xmlBufferFree(xml);
	return 0;
}

int hostdev_each(const char *domain_xml,
		 void (*each)(const char *mdev, const char *xml, void *arg), void *arg)
{
	xmlXPathContextPtr context = NULL;
	xmlXPathObjectPtr found = NULL;
	int ret = -EINVAL;
	xmlNodePtr root;
	xmlDocPtr doc;

	doc = xmlReadMemory(domain_xml, strlen(domain_xml), "domain.xml", NULL,
			    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!doc)
		return -EINVAL;
	root = xmlDocGetRootElement(doc);
	if (!root || xmlStrcmp(root->name, BAD_CAST "domain"))
		goto free_doc;

	ret = -ENOMEM;
	context = xmlXPathNewContext(doc);
	if (!context)
		goto free_doc;
	found = xmlXPathEvalExpression(BAD_CAST addresses, context);
	if (!found)
		goto free_context;

	ret = 0;
	for (int i = 0; !ret && found->nodesetval && i < found->nodesetval->nodeNr; i++)
		ret = take(doc, found->nodesetval->nodeTab[i], each, arg);

	xmlXPathFreeObject(found);
free_context:
	xmlXPathFreeContext(context);
free_doc:
	xmlFreeDoc(doc);
	return ret;
}
