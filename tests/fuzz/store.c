// SPDX-License-Identifier: GPL-2.0-only
/* The agent's state file: what is taken from it can be written, and is taken again. */
#include <stdio.h>

#include "fuzz.h"
#include "store.h"

#define BOOT "b00t"

static unsigned int count(const struct records *records)
{
	unsigned int n = 0;

	for (const struct record *r = records->first; r; r = r->next) {
		MUST(strlen(r->mdev) < sizeof(r->mdev) && strlen(r->domain) < sizeof(r->domain));
		MUST(r->name && r->xml && r->phase);
		n++;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char dir[32], path[64];
	struct records records = { NULL }, again = { NULL };
	FILE *file;
	int ret;

	if (!path[0]) {
		snprintf(dir, sizeof(dir), "/tmp/fuzz-store-XXXXXX");
		MUST(mkdtemp(dir));
		snprintf(path, sizeof(path), "%s/" STORE_FILE, dir);
	}
	file = fopen(path, "we");
	MUST(file && fwrite(data, 1, size, file) == size && !fclose(file));
	ret = store_load(dir, BOOT, &records);
	MUST(!ret || !records.first);
	if (records.first) {
		MUST(!store_save(dir, BOOT, &records));
		MUST(!store_load(dir, BOOT, &again));
		MUST(count(&again) == count(&records));
	}
	records_free(&again);
	records_free(&records);
	return 0;
}
