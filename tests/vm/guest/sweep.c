// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "fail_nth.h"
#include "mdev.h"
#include "scenario.h"
#include "shim.h"
#include "sweep.h"
#include "sysfs.h"

/* no call has so many */
#define MOST 1000

/* What a call may not leave behind. */
struct balance {
	long groups, mdevs, devices, refs, parent_refs, files;
};

static long entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	long count = 0;

	while (dir && (e = readdir(dir)))
		count += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

static struct balance take_balance(void)
{
	return (struct balance){
		.groups = shim_groups(),
		.mdevs = entries(MDEV_DIR),
		.devices = entries("/sys/class/vfio-dev"),
		.refs = sysfs_read_number("/sys/module/mdev_recovery/refcnt"),
		.parent_refs = sysfs_read_number("/sys/module/mdev_recovery_pci/refcnt"),
		.files = entries("/proc/self/fd"),
	};
}

static bool check_balance(const struct step *step, unsigned int n, const struct balance *was)
{
	struct balance is = take_balance();

	return CHECK(!memcmp(&is, was, sizeof(is)),
		     "%s %u: groups %ld, mdevs %ld, devices %ld, references %ld and %ld, files %ld; were %ld, %ld, %ld, %ld, %ld, %ld",
		     step->name, n, is.groups, is.mdevs, is.devices, is.refs, is.parent_refs,
		     is.files, was->groups, was->mdevs, was->devices, was->refs,
		     was->parent_refs, was->files);
}

/* One call with all memory there is. */
static void run_well(const struct step *step, unsigned int n)
{
	int ret = step->before ? step->before() : 0;

	if (!ret)
		ret = step->call();
	REQUIRE(!ret, "%s after failure %u: %s", step->name, n, strerror(-ret));
	if (step->after)
		REQUIRE_OK(step->after());
}

/*
 * One call whose nth allocation fails; false if it has not so many. A call that has given
 * ENOMEM works the next time.
 */
static bool run_short(const struct step *step, unsigned int n)
{
	int ret = step->before ? step->before() : 0;
	bool failed;

	REQUIRE(!ret, "%s %u: cannot prepare: %s", step->name, n, strerror(-ret));
	fail_nth_arm(n);
	ret = step->call();
	failed = fail_nth_disarm();
	CHECK(!ret || (failed && !step->sure && ret == -ENOMEM), "%s %u: %s", step->name, n,
	      strerror(-ret));
	if (!ret && step->after)
		REQUIRE_OK(step->after());
	if (ret)
		run_well(step, n);
	return failed;
}

static unsigned int sweep_one(const struct step *step)
{
	struct balance was;
	unsigned int n;

	/* the first takes what stays: the heap, modules, what is cached */
	run_well(step, 0);
	was = take_balance();
	for (n = 1; run_short(step, n); n++) {
		REQUIRE(check_balance(step, n, &was), "something is left");
		REQUIRE(n < MOST, "%s allocates without an end", step->name);
	}
	check_balance(step, n, &was);
	return n - 1;
}

void sweep(const struct step *steps, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		MEASURE(steps[i].name, "%u", sweep_one(&steps[i]));
}
