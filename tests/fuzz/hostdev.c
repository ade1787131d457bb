// SPDX-License-Identifier: GPL-2.0-only
/* The agent's reading of a domain's XML. */
#include "fuzz.h"
#include "hostdev.h"

static void see(const struct hostdev *hostdev, void *arg)
{
	(void)arg;
	MUST(strlen(hostdev->mdev) < sizeof(hostdev->mdev));
	MUST(strlen(hostdev->alias) < sizeof(hostdev->alias));
	MUST(strlen(hostdev->port) < sizeof(hostdev->port));
	MUST(strlen(hostdev->neighbour) < sizeof(hostdev->neighbour));
	MUST(hostdev->xml && strstr(hostdev->xml, "hostdev"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *xml = fuzz_text(data, size);

	hostdev_each(xml, see, NULL);
	free(xml);
	return 0;
}
