// SPDX-License-Identifier: GPL-2.0-only
/* The observer in the kernel, and the delays that it makes (mdev_recovery_soak.c). */
#include <stdio.h>
#include <string.h>

#include "module.h"
#include "scenario.h"
#include "soak.h"
#include "sysfs.h"

#define MODULE "mdev_recovery_soak"
#define PARAMETER "/sys/module/" MODULE "/parameters/%s"

static long number(const char *parameter)
{
	return sysfs_read_number(PARAMETER, parameter);
}

/* Each seed has delays of its own kind: none, a few long ones, many short ones. */
void observer_start(struct soak_random *r)
{
	static const char * const one_in[] = { "0", "4", "20", "100" };
	static const char * const us[] = { "20", "200", "1000", "4000" };
	char seed[24];

	REQUIRE_OK(module_load(MODULE));
	snprintf(seed, sizeof(seed), "%ju", (uintmax_t)random_next(r));
	REQUIRE_OK(sysfs_write(seed, PARAMETER, "seed"));
	REQUIRE_OK(sysfs_write(us[random_below(r, 4)], PARAMETER, "delay_us"));
	REQUIRE_OK(sysfs_write(one_in[random_below(r, 4)], PARAMETER, "delay_one_in"));
}

void observer_check(void)
{
	long trespasses = number("trespasses");

	if (trespasses)
		soak_fail("%ld accesses through a gate that was shut", trespasses);
}

void observer_end(void)
{
	char arcs[256];

	observer_check();
	if (!atomic_load(&soak->failed_step)) {
		CHECK(number("shuts") > 0, "no gate was ever seen shut");
		CHECK(number("accesses") > 0, "no access was ever seen");
	}
	soak->accesses += number("accesses");
	soak->shuts += number("shuts");
	soak->delays += number("delays");
	if (sysfs_read(arcs, sizeof(arcs), PARAMETER, "arcs") > 0)
		arcs_add(arcs);
	CHECK(!number("soak_missing"), "%ld points of the driver are missing, see the log",
	      number("soak_missing"));
	CHECK_OK(module_unload(MODULE));
}
