// SPDX-License-Identifier: GPL-2.0-only
/* The administrator of fuzz.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fuzz.h"
#include "mdev.h"
#include "sysfs.h"

#define PARENT "/sys/bus/pci/devices/%s"
#define MAX_FILES 256
#define MAX_TEXT 5000
#define PAUSE_MS 20

static char files[MAX_FILES][128];
static unsigned int nr_files;

/* Links lead to what is not ours. */
static void add_files(const char *dir_path)
{
	DIR *dir = opendir(dir_path);
	struct dirent *e;
	struct stat st;
	char path[128];

	while (dir && (e = readdir(dir))) {
		int len = snprintf(path, sizeof(path), "%s/%s", dir_path, e->d_name);

		if (e->d_name[0] == '.' || len >= (int)sizeof(path) || lstat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode) && strcmp(e->d_name, "power"))
			add_files(path);
		else if (S_ISREG(st.st_mode) && nr_files < MAX_FILES)
			snprintf(files[nr_files++], sizeof(files[0]), "%s", path);
	}
	if (dir)
		closedir(dir);
}

static void find_files(const struct fuzz_target *targets, unsigned int count)
{
	char path[128];

	nr_files = 0;
	snprintf(files[nr_files++], sizeof(files[0]), SHIM_CLASS "/settings");
	for (unsigned int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), SHIM_CLASS "/group%d", targets[i].mdevs[0].group);
		add_files(path);
		for (unsigned int n = 0; n < targets[i].count; n++) {
			const struct shim *s = &targets[i].mdevs[n];

			snprintf(path, sizeof(path), MDEV_DIR "/%s/recovery", s->uuid);
			add_files(path);
			snprintf(path, sizeof(path), PARENT "/mdev_supported_types", s->addr);
			add_files(path);
		}
	}
}

/* A value of a setting, a number, or what no file takes; MAX_TEXT bytes. */
static size_t draw_text(unsigned int *seed, char *text)
{
	static const char * const words[] = {
		"", "\n", "0", "1", "-1", "1\n", " 1", "1 ", "0x10", "3600000", "3600001",
		"4294967296", "18446744073709551616", "ones", "fault", "kill", "wait", "reset",
		"resume", "never", "pristine", "both", "%s%n", "../../..", "1,2", "50", "300",
	};
	size_t len;

	switch (fuzz_below(seed, 8)) {
	case 0:
		len = fuzz_below(seed, MAX_TEXT);
		memset(text, fuzz_below(seed, 256), len);
		return len;
	case 1:
		len = fuzz_below(seed, 40);
		for (size_t i = 0; i < len; i++)
			text[i] = fuzz_below(seed, 256);
		return len;
	case 2:
		return sprintf(text, "%u", fuzz_word(seed));
	default:
		return sprintf(text, "%s",
			       words[fuzz_below(seed, sizeof(words) / sizeof(words[0]))]);
	}
}

static void use_file(unsigned int *seed, const char *path)
{
	char text[MAX_TEXT];
	size_t len;
	int fd;

	fd = open(path, (fuzz_below(seed, 3) ? O_WRONLY : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	len = draw_text(seed, text);
	fuzz_count->writes++;
	if (pwrite(fd, text, len, 0) >= 0)
		fuzz_count->accepted++;
	if (pread(fd, text, sizeof(text), fuzz_below(seed, 4) ? 0 : fuzz_word(seed)) < 0)
		errno = 0;
	close(fd);
}

/* With waits short enough for the time there is. */
static void tame(const struct shim *s)
{
	shim_set(s, "stall_timeout_ms", "300");
	shim_set(s, "hold_timeout_ms", "300");
	shim_set(s, "recovery_timeout_ms", "2000");
	shim_set(s, "revoke", "kill");
	shim_set(s, "revoke_timeout_ms", "0");
}

static void make_anew(unsigned int *seed, const struct shim *s)
{
	static const char * const types[] = { "resume", "hold", "evict" };
	char type[32];

	tame(s);
	if (!mdev_remove(s->uuid))
		fuzz_count->removals++;
	snprintf(type, sizeof(type), "%s-%s", s->driver, types[fuzz_below(seed, 3)]);
	mdev_create(s->addr, type, s->uuid);
	tame(s);
}

void fuzz_files(const struct fuzz_target *targets, unsigned int count, unsigned int seed)
{
	for (;;) {
		const struct fuzz_target *t = &targets[fuzz_below(&seed, count)];
		const struct shim *s = &t->mdevs[fuzz_below(&seed, t->count)];

		find_files(targets, count);
		for (unsigned int i = 0; i < 40 && nr_files; i++)
			use_file(&seed, files[fuzz_below(&seed, nr_files)]);
		sysfs_write("1", SHIM_CLASS "/group%d/recover", s->group);
		/* otherwise long waits go on */
		if (fuzz_below(&seed, 2))
			tame(s);
		if (!fuzz_below(&seed, 4))
			make_anew(&seed, s);
		sleep_ms(fuzz_below(&seed, PAUSE_MS));
	}
}
