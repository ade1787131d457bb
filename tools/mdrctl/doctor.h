/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * doctor: each check says PASS, WARN or FAIL about one object, and what to do.
 */
#ifndef MDRCTL_DOCTOR_H
#define MDRCTL_DOCTOR_H

#include "mdrctl.h"

struct opener;

enum level { LEVEL_PASS, LEVEL_WARN, LEVEL_FAIL };

struct exam {
	struct cli *cli;
	struct json_object *findings;
	enum level worst;
	const struct opener *opener;	/* whose rights are looked at; NULL: this process's */
};

enum level level_parse(const char *name);	/* LEVEL_FAIL if unknown */

/* next: the next command, or what else to do, or NULL. */
void find(struct exam *exam, enum level level, const char *check, const char *object,
	  const char *next, const char *format, ...) __attribute__((format(printf, 6, 7)));

void exam_host(struct exam *exam);
void exam_module(struct exam *exam);
void exam_memlock(struct exam *exam);
void exam_function(struct exam *exam, const char *address);
/* Of the file by which it is opened. */
void exam_node(struct exam *exam, const struct mdr_function *function);
/* Reports an unknown name, too. Returns END_OK, or another end. */
int exam_domain(struct exam *exam, const char *name);
/* Of the user that a domain's QEMU runs as. The tree is mdr-agent's, or NULL. */
void exam_qemu(struct exam *exam, struct json_object *tree);
void exam_group(struct exam *exam, const struct mdr_group *group);

#endif
