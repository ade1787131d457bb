// SPDX-License-Identifier: GPL-2.0-only
/* Reports of the debug kernel after the other scenarios. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "scenario.h"
#include "sysfs.h"

#define KMEMLEAK "/sys/kernel/debug/kmemleak"
/* younger ones are not reported */
#define OLD_ENOUGH_MS 6000
#define MAX_NOTED 5

SCENARIO(debug_lockdep_on, "lockdep saw all scenarios up to here: it has not given up",
	 .debug = true, .last = true)
{
	char stats[4096], proving[16], *line;

	REQUIRE_OK(sysfs_read(stats, sizeof(stats), "/proc/lockdep_stats"));
	line = strstr(stats, "debug_locks:");
	REQUIRE(line, "/proc/lockdep_stats has no line debug_locks");
	CHECK(atoi(line + strlen("debug_locks:")) == 1, "lockdep is off");
	REQUIRE_OK(sysfs_read(proving, sizeof(proving), "/proc/sys/kernel/prove_locking"));
	CHECK(atoi(proving) == 1, "lockdep is not told to prove the order of locks");
	line = strstr(stats, "lock-classes:");
	MEASURE("lock_classes", "%d", line ? atoi(line + strlen("lock-classes:")) : 0);
}

/*
 * A report has an object and the calls that allocated it. It concerns us if one of
 * the calls is ours or of a module that ours depends on, or of a module that has been
 * unloaded since and has no name any more.
 */
static bool is_ours(const char *report)
{
	static const char * const signs[] = {
		"mdr_", "mdev", "vfio", "\n    0xffffffffc",
	};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strstr(report, signs[i]))
			return true;
	return false;
}

struct leaks {
	char report[4096];
	unsigned int ours;
	unsigned int others;
};

static void end_report(struct leaks *leaks)
{
	char *line, *rest = leaks->report;

	if (!leaks->report[0])
		return;
	if (is_ours(leaks->report))
		leaks->ours++;
	else
		leaks->others++;
	if (leaks->ours + leaks->others <= MAX_NOTED)
		while ((line = strsep(&rest, "\n")))
			note("%s", line);
	leaks->report[0] = 0;
}

static int read_leaks(struct leaks *leaks)
{
	char line[256];
	size_t used;
	FILE *file;

	file = fopen(KMEMLEAK, "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "unreferenced object", 19))
			end_report(leaks);
		used = strlen(leaks->report);
		snprintf(leaks->report + used, sizeof(leaks->report) - used, "%s", line);
	}
	end_report(leaks);
	fclose(file);
	return 0;
}

SCENARIO(debug_no_leak, "no memory of ours was lost in all the scenarios",
	 .debug = true, .last = true, .limit_s = 120)
{
	struct leaks leaks = { .report = "" };

	/* scan twice: one scan can miss a pointer that moves meanwhile */
	for (int i = 0; i < 2; i++) {
		sleep_ms(OLD_ENOUGH_MS);
		REQUIRE_OK(sysfs_write("scan", KMEMLEAK));
	}
	REQUIRE_OK(read_leaks(&leaks));
	CHECK(!leaks.ours, "%u leaks", leaks.ours);
	MEASURE("ours", "%u", leaks.ours);
	MEASURE("others", "%u", leaks.others);
}
