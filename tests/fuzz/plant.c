// SPDX-License-Identifier: GPL-2.0-only
/* A planted bug behind three conditions: shows that the driver finds one, and says so. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static volatile uint8_t sum;

	if (size > 3 && data[0] == '{')
		if (data[1] == '%')
			if (data[2] == 0xff)
				sum += data[size];
	return 0;
}
