// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "clock.h"
#include "monitor.h"
#include "strike.h"

#define STRIKE_MS 10000

int strike(const struct shim *s, const char *device_id, const char *status,
	   const char *state)
{
	uint64_t event = shim_number(s->group, "event");
	int ret;

	ret = aer_inject(device_id, status);
	if (ret)
		return ret;
	/* the state is still the old one until the host has seen the error */
	if (!WAIT_FOR(shim_number(s->group, "event") != event, STRIKE_MS))
		return -ETIMEDOUT;
	return shim_wait(s->group, state, STRIKE_MS) ? 0 : -ETIMEDOUT;
}
