// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fake_root.h"
#include "test.h"

char fake_root[64];

static void command(const char *format, const char *path)
{
	char line[256];

	snprintf(line, sizeof(line), format, path);
	assert_int_equal(system(line), 0);
}

void fake_root_make(void)
{
	snprintf(fake_root, sizeof(fake_root), "/tmp/agent-test.XXXXXX");
	assert_non_null(mkdtemp(fake_root));
}

void fake_root_remove(void)
{
	command("rm -rf '%s'", fake_root);
}

int fake_root_setup(void **state)
{
	fake_root_make();
	return 0;
}

int fake_root_teardown(void **state)
{
	fake_root_remove();
	return 0;
}

const char *fake_path(const char *format, ...)
{
	static char path[256];
	va_list args;
	int at;

	at = snprintf(path, sizeof(path), "%s/", fake_root);
	va_start(args, format);
	vsnprintf(path + at, sizeof(path) - at, format, args);
	va_end(args);
	return path;
}

void fake_write(const char *path, const char *text)
{
	char name[512];
	FILE *f;

	snprintf(name, sizeof(name), "%s/%s", fake_root, path);
	for (char *at = strchr(name + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = 0;
		mkdir(name, 0700);
		*at = '/';
	}
	f = fopen(name, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

const char *fake_read(const char *path)
{
	static char text[16384];
	FILE *f = fopen(fake_path("%s", path), "r");
	size_t got = 0;

	if (f) {
		got = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[got] = 0;
	return text;
}

void fake_group(const char *group, const char *state, const char *policy,
		unsigned long long event, const char *mdev)
{
	char path[256], line[64];

	snprintf(path, sizeof(path), "sys/class/mdev_recovery/%s/state", group);
	snprintf(line, sizeof(line), "%s\n", state);
	fake_write(path, line);
	snprintf(path, sizeof(path), "sys/class/mdev_recovery/%s/event", group);
	snprintf(line, sizeof(line), "%llu\n", event);
	fake_write(path, line);
	snprintf(path, sizeof(path), "sys/class/mdev_recovery/%s/policy", group);
	snprintf(line, sizeof(line), "%s\n", policy);
	fake_write(path, line);
	/* a link in sysfs; only its name matters */
	snprintf(path, sizeof(path), "sys/class/mdev_recovery/%s/%s", group, mdev);
	fake_write(path, "");
}

void fake_group_remove(const char *group)
{
	command("rm -rf '%s'", fake_path("sys/class/mdev_recovery/%s", group));
}
