/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * store: the file that keeps the records across a restart of the agent. It is
 * valid for one boot of the host, since domains do not outlive that.
 */
#ifndef MDR_AGENT_STORE_H
#define MDR_AGENT_STORE_H

#include "record.h"

#define STORE_FILE "state.json"

/*
 * Adds the records in DIR/state.json. Return: 0, also if there is no such file or
 * it is of another boot; -EINVAL if it is damaged, with nothing added; another
 * -errno.
 */
int store_load(const char *dir, const char *boot, struct records *records);

/*
 * Writes the records; a reader sees either the old file or the new one. Return: 0, or
 * -errno with the old file unchanged.
 */
int store_save(const char *dir, const char *boot, const struct records *records);

#endif
