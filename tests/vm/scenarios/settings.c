// SPDX-License-Identifier: GPL-2.0-only
/* The settings of an mdev: what the class says of them is documented, and true. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mdev.h"
#include "scenario.h"
#include "shim.h"
#include "sysfs.h"

#define PORT "rp_igb2"

static unsigned int nr_settings(const char *uuid)
{
	unsigned int count = 0;
	char path[128];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), MDEV_DIR "/%s/recovery", uuid);
	dir = opendir(path);
	REQUIRE(dir, "no %s", path);
	while ((e = readdir(dir)))
		count += e->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* One line of the table: the mdev has its default, takes its bounds, and no more. */
static void check_setting(const struct shim *s, char *line)
{
	char *name = strtok(line, " "), *kind = strtok(NULL, " "), *normal = strtok(NULL, " ");
	char *a = strtok(NULL, " "), *b = strtok(NULL, " "), now[32] = "";
	bool is_number = kind && !strcmp(kind, "number");
	char beyond[32];

	REQUIRE(b, "'%s' is short", name);
	sysfs_read(now, sizeof(now), MDEV_DIR "/%s/recovery/%s", s->uuid, name);
	CHECK(!strcmp(now, normal), "%s is %s, its default is %s", name, now, normal);
	CHECK(is_number || !strcmp(kind, "word"), "%s is a %s", name, kind);
	CHECK_OK(shim_set(s, name, a));
	CHECK_OK(shim_set(s, name, b));
	snprintf(beyond, sizeof(beyond), "%lu", strtoul(b, NULL, 10) + 1);
	CHECK_ERRNO(shim_set(s, name, is_number ? beyond : "both"), EINVAL);
	snprintf(beyond, sizeof(beyond), "%ld", strtol(a, NULL, 10) - 1);
	CHECK_ERRNO(shim_set(s, name, is_number ? beyond : kind), EINVAL);
	CHECK(!is_number || strtok(NULL, " "), "%s has no unit", name);
}

/* What is documented. */
static const struct {
	const char *name, *kind, *normal, *values;
} settings[] = {
	{ "stall_timeout_ms", "number", "2000", "0 3600000 ms" },
	{ "hold_timeout_ms", "number", "10000", "0 3600000 ms" },
	{ "recovery_timeout_ms", "number", "90000", "100 3600000 ms" },
	{ "dead_access", "word", "ones", "ones fault" },
	{ "nonfatal_action", "word", "continue", "continue reset" },
	{ "reset_elision", "word", "never", "never pristine" },
	{ "breaker_max", "number", "5", "0 63 errors" },
	{ "breaker_window_ms", "number", "60000", "1 3600000 ms" },
	{ "revoke", "word", "wait", "wait kill" },
	{ "revoke_timeout_ms", "number", "10000", "0 3600000 ms" },
};

static void check_documented(unsigned int n, const char *line)
{
	char expected[128];

	REQUIRE(n < sizeof(settings) / sizeof(settings[0]), "'%s' is not documented", line);
	snprintf(expected, sizeof(expected), "%s %s %s %s", settings[n].name, settings[n].kind,
		 settings[n].normal, settings[n].values);
	CHECK(!strcmp(line, expected), "'%s', documented is '%s'", line, expected);
}

SCENARIO(settings_exported,
	 "the table of settings has each file of an mdev, with its documented default and bounds")
{
	char table[2048], *line, *rest;
	unsigned int count = 0;
	struct shim s;

	/* the mdev of other tests would have other values */
	REQUIRE_OK(shim_bind(&s, PORT, 0));
	snprintf(s.uuid, sizeof(s.uuid), "11111111-2222-4333-8444-555555555555");
	REQUIRE_OK(mdev_create(s.addr, "mdr-pci-resume", s.uuid));
	REQUIRE(sysfs_read(table, sizeof(table), SHIM_CLASS "/settings") > 0, "no table");
	for (line = strtok_r(table, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		check_documented(count, line);
		check_setting(&s, line);
		count++;
	}
	CHECK(count == nr_settings(s.uuid), "%u of %u settings", count, nr_settings(s.uuid));
	CHECK_ERRNO(sysfs_write("x", SHIM_CLASS "/settings"), EACCES);
	MEASURE("settings", "%u", count);
}
