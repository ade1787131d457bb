// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "aer_fault.h"
#include "module.h"

/* drivers/pci/pcie/aer_inject.c has it, no header does */
struct fault {
	uint8_t bus;
	uint8_t dev;
	uint8_t fn;
	uint32_t uncor_status;
	uint32_t cor_status;
	uint32_t header_log[4];
	uint32_t domain;
};

int aer_fault(const char *addr, uint32_t uncorrectable, uint32_t correctable)
{
	struct fault fault = { .uncor_status = uncorrectable, .cor_status = correctable };
	unsigned int bus, dev, fn;
	ssize_t len;
	int fd;

	if (sscanf(addr, "%x:%x:%x.%u", &fault.domain, &bus, &dev, &fn) != 4)
		return -EINVAL;
	fault.bus = bus;
	fault.dev = dev;
	fault.fn = fn;
	if (!module_loaded("aer_inject") && module_load("aer_inject"))
		return -ENOEXEC;
	fd = open("/dev/aer_inject", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = write(fd, &fault, sizeof(fault));
	close(fd);
	return len < 0 ? -errno : 0;
}

int aer_fault_end(void)
{
	return module_loaded("aer_inject") ? module_unload("aer_inject") : 0;
}
