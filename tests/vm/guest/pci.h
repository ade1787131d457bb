/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI functions, named by address ("0000:01:00.0") and found by the port they sit
 * right below (machine.sh has the ports). Return 0 or more, or -errno.
 */
#ifndef MDR_PCI_H
#define MDR_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_ADDR_LEN 16
#define PCI_MAX_PORTS 32

struct pci_port {
	char id[24];
	/* "00:18.0/00.0/01.0": from a root port down, bridge by bridge */
	char way[40];
};

/* From mdr.ports= of the kernel command line. */
int pci_ports_parse(const char *list);
unsigned int pci_port_count(void);
const struct pci_port *pci_port(unsigned int n);
/* Where it is now; NULL if it is not there. Valid until the thread's next call. */
const char *pci_port_addr(const char *port_id);

/* How many functions and bridges there are in all. */
unsigned int pci_device_count(void);

/* The nth function below a port, in order of address. */
int pci_below(const char *port_id, unsigned int n, char addr[PCI_ADDR_LEN]);

bool pci_is_bridge(const char *addr);

/* The driver it is bound to; "" if none. */
int pci_driver(const char *addr, char *driver, unsigned int size);
/* Unbinds it from what it is bound to, then binds it by driver_override. */
int pci_bind(const char *addr, const char *driver);
int pci_unbind(const char *addr);

/* Number of its IOMMU group; -ENOENT if it has none. */
int pci_iommu_group(const char *addr);

/* Config space as the host sees it; a file descriptor of it. */
int pci_config_open(const char *addr, int flags);
uint32_t pci_config_read(const char *addr, unsigned int off, unsigned int width);
int pci_config_write(const char *addr, unsigned int off, unsigned int width,
		     uint32_t value);
/* Zeroes BARs and COMMAND, as a loss of power does; all else in it is as before. */
int pci_config_lose(const char *addr);
#define pci_command(addr) ((uint16_t)pci_config_read(addr, 0x04, 2))

/* Function reset through sysfs, surprise removal, and back again. */
int pci_reset(const char *addr);
int pci_remove(const char *addr);
int pci_rescan(const char *port_id);

/* Functions below a port may appear late. */
bool pci_wait_below(const char *port_id, unsigned int count, unsigned int ms);

#endif
