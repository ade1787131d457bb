// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bug of vfio alone: stock vfio-pci, none of our modules. Runs only if named, on the debug
 * kernel: the machine is lost.
 */
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "klog.h"
#include "pci.h"
#include "scenario.h"
#include "sysfs.h"

#define PORT "rp_igb2"
#define FREED "slab-use-after-free"
#define SHOW_MS 60000

static atomic_int container = -1;

/* Wants the lock of an address space that may be gone by then. */
static void *use_container(void *unused)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.size = 4096,
	};

	for (;;)
		ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap);
	return unused;
}

/*
 * An ioctl of a container reads the container's address space without a lock. When the last
 * group leaves the container meanwhile, the address space is freed.
 */
SCENARIO(kernel_limit_container,
	 "a group leaves its container amid that container's ioctls (fails where vfio has the bug)",
	 .selftest = true, .limit_s = 120)
{
	char addr[PCI_ADDR_LEN], path[32], number[16];
	pthread_t thread;
	uint64_t over;
	int group, fd;

	REQUIRE_OK(pci_below(PORT, 0, addr));
	REQUIRE_OK(pci_bind(addr, "vfio-pci"));
	REQUIRE(sysfs_link(number, sizeof(number), "/sys/bus/pci/devices/%s/iommu_group", addr) > 0,
		"no IOMMU group");
	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	container = fd;
	REQUIRE(!pthread_create(&thread, NULL, use_container, NULL), "no thread");

	over = now_ms() + SHOW_MS;
	while (now_ms() < over && !klog_count(FREED)) {
		group = open(path, O_RDWR | O_CLOEXEC);
		REQUIRE(group >= 0 && !ioctl(group, VFIO_GROUP_SET_CONTAINER, &fd) &&
			!ioctl(fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
			"%s cannot be opened", path);
		close(group);
	}
	CHECK(!klog_count(FREED), "an ioctl has used what was freed");
}
