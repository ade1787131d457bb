/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's uevents, as they arrive. */
#ifndef MDR_UEVENT_H
#define MDR_UEVENT_H

#include <stdbool.h>
#include <stddef.h>

struct uevent {
	/* "change@/devices/..." and the KEY=value strings, each ended by 0 */
	char text[4096];
	size_t len;
};

/* A socket that gets all uevents from now on, or -errno. */
int uevent_listen(void);

/* The value of a key; NULL if the event has none. */
const char *uevent_get(const struct uevent *event, const char *key);

/* The next event within ms that has key=value (any value if value is NULL). */
bool uevent_wait(int fd, const char *key, const char *value, unsigned int ms,
		 struct uevent *event);

#endif
