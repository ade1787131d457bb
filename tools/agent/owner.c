// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "owner.h"

/* An XPath expression of a string; false if it is empty, or too long. */
static bool get_string(const char *xml, const char *path, char owner[OWNER_SIZE])
{
	xmlXPathContextPtr context;
	xmlXPathObjectPtr found = NULL;
	xmlDocPtr doc;

	owner[0] = 0;
	doc = xmlReadMemory(xml, strlen(xml), "libvirt.xml", NULL,
			    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	context = doc ? xmlXPathNewContext(doc) : NULL;
	if (context)
		found = xmlXPathEvalExpression(BAD_CAST path, context);
	if (found && found->stringval && xmlStrlen(found->stringval) < OWNER_SIZE)
		snprintf(owner, OWNER_SIZE, "%s", (const char *)found->stringval);
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	xmlFreeDoc(doc);
	return owner[0];
}

void owner_of(const char *domain_xml, const char *capabilities, char owner[OWNER_SIZE])
{
	if (!get_string(domain_xml, "string(/domain/seclabel[@model='dac']/label)", owner) &&
	    capabilities)
		get_string(capabilities,
			   "string(/capabilities/host/secmodel[model='dac']/baselabel)", owner);
}
