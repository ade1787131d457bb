// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "pci.h"
#include "sysfs.h"

#define DEVICE "/sys/bus/pci/devices/%s"

static struct pci_port ports[PCI_MAX_PORTS];
static unsigned int nr_ports;

int pci_ports_parse(const char *list)
{
	char copy[1024], *rest = copy, *one;

	snprintf(copy, sizeof(copy), "%s", list);
	while ((one = strsep(&rest, ","))) {
		struct pci_port *p = &ports[nr_ports];

		if (nr_ports == PCI_MAX_PORTS)
			return -E2BIG;
		if (sscanf(one, "%23[^=]=%39s", p->id, p->way) != 2)
			return -EINVAL;
		nr_ports++;
	}
	return 0;
}

unsigned int pci_port_count(void)
{
	return nr_ports;
}

const struct pci_port *pci_port(unsigned int n)
{
	return &ports[n];
}

/* "0000:00:00.0"; not by sscanf(), which is slow where processors are emulated */
static int is_address(const struct dirent *e)
{
	const char *name = e->d_name;

	return strlen(name) == strlen("0000:00:00.0") && name[4] == ':' && name[7] == ':' &&
	       name[10] == '.';
}

/* Right below a bridge: what is at devfn, "DEVICE.FUNCTION", or without it the nth. */
static int find(const char *bridge, const char *devfn, unsigned int n,
		char addr[PCI_ADDR_LEN])
{
	struct dirent **found;
	int ret = -ENODEV;
	char path[64];
	int count;

	snprintf(path, sizeof(path), DEVICE, bridge);
	count = scandir(path, &found, is_address, alphasort);
	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		const char *name = found[i]->d_name;

		if (devfn ? !strcmp(name + strlen("0000:00:"), devfn) : i == (int)n) {
			snprintf(addr, PCI_ADDR_LEN, "%.15s", name);
			ret = 0;
		}
		free(found[i]);
	}
	free(found);
	return ret;
}

/* Who counts the buses below a root port is the firmware, or a later rescan. */
static int follow(const char *way, char addr[PCI_ADDR_LEN])
{
	char copy[sizeof(((struct pci_port *)0)->way)], *rest = copy, *devfn;
	char bridge[PCI_ADDR_LEN];
	int ret = 0;

	snprintf(copy, sizeof(copy), "%s", way);
	snprintf(addr, PCI_ADDR_LEN, "0000:%.7s", strsep(&rest, "/"));
	while (!ret && (devfn = strsep(&rest, "/"))) {
		memcpy(bridge, addr, sizeof(bridge));
		ret = find(bridge, devfn, 0, addr);
	}
	return ret;
}

const char *pci_port_addr(const char *port_id)
{
	static __thread char addr[PCI_ADDR_LEN];

	for (unsigned int i = 0; i < nr_ports; i++)
		if (!strcmp(ports[i].id, port_id))
			return follow(ports[i].way, addr) ? NULL : addr;
	return NULL;
}

bool pci_is_bridge(const char *addr)
{
	/* asked of the kernel: a bridge below a blank one does not answer */
	return sysfs_read_number(DEVICE "/class", addr) >> 8 == 0x0604;
}

int pci_below(const char *port_id, unsigned int n, char addr[PCI_ADDR_LEN])
{
	const char *port = pci_port_addr(port_id);

	return port ? find(port, NULL, n, addr) : -EINVAL;
}

bool pci_wait_below(const char *port_id, unsigned int count, unsigned int ms)
{
	char addr[PCI_ADDR_LEN];

	if (!count)
		return WAIT_FOR(pci_below(port_id, 0, addr) == -ENODEV, ms);
	return WAIT_FOR(pci_below(port_id, count - 1, addr) == 0, ms);
}

int pci_driver(const char *addr, char *driver, unsigned int size)
{
	int ret = sysfs_link(driver, size, DEVICE "/driver", addr);

	return ret == -ENOENT && sysfs_exists(DEVICE, addr) ? 0 : ret;
}

int pci_unbind(const char *addr)
{
	int ret = 0;

	if (sysfs_exists(DEVICE "/driver", addr))
		ret = sysfs_write(addr, DEVICE "/driver/unbind", addr);
	if (!ret)
		ret = sysfs_write("\n", DEVICE "/driver_override", addr);
	return ret;
}

int pci_bind(const char *addr, const char *driver)
{
	char bound[64];
	int ret;

	ret = pci_unbind(addr);
	if (!ret)
		ret = sysfs_write(driver, DEVICE "/driver_override", addr);
	if (!ret)
		ret = sysfs_write(addr, "/sys/bus/pci/drivers_probe");
	if (ret)
		return ret;
	/* the probe's own error stays in the kernel log */
	ret = pci_driver(addr, bound, sizeof(bound));
	if (ret < 0)
		return ret;
	return strcmp(bound, driver) ? -ENODEV : 0;
}

unsigned int pci_device_count(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	unsigned int count = 0;
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		count += is_address(e);
	if (dir)
		closedir(dir);
	return count;
}

int pci_iommu_group(const char *addr)
{
	char group[16];
	int ret;

	ret = sysfs_link(group, sizeof(group), DEVICE "/iommu_group", addr);
	return ret < 0 ? ret : atoi(group);
}

int pci_config_open(const char *addr, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), DEVICE "/config", addr);
	return open(path, flags | O_CLOEXEC);
}

uint32_t pci_config_read(const char *addr, unsigned int off, unsigned int width)
{
	uint32_t value = 0;
	ssize_t len;
	int fd;

	fd = pci_config_open(addr, O_RDONLY);
	if (fd < 0)
		return ~0u;
	len = pread(fd, &value, width, off);
	close(fd);
	return len == (ssize_t)width ? le32toh(value) : ~0u;
}

int pci_config_write(const char *addr, unsigned int off, unsigned int width,
		     uint32_t value)
{
	ssize_t len;
	int fd;

	value = htole32(value);
	fd = pci_config_open(addr, O_WRONLY);
	if (fd < 0)
		return -errno;
	len = pwrite(fd, &value, width, off);
	close(fd);
	return len == (ssize_t)width ? 0 : -EIO;
}

int pci_config_lose(const char *addr)
{
	int ret = 0;

	for (unsigned int bar = 0; bar < 6 && !ret; bar++)
		ret = pci_config_write(addr, 0x10 + 4 * bar, 4, 0);
	return ret ? ret : pci_config_write(addr, 0x04, 2, 0);
}

int pci_reset(const char *addr)
{
	return sysfs_write("1", DEVICE "/reset", addr);
}

int pci_remove(const char *addr)
{
	return sysfs_write("1", DEVICE "/remove", addr);
}

int pci_rescan(const char *port_id)
{
	const char *port = pci_port_addr(port_id);

	return port ? sysfs_write("1", DEVICE "/rescan", port) : -EINVAL;
}
