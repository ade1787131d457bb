// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>

#include "pci.h"
#include "shm.h"
#include "vfio_user.h"

#define WATCH_PORT "rp_watch"

volatile uint32_t *shm_watch(void)
{
	static struct vfio_user user;
	char addr[PCI_ADDR_LEN];

	if (pci_below(WATCH_PORT, 0, addr) || pci_bind(addr, "vfio-pci") ||
	    vfio_user_open(&user, addr))
		return NULL;
	return vfio_user_map(&user, SHM_REGION);
}
