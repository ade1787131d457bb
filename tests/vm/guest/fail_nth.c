// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail_nth.h"
#include "scenario.h"
#include "sysfs.h"

#define DEBUGFS "/sys/kernel/debug/%s/"
#define MOST_CODE 0x100000
#define MAX_THREADS 64

/* Its file is open all the time: to open it takes allocations. */
static int own = -1;

static int threads[MAX_THREADS];
static unsigned int nr_threads;

/* What is left to go until one fails; false if the task is gone. */
static bool left(int fd, unsigned int *n)
{
	char text[16];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return false;
	text[len] = 0;
	*n = strtoul(text, NULL, 10);
	return true;
}

static bool put(int fd, unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	return pwrite(fd, text, len, 0) == len;
}

/* Symbols of the kernel's image. Its files are linked one after the other. */
static const struct {
	const char *first, *last;
} code[] = {
	[FAIL_NTH_NOT_ACPI] = { "acpi_ds_", "acpi_ut_" },
	[FAIL_NTH_NOT_PROC] = { "__proc_create", "__proc_create" },
};

struct range {
	unsigned long first, last, end;
};

static void look_at(const char *name, unsigned long addr, enum fail_nth_not not, struct range *r)
{
	if (!strncmp(name, code[not].first, strlen(code[not].first)) && addr < r->first)
		r->first = addr;
	if (!strncmp(name, code[not].last, strlen(code[not].last)) && addr > r->last)
		r->last = addr;
	if (addr > r->last && (r->end <= r->last || addr < r->end))
		r->end = addr;
}

/* In kallsyms the symbols of the image are sorted by their address. */
static int find_code(enum fail_nth_not not, struct range *r)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long addr;
	char name[64];

	*r = (struct range){ .first = ULONG_MAX };
	while (f && fscanf(f, "%lx %*c %63s%*[^\n]", &addr, name) == 2)
		look_at(name, addr, not, r);
	if (f)
		fclose(f);
	return r->first <= r->last && r->end > r->last && r->end - r->first < MOST_CODE ? 0 :
										     -ENOENT;
}

static int set(const char *kind, const char *name, const char *value)
{
	return sysfs_write(value, DEBUGFS "%s", kind, name);
}

static int prepare(const char *kind, const char *first, const char *end)
{
	/* also those that may wait, and without a stack in the log for each */
	int ret = set(kind, "ignore-gfp-wait", "N");

	if (!ret)
		ret = set(kind, "verbose", "0");
	if (!ret)
		ret = set(kind, "reject-start", first);
	return ret ? ret : set(kind, "reject-end", end);
}

int fail_nth_init(enum fail_nth_not not)
{
	struct range range;
	char first[20], end[20];
	int ret;

	ret = find_code(not, &range);
	if (ret)
		return ret;
	snprintf(first, sizeof(first), "%#lx", range.first);
	snprintf(end, sizeof(end), "%#lx", range.end);
	ret = prepare("failslab", first, end);
	if (!ret)
		ret = prepare("fail_page_alloc", first, end);
	if (!ret)
		ret = set("fail_page_alloc", "ignore-gfp-highmem", "N");
	if (!ret)
		ret = set("fail_page_alloc", "min-order", "0");
	if (ret)
		return ret;
	own = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return own < 0 ? -errno : 0;
}

void fail_nth_arm(unsigned int n)
{
	REQUIRE(put(own, n), "no allocation can be made to fail");
}

bool fail_nth_disarm(void)
{
	unsigned int n = 0;

	REQUIRE(left(own, &n) && put(own, 0), "whether one has failed is not known");
	return !n;
}

static int open_thread(const char *pid, const char *pattern)
{
	char name[64], path[64];
	int len;

	/* without a program, so it is one of the kernel's */
	len = sysfs_read(name, sizeof(name), "/proc/%.16s/cmdline", pid);
	if (len || sysfs_read(name, sizeof(name), "/proc/%.16s/comm", pid) <= 0 ||
	    fnmatch(pattern, name, 0))
		return -1;
	snprintf(path, sizeof(path), "/proc/%.16s/fail-nth", pid);
	return open(path, O_RDWR | O_CLOEXEC);
}

unsigned int fail_nth_arm_threads(const char *pattern, unsigned int n)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	int fd;

	nr_threads = 0;
	while (dir && nr_threads < MAX_THREADS && (e = readdir(dir))) {
		if (atoi(e->d_name) <= 0)
			continue;
		fd = open_thread(e->d_name, pattern);
		if (fd < 0)
			continue;
		threads[nr_threads++] = fd;
		put(fd, n);
	}
	if (dir)
		closedir(dir);
	return nr_threads;
}

bool fail_nth_disarm_threads(void)
{
	bool failed = false;
	unsigned int n;

	while (nr_threads) {
		int fd = threads[--nr_threads];

		/* one that is gone has done no work of ours */
		if (left(fd, &n)) {
			failed |= !n;
			put(fd, 0);
		}
		close(fd);
	}
	return failed;
}
