// SPDX-License-Identifier: GPL-2.0-only
/*
 * The soak: starts the actors, watches that none of them waits for longer than it may,
 * and judges what is left at the end.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "klog.h"
#include "scenario.h"
#include "soak.h"
#include "sysfs.h"
#include "tap.h"

#define WATCH_MS 20
#define END_MS 120000
#define ROUND 25

struct soak *soak;

static unsigned long argument(const char *key)
{
	char line[2048], *at;

	REQUIRE(sysfs_read(line, sizeof(line), "/proc/cmdline") > 0, "no command line");
	at = strstr(line, key);
	REQUIRE(at, "no %s", key);
	return strtoul(at + strlen(key), NULL, 10);
}

static void add_users(void)
{
	for (unsigned int i = 0; i < soak->nr_functions; i++) {
		struct soak_function *f = &soak->functions[i];
		char name[16];

		/* two functions in one group have one user */
		if (i && soak->functions[i - 1].s.group == f->s.group) {
			soak->actors[soak->nr_actors - 1].functions[1] = f;
			continue;
		}
		snprintf(name, sizeof(name), "%.8s.%u", f->port, f->n);
		actor_add(name, user_run);
		soak->actors[soak->nr_actors - 1].functions[0] = f;
	}
}

/* A user may be killed: by itself, or because it did not leave. It comes again. */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned int i = 0; i < soak->nr_actors; i++) {
			struct soak_actor *a = &soak->actors[i];

			if (a->pid != pid)
				continue;
			a->pid = 0;
			actor_end(a);
			if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
				soak_fail("%s died of signal %d", a->name, WTERMSIG(status));
			else if (WIFEXITED(status) && WEXITSTATUS(status))
				soak_fail("%s ended with code %d", a->name,
					  WEXITSTATUS(status));
			else if (a->run == user_run && !atomic_load(&soak->stop))
				actor_start(a);
		}
	}
}

static void watch_times(void)
{
	uint64_t now = now_ns();

	for (unsigned int i = 0; i < soak->nr_actors; i++) {
		struct soak_actor *a = &soak->actors[i];
		const char *doing = (const char *)atomic_load(&a->doing);
		uint64_t since = atomic_load(&a->since);
		unsigned int bound = atomic_load(&a->bound_ms);

		if (!a->pid || !doing || now < since || now - since < bound * NS_PER_MS)
			continue;
		soak_fail("%s: '%s' takes longer than %u ms", a->name, doing, bound);
		/* say it once */
		atomic_store(&a->bound_ms, 1000 * bound);
	}
}

static void watch_events(void)
{
	for (unsigned int i = 0; i < soak->nr_functions; i++) {
		struct soak_function *f = &soak->functions[i];
		long event = sysfs_read_number(SHIM_CLASS "/group%d/event", f->s.group);

		/* it starts anew with the group */
		if (event <= 0)
			continue;
		if ((uint64_t)event < f->event)
			soak_fail("group%d: event %ld after %ju", f->s.group, event,
				  (uintmax_t)f->event);
		f->event = event;
	}
}

static bool all_ended(void)
{
	reap();
	watch_times();
	for (unsigned int i = 0; i < soak->nr_actors; i++)
		if (soak->actors[i].pid)
			return false;
	return true;
}

static void run_actors(void)
{
	for (unsigned int i = 0; i < soak->nr_actors; i++)
		actor_start(&soak->actors[i]);
	while (!atomic_load(&soak->stop)) {
		reap();
		watch_times();
		watch_events();
		observer_check();
		sleep_ms(WATCH_MS);
	}
	CHECK(WAIT_FOR(all_ended(), END_MS), "not all of them end");
}

/* From no module loaded to no module loaded. */
static void run_round(void)
{
	struct soak_random r;
	unsigned int end = atomic_load(&soak->step) + ROUND;

	soak_say("round");
	soak->round_end = end < soak->count ? end : soak->count;
	random_seed(&r, soak->seed, 1000 + atomic_load(&soak->step));
	world_make(&r);
	observer_start(&r);
	if (soak->nr_actors == 2)
		add_users();
	atomic_store(&soak->stop, false);
	run_actors();
	if (!atomic_load(&soak->failed_step))
		rest_and_check();
	if (!atomic_load(&soak->failed_step))
		world_end();
}

static void report(void)
{
	striker_report(&soak->actors[0]);
	operator_report(&soak->actors[1]);
	user_report();
	note("soak seed %ju: %u steps, %u errors injected, %ju recoveries, %ju failures",
	     (uintmax_t)soak->seed, atomic_load(&soak->step), atomic_load(&soak->strikes),
	     (uintmax_t)atomic_load(&soak->recoveries),
	     (uintmax_t)atomic_load(&soak->failures));
	note("soak observer: %ju accesses, gates shut %ju times, %ju delays",
	     (uintmax_t)soak->accesses, (uintmax_t)soak->shuts, (uintmax_t)soak->delays);
	note("soak users: %u accesses at closed gates", atomic_load(&soak->tries));
	arcs_report();
	if (atomic_load(&soak->failed_step))
		note("soak failed at step %u", atomic_load(&soak->failed_step));
}

/*
 * What has failed cannot be cleaned up: it may hang for as long as it likes. So this is
 * the verdict, and the end of the machine.
 */
static void end_at_once(void)
{
	tap_line("not ok 1 - soak_seed # failed at step %u",
		 atomic_load(&soak->failed_step));
	tap_line("#   %s", soak->why);
	sync();
	reboot(RB_POWER_OFF);
}

static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(lock, &attr);
}

SCENARIO(soak_seed, "whatever users, administrator and errors do, what is promised holds",
	 .limit_s = 1000000)
{
	soak = mmap(NULL, sizeof(*soak), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	REQUIRE(soak != MAP_FAILED, "no memory");
	/* the boot is quiet, which saves time */
	REQUIRE_OK(sysfs_write("7", "/proc/sys/kernel/printk"));
	init_lock(&soak->strike_lock);
	soak->seed = argument("mdr.seed=");
	soak->count = argument("mdr.count=");
	/* the kernel's own waits may add up */
	REQUIRE_OK(sysfs_write("120", "/proc/sys/kernel/hung_task_timeout_secs"));

	actor_add("errors", striker_run);
	actor_add("administrator", operator_run);
	do {
		run_round();
	} while (!atomic_load(&soak->failed_step) && atomic_load(&soak->step) < soak->count);
	report();
	if (atomic_load(&soak->failed_step))
		end_at_once();
	MEASURE("steps", "%u", atomic_load(&soak->step));
	MEASURE("recoveries", "%ju", (uintmax_t)atomic_load(&soak->recoveries));
}
