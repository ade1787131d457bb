// SPDX-License-Identifier: GPL-2.0-only
/* The agent's uevents of groups. In the files of the corpus their strings are lines. */
#include "../../tools/agent/uevent.c"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *message = fuzz_text(data, size);
	struct uevent uevent;

	for (size_t i = 0; i < size; i++)
		if (message[i] == '\n')
			message[i] = 0;
	if (!parse(message, message + size, &uevent)) {
		MUST(strlen(uevent.group) < sizeof(uevent.group));
		MUST(strlen(uevent.state) < sizeof(uevent.state));
	}
	free(message);
	return 0;
}
