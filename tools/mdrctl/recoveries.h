/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDRCTL_RECOVERIES_H
#define MDRCTL_RECOVERIES_H

#include <json-c/json.h>

/*
 * Reads what "mdrctl timeline --json" printed, maybe on another machine; "-" is standard
 * input. The array is to be put; NULL: END_OK is not in *end, and the error is printed.
 */
struct json_object *recoveries_load(const char *file, int *end);

#endif
