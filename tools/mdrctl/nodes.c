// SPDX-License-Identifier: GPL-2.0-only
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "nodes.h"

void nodes_of(const struct mdr *mdr, const struct mdr_function *function, struct nodes *nodes)
{
	char path[PATH_MAX];
	glob_t found;

	*nodes = (struct nodes) {};
	snprintf(nodes->group, sizeof(nodes->group), "/dev/vfio/%d", mdr_function_group(function));
	snprintf(nodes->no_iommu, sizeof(nodes->no_iommu), "/dev/vfio/noiommu-%d",
		 mdr_function_group(function));
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/vfio-dev/vfio*", mdr_root(mdr),
		 mdr_function_address(function));
	/* only one; the driver of another one in the group does not lend this one */
	if (!glob(path, 0, NULL, &found))
		snprintf(nodes->device, sizeof(nodes->device), "/dev/vfio/devices%s",
			 strrchr(found.gl_pathv[0], '/'));
	globfree(&found);
}
