/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine: what QEMU says of its PCI devices, in the words in which libvirt describes a
 * domain, as far as the agent reads them.
 */
#ifndef MDR_AGENT_MACHINE_H
#define MDR_AGENT_MACHINE_H

struct json_object;

/* The value of a property of an object in QEMU, to be put, or NULL; its list if NULL. */
typedef struct json_object *(*machine_ask)(void *arg, const char *path, const char *property);

/* The XML of a domain, to be freed, from what query-pci returned. */
char *machine_describe(struct json_object *buses, machine_ask ask, void *arg);

/*
 * Has the guest given a device addresses, by what query-pci returned? A reset takes them,
 * and a driver that sets the device up again gives them back. Return: 1, 0, or -ENOENT.
 */
int machine_has_addresses(struct json_object *buses, const char *id);

/* The arguments of device_add for a hostdev of such an XML, to be put, or NULL. */
struct json_object *machine_attach(const char *hostdev_xml);

#endif
