// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random calls from a seed, concurrent with each other, with errors, and with an
 * administrator's random writes. No result is checked: the kernel has to go on, without a
 * complaint, and the next user gets a device that works.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aer_thread.h"
#include "clock.h"
#include "fuzz.h"
#include "mdev.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "stuck.h"
#include "sysfs.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define USUAL_S 10
/* a busy machine may take so much longer until something is shown */
#define MORE_MS 60000
#define END_MS 20000
#define IDLE_MS 30000
#define OPEN_MS 15000

static struct fuzz_target targets[] = {
	{ .port = "rp_igb2", .count = 1 },
	{ .port = "rp_e1000e", .count = 2 },
};

#define TARGETS (sizeof(targets) / sizeof(targets[0]))

static pid_t users[TARGETS], administrator;
static uint32_t status[TARGETS];

/* A number on the kernel's command line, or other. */
static unsigned long argument(const char *key, unsigned long other)
{
	char line[2048], *at;

	REQUIRE_OK(sysfs_read(line, sizeof(line), "/proc/cmdline"));
	at = strstr(line, key);
	return at ? strtoul(at + strlen(key), NULL, 10) : other;
}

static unsigned int draw_seed(void)
{
	unsigned int seed;

	REQUIRE(getrandom(&seed, sizeof(seed), 0) == sizeof(seed), "getrandom");
	return argument("mdr.seed=", seed % 1000000);
}

static pid_t fork_user(unsigned int target, unsigned int seed)
{
	pid_t pid = fork();

	if (!pid)
		fuzz_user(&targets[target], seed);
	return pid;
}

/* Whoever opens the device finds it whole. */
static void check_device(struct fuzz_target *t, unsigned int n, bool first)
{
	unsigned int i = t - targets;
	struct vfio_user user;
	uint32_t value;

	REQUIRE_OK(vfio_user_open(&user, t->mdevs[n].uuid));
	value = nic_status(&user);
	if (first && !n)
		status[i] = value;
	REQUIRE(vfio_user_map(&user, BAR0), "no mapping of %s", t->mdevs[n].addr);
	CHECK(n || value == status[i], "STATUS of %s is %#x, was %#x", t->mdevs[n].addr, value,
	      status[i]);
	if (!first && !n) {
		REQUIRE_OK(strike(&t->mdevs[n], t->port, "DLP", "open"));
		CHECK(*(volatile uint32_t *)((char *)user.regions[BAR0].map + NIC_STATUS) == value,
		      "STATUS of %s changed in an error", t->mdevs[n].addr);
	}
	vfio_user_close(&user);
}

static void end(pid_t pid, const char *who)
{
	kill(pid, SIGKILL);
	if (WAIT_FOR(waitpid(pid, NULL, WNOHANG) == pid, END_MS))
		return;
	stuck_report(getpgrp());
	REQUIRE(waitpid(pid, NULL, WNOHANG) == pid, "%s cannot be killed", who);
}

/* Did users get as far as to a device? */
static bool is_shown(void)
{
	return fuzz_count->opens && fuzz_count->loads && fuzz_count->removals;
}

/* The removal of an mdev kills its user. */
static void replace_killed(unsigned int *seed)
{
	for (unsigned int i = 0; i < TARGETS; i++)
		if (waitpid(users[i], NULL, WNOHANG) == users[i])
			users[i] = fork_user(i, rand_r(seed));
}

/* An error, a reset from outside, or another user. */
static void disturb(unsigned int *seed)
{
	static const char * const errors[] = { "DLP", "POISON_TLP", "RCVR", "DLP" };
	unsigned int target = fuzz_below(seed, TARGETS);

	replace_killed(seed);
	switch (fuzz_below(seed, 6)) {
	case 0:
		end(users[target], "a user");
		users[target] = fork_user(target, rand_r(seed));
		break;
	case 1:
		pci_reset(targets[target].mdevs[0].addr);
		break;
	case 2:
		sleep_ms(patient_ms(fuzz_below(seed, 500)));
		break;
	default:
		REQUIRE_OK(aer_inject(targets[target].port, errors[fuzz_below(seed, 4)]));
	}
	/* else a slow machine would always be in a recovery */
	sleep_ms(patient_ms(fuzz_below(seed, 300)));
}

static void settle(struct fuzz_target *t)
{
	for (unsigned int n = 0; n < t->count; n++) {
		struct shim *s = &t->mdevs[n];

		if (sysfs_exists(MDEV_DIR "/%s", s->uuid))
			REQUIRE_OK(mdev_remove(s->uuid));
	}
	if (!shim_wait(t->mdevs[0].group, "open", OPEN_MS)) {
		CHECK(shim_is(t->mdevs[0].group, "failed"), "neither open nor failed");
		CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", t->mdevs[0].group));
	}
}

static void make(struct fuzz_target *t)
{
	for (unsigned int n = 0; n < t->count; n++)
		REQUIRE_OK(shim_create(&t->mdevs[n], "resume"));
}

/*
 * A walk of the host and a user's low power take two locks in opposite orders (see "Bugs
 * of the PCI core" in Documentation/testing.md).
 */
static void prove_locking(const char *whether)
{
	sysfs_write(whether, "/proc/sys/kernel/prove_locking");
}

SCENARIO(fuzz,
	 "calls, settings and config writes that a seed draws harm neither the kernel nor the next user",
	 .limit_s = 180)
{
	unsigned int seed = draw_seed();
	uint64_t over;

	MEASURE("seed", "%u", seed);
	fuzz_count = mmap(NULL, sizeof(*fuzz_count), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(fuzz_count != MAP_FAILED, "no memory");
	for (unsigned int i = 0; i < TARGETS; i++) {
		for (unsigned int n = 0; n < targets[i].count; n++)
			REQUIRE_OK(shim_bind(&targets[i].mdevs[n], targets[i].port, n));
		make(&targets[i]);
		check_device(&targets[i], 0, true);
	}

	prove_locking("0");
	for (unsigned int i = 0; i < TARGETS; i++)
		users[i] = fork_user(i, seed + i);
	administrator = fork();
	if (!administrator)
		fuzz_files(targets, TARGETS, seed);
	over = now_ms() + 1000 * argument("mdr.long=", USUAL_S);
	while (now_ms() < over || (!is_shown() && now_ms() < over + patient_ms(MORE_MS)))
		disturb(&seed);
	end(administrator, "the administrator");
	for (unsigned int i = 0; i < TARGETS; i++)
		end(users[i], "a user");
	REQUIRE(aer_wait_idle(IDLE_MS), "the host is not done");
	prove_locking("1");

	for (unsigned int i = 0; i < TARGETS; i++) {
		settle(&targets[i]);
		make(&targets[i]);
		for (unsigned int n = 0; n < targets[i].count; n++)
			check_device(&targets[i], n, false);
	}
	CHECK(is_shown(), "%lu opens, %lu loads, %lu removals: nothing is shown", fuzz_count->opens,
	      fuzz_count->loads, fuzz_count->removals);
	MEASURE("calls", "%lu", fuzz_count->calls);
	MEASURE("done", "%lu", fuzz_count->done);
	MEASURE("opens", "%lu", fuzz_count->opens);
	MEASURE("loads", "%lu", fuzz_count->loads);
	MEASURE("faults", "%lu", fuzz_count->faults);
	MEASURE("files", "%lu", fuzz_count->writes);
	MEASURE("taken", "%lu", fuzz_count->accepted);
	MEASURE("mdevs", "%lu", fuzz_count->removals);
}
