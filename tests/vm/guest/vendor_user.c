// SPDX-License-Identifier: GPL-2.0-only
#include "scenario.h"
#include "vendor_user.h"

void vendor_start(struct shim *s, struct vfio_user *u, const char *policy)
{
	REQUIRE_OK(shim_bind_vendor(s, VENDOR_PORT, 0));
	REQUIRE_OK(shim_create(s, policy));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(u, s->uuid));
}

void vendor_check_gated(const struct shim *s)
{
	CHECK(shim_vendor_count("trespasses") == 0, "%ld operations at the closed gate",
	      shim_vendor_count("trespasses"));
	CHECK_NUMBER(s->group, "stats/drain_timeouts", 0);
}
