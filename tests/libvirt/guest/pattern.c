// SPDX-License-Identifier: GPL-2.0-only
#include "pattern.h"

static uint64_t word(uint64_t stream, uint64_t index)
{
	return ((stream << 40) + index + 1) * 0x9e3779b97f4a7c15u;
}

void pattern_fill(void *buf, size_t size, uint64_t stream, uint64_t offset)
{
	uint64_t *words = buf;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		words[i] = word(stream, offset / sizeof(*words) + i);
}

size_t pattern_wrong(const void *buf, size_t size, uint64_t stream, uint64_t offset)
{
	const uint64_t *words = buf;
	size_t wrong = 0;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		wrong += words[i] != word(stream, offset / sizeof(*words) + i);
	return wrong;
}
