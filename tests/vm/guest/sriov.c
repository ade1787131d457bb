// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "module.h"
#include "pci.h"
#include "sriov.h"
#include "sysfs.h"

#define DEVICE "/sys/bus/pci/devices/%s"
#define AUTOPROBE "/sys/bus/pci/drivers_autoprobe"
#define DRIVER "igb"
#define VF_MS 5000

/* For one function only: functions that no scenario has bound stay unbound. */
static int load_driver(void)
{
	int ret, restored;

	if (module_loaded(DRIVER))
		return 0;
	ret = sysfs_write("0", AUTOPROBE);
	if (ret)
		return ret;
	ret = module_load(DRIVER);
	restored = sysfs_write("1", AUTOPROBE);
	return ret ?: restored;
}

bool sriov_is_on(const char *port)
{
	char addr[PCI_ADDR_LEN], driver[32];

	return !pci_below(port, 0, addr) &&
	       pci_driver(addr, driver, sizeof(driver)) > 0 && !strcmp(driver, DRIVER);
}

int sriov_number(const char *addr)
{
	return sysfs_read_number(DEVICE "/sriov_numvfs", addr);
}

int sriov_set(const char *addr, unsigned int vfs)
{
	char number[8];

	snprintf(number, sizeof(number), "%u", vfs);
	return sysfs_write(number, DEVICE "/sriov_numvfs", addr);
}

static int set_flags(const char *addr, short flags)
{
	struct ifreq request = { .ifr_flags = flags };
	char path[64];
	struct dirent *e;
	int ret = -ENODEV, sock;
	DIR *dir;

	snprintf(path, sizeof(path), DEVICE "/net", addr);
	dir = opendir(path);
	if (!dir)
		return -errno;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", e->d_name);
		ret = ioctl(sock, SIOCSIFFLAGS, &request) ? -errno : 0;
	}
	close(sock);
	closedir(dir);
	return ret;
}

int sriov_start(const char *port, unsigned int vfs)
{
	char addr[PCI_ADDR_LEN];
	int ret;

	ret = load_driver();
	if (!ret)
		ret = pci_below(port, 0, addr);
	if (!ret && !sriov_is_on(port))
		ret = pci_bind(addr, DRIVER);
	/* otherwise the driver leaves the interrupts of VFs unrouted */
	if (!ret)
		ret = set_flags(addr, IFF_UP);
	if (!ret && sriov_number(addr) != (int)vfs) {
		/* VFs must not get a driver of the host */
		ret = sysfs_write("0", DEVICE "/sriov_drivers_autoprobe", addr);
		if (!ret)
			ret = sriov_set(addr, vfs);
	}
	if (ret)
		return ret;
	return pci_wait_below(port, vfs + 1, VF_MS) ? 0 : -ENODEV;
}

int sriov_restart(const char *addr)
{
	int ret = set_flags(addr, 0);

	return ret ?: set_flags(addr, IFF_UP);
}

/*
 * The VFs go first: where the driver takes them with it, the PCI core of 7.3 removes them
 * without the lock that it asserts itself.
 */
int sriov_end(void)
{
	char addr[PCI_ADDR_LEN];
	int ret = 0;

	if (!module_loaded(DRIVER))
		return 0;
	for (unsigned int i = 0; i < pci_port_count() && !ret; i++)
		if (sriov_is_on(pci_port(i)->id) && !pci_below(pci_port(i)->id, 0, addr) &&
		    sriov_number(addr) > 0)
			ret = sriov_set(addr, 0);
	return ret ?: module_unload(DRIVER);
}
