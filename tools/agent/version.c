// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "version.h"

bool version_differs(const char *sysfs, char found[VERSION_SIZE])
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/module/mdev_recovery", sysfs);
	if (access(path, F_OK))
		return false;
	snprintf(found, VERSION_SIZE, "unknown");
	snprintf(path, sizeof(path), "%s/module/mdev_recovery/version", sysfs);
	f = fopen(path, "re");
	if (f) {
		if (fgets(found, VERSION_SIZE, f))
			found[strcspn(found, "\n")] = 0;
		fclose(f);
	}
	return strcmp(found, MDR_VERSION);
}
