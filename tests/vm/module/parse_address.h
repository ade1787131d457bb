/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDR_PARSE_ADDRESS_H
#define MDR_PARSE_ADDRESS_H

#include <linux/kernel.h>
#include <linux/pci.h>

/* The function at the beginning of the text, referenced, and what follows; or NULL. */
static inline struct pci_dev *parse_address(const char *text, const char **rest)
{
	unsigned int domain, bus, device, function;
	int length;

	if (sscanf(text, "%x:%x:%x.%u%n", &domain, &bus, &device, &function,
		   &length) != 4)
		return NULL;
	*rest = text + length;
	return pci_get_domain_bus_and_slot(domain, bus,
					   PCI_DEVFN(device, function));
}

#endif
