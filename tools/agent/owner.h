/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * owner: the user that libvirt runs the QEMU of a domain as, who also owns its files.
 */
#ifndef MDR_AGENT_OWNER_H
#define MDR_AGENT_OWNER_H

#include <stdbool.h>

#define OWNER_SIZE	64

/*
 * As libvirt writes it, like "+64055:+64055": from the XML of the domain if it has one,
 * else from that of libvirt's capabilities, which may be NULL. "" if neither says it.
 */
void owner_of(const char *domain_xml, const char *capabilities, char owner[OWNER_SIZE]);

#endif
