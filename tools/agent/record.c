// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

struct record *record_get(struct records *records, const char *mdev, const char *domain)
{
	struct record **at = &records->first, *record;

	for (; *at; at = &(*at)->next)
		if (!strcmp((*at)->mdev, mdev) && !strcmp((*at)->domain, domain))
			return *at;
	record = calloc(1, sizeof(*record));
	if (!record)
		return NULL;
	snprintf(record->mdev, sizeof(record->mdev), "%s", mdev);
	snprintf(record->domain, sizeof(record->domain), "%s", domain);
	record->phase = PHASE_ATTACHED;
	*at = record;
	return record;
}

int record_set(struct record *record, const char *name, int id, const char *xml)
{
	char *new_name = strdup(name), *new_xml = strdup(xml);

	if (!new_name || !new_xml) {
		free(new_name);
		free(new_xml);
		return -ENOMEM;
	}
	free(record->name);
	free(record->xml);
	record->name = new_name;
	record->xml = new_xml;
	record->id = id;
	return 0;
}

void record_drop(struct records *records, struct record *record)
{
	struct record **at = &records->first;

	while (*at != record)
		at = &(*at)->next;
	*at = record->next;
	free(record->name);
	free(record->xml);
	free(record);
}

void records_free(struct records *records)
{
	while (records->first)
		record_drop(records, records->first);
}
