// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "fuzz_root.h"
#include "libmdr.h"

struct mdr *fuzz_root(const void *table, size_t size)
{
	static const char * const dirs[] = { "", "/sys", "/sys/class", "/sys/class/mdev_recovery" };
	static char root[32], path[128];
	struct mdr *mdr;
	FILE *file;

	if (!path[0]) {
		snprintf(root, sizeof(root), "/tmp/fuzz-root-XXXXXX");
		MUST(mkdtemp(root));
		for (size_t i = 1; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
			snprintf(path, sizeof(path), "%s%s", root, dirs[i]);
			MUST(!mkdir(path, 0755));
		}
		snprintf(path, sizeof(path), "%s/sys/class/mdev_recovery/settings", root);
	}
	file = fopen(path, "we");
	MUST(file && fwrite(table, 1, size, file) == size && !fclose(file));
	mdr = mdr_new(root);
	MUST(mdr);
	return mdr;
}
