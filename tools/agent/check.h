/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check: whether the guest of a domain could be told of an error, before there is one.
 * The code that decides at an error gives the answer.
 */
#ifndef MDR_AGENT_CHECK_H
#define MDR_AGENT_CHECK_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;

/*
 * Adds a finding for each check to the list, in the form of mdrctl doctor --json. xml:
 * of the domain, which is running. Return: 0; -EINVAL if it is not the XML of a domain.
 */
int check_domain(const char *sysfs, const char *name, const char *xml, const char *halted,
		 struct json_object *findings);

/*
 * What mdrctl doctor needs to look at the process of a domain's QEMU. capabilities: the XML
 * of libvirt's, or NULL.
 */
struct json_object *check_qemu(const char *name, const char *xml, const char *capabilities,
			       uint64_t memory_kib, bool running);

/* Prints the findings of a domain of libvirt's. Return: the exit code of mdr-agent. */
int check_print(const char *sysfs, const char *uri, const char *name);

#endif
