// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example driver of tools/examples, which is to lose nothing across errors at any
 * moment. What moments these are comes from a seed; "mdr.seed=N" on the kernel's command
 * line (tests/vm/run --seed N) brings them back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "monitor.h"
#include "scenario.h"
#include "shim.h"
#include "sysfs.h"

#define PORT "rp_igb"
#define PROGRAM "/usr/bin/mdr-loopback"
/* how long a user runs: it opens its device within that, too, which takes long on some kernels */
#define RUN_S 8
#define LAST_MS 1500		/* before the end there is no error */
#define SETTLE_MS 10000
#define USERS 2

static const char * const settings[][2] = {
	{ "stall_timeout_ms", "100" },
	{ "hold_timeout_ms", "30000" },
	{ "nonfatal_action", "reset" },
	{ "reset_elision", "pristine" },
};

static unsigned int seed_now(void)
{
	char line[1024] = "", *at;
	unsigned int seed;

	sysfs_read(line, sizeof(line), "/proc/cmdline");
	at = strstr(line, "mdr.seed=");
	if (at)
		return strtoul(at + 9, NULL, 10);
	REQUIRE(getrandom(&seed, sizeof(seed), 0) == sizeof(seed), "getrandom");
	return seed % 1000000;
}

static pid_t start(const char *uuid, const char *output, bool iommufd)
{
	char seconds[24];
	pid_t pid;

	snprintf(seconds, sizeof(seconds), "--seconds=%u", RUN_S * patience);
	pid = fork();
	REQUIRE(pid >= 0, "fork");
	if (pid)
		return pid;
	if (!freopen(output, "w", stdout) || dup2(1, 2) < 0)
		_exit(99);
	execl(PROGRAM, PROGRAM, seconds, uuid, iommufd ? "--iommufd" : NULL, NULL);
	_exit(98);
}

/* The number behind "name=" in what it said last; -1: there is none. */
static long said(const char *line, const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), " %s=", name);
	at = strstr(line, key);
	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static void check_user(pid_t pid, const char *output, unsigned int errors)
{
	char line[512] = "";
	int status;

	REQUIRE(waitpid(pid, &status, 0) == pid, "waitpid");
	sysfs_read(line, sizeof(line), "%s", output);
	note("%s", line);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "exit status %#x", status);
	CHECK(!strncmp(line, "right ", 6), "it is not right");
	CHECK(said(line, "frames") > 0, "no frame");
	CHECK(said(line, "wrong") == 0, "%ld were wrong", said(line, "wrong"));
	CHECK(said(line, "recoveries") >= 1 && said(line, "recoveries") <= errors,
	      "%ld recoveries of %u errors", said(line, "recoveries"), errors);
	CHECK(said(line, "acknowledged") + said(line, "resets") >= said(line, "recoveries"),
	      "fewer answers than recoveries");
	MEASURE("frames", "%ld", said(line, "frames"));
	MEASURE("retried", "%ld", said(line, "retried"));
}

/* It has mapped the status page; a character device is there before it can be used. */
static bool has_opened(pid_t pid)
{
	char path[32], line[512];
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && !found && fgets(line, sizeof(line), maps))
		found = strstr(line, "vfio");
	if (maps)
		fclose(maps);
	return found;
}

static bool all_open(const struct shim *shims)
{
	for (unsigned int i = 0; i < USERS; i++)
		if (!shim_is(shims[i].group, "open"))
			return false;
	return true;
}

static void random_errors(bool iommufd)
{
	static const char * const outputs[USERS] = { "/tmp/example0", "/tmp/example1" };
	uint64_t begin_ms;
	unsigned int seed = seed_now(), errors = 0;
	struct shim shims[USERS];
	pid_t pids[USERS];

	MEASURE("seed", "%u", seed);
	for (unsigned int i = 0; i < USERS; i++) {
		REQUIRE_OK(shim_make(&shims[i], PORT, i, "hold"));
		for (unsigned int n = 0; n < sizeof(settings) / sizeof(*settings); n++)
			REQUIRE_OK(shim_set(&shims[i], settings[n][0], settings[n][1]));
	}
	for (unsigned int i = 0; i < USERS; i++)
		pids[i] = start(shims[i].uuid, outputs[i], iommufd);
	for (unsigned int i = 0; i < USERS; i++)
		REQUIRE(WAIT_FOR(has_opened(pids[i]), SETTLE_MS), "user %u opens no device", i);
	begin_ms = now_ns() / NS_PER_MS;
	usleep(1000000);
	while (now_ns() / NS_PER_MS - begin_ms < patient_ms(RUN_S * 1000) - LAST_MS) {
		bool fatal = rand_r(&seed) % 3;

		usleep(rand_r(&seed) % 700 * 1000);
		REQUIRE_OK(aer_inject(PORT, fatal ? "DLP" : "POISON_TLP"));
		errors++;
		usleep(20000);
		/* sometimes the next one comes into the middle of this one */
		if (rand_r(&seed) % 4)
			CHECK(WAIT_FOR(all_open(shims), SETTLE_MS), "not open after %u", errors);
	}
	for (unsigned int i = 0; i < USERS; i++)
		check_user(pids[i], outputs[i], errors);
	CHECK(WAIT_FOR(all_open(shims), SETTLE_MS), "not open at the end");
	MEASURE("errors", "%u", errors);
}

SCENARIO(example_random_errors,
	 "two processes on two functions of a device lose nothing across errors at random moments")
{
	random_errors(false);
}

SCENARIO(iommufd_random_errors, "the same through their character devices, with an iommufd each",
	 .debug = true)
{
	random_errors(true);
}
