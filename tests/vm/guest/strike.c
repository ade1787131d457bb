// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "clock.h"
#include "monitor.h"
#include "strike.h"
#include "took.h"

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
	if (!shim_wait(s->group, state, STRIKE_MS))
		return -ETIMEDOUT;
	took_note(s);
	return 0;
}

int strike_slow(const struct shim *s, const char *device_id, const char *ms)
{
	int ret = shim_test_set("slot_reset_ms", ms);

	return ret ? ret : strike(s, device_id, "DLP", "recovering");
}
