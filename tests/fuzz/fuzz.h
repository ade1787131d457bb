/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A target: one parser, and what has to hold for whatever it is given. With clang the
 * same file is a target of libFuzzer.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has to hold; else the input is a finding. */
#define MUST(condition)			\
	do {				\
		if (!(condition))	\
			abort();	\
	} while (0)

/* A copy that ends right behind a null character, to be freed. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	MUST(text);
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	return text;
}

#endif
