/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDRCTL_PICTURE_H
#define MDRCTL_PICTURE_H

#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

/* Enough for "18446744073.709 ms". */
#define SPAN_SIZE 32

/* A time as text, in ms, or in s if it is long. */
void span_text(int64_t us, char text[SPAN_SIZE]);

/* when() gives the beginning of a recovery as text. */
void picture_draw(FILE *to, struct json_object *recoveries,
		  void (*when)(struct json_object *recovery, char *text, size_t size));

#endif
