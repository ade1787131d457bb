// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clean.h"
#include "clock.h"
#include "klog.h"
#include "result.h"
#include "scenario.h"
#include "stuck.h"
#include "suite.h"
#include "tap.h"

#define DEFAULT_LIMIT_S 30
#define KILL_MS 5000

/* Made by the linker from the section that SCENARIO() fills. */
extern const struct scenario __start_scenarios[], __stop_scenarios[];

/* PID 1 inherits orphans: reaps all of them; was pid among them? */
static bool reap(pid_t pid, int *status)
{
	bool seen = false;
	pid_t p;
	int s;

	while ((p = waitpid(-1, &s, WNOHANG)) > 0) {
		if (p != pid)
			continue;
		seen = true;
		*status = s;
	}
	return seen;
}

static bool group_gone(pid_t group)
{
	int status;

	reap(-1, &status);
	return kill(-group, 0) && errno == ESRCH;
}

static void judge_exit(int status)
{
	if (WIFSIGNALED(status))
		result_fail("died of signal %d (%s)", WTERMSIG(status),
			    strsignal(WTERMSIG(status)));
	else if (!result->finished)
		result_fail("ended without a verdict, exit code %d",
			    WEXITSTATUS(status));
}

/* Runs the scenario in its own process group, until every process in it has ended. */
static void run_processes(const struct scenario *s, unsigned int long_s)
{
	unsigned int limit_s = patience * ((s->limit_s ?: DEFAULT_LIMIT_S) + long_s);
	uint64_t start = now_ms();
	int status = 0;
	pid_t pid;

	pid = fork();
	if (pid < 0) {
		result_fail("fork: %s", strerror(errno));
		return;
	}
	if (!pid) {
		setpgid(0, 0);
		s->run();
		result->finished = true;
		_exit(0);
	}
	setpgid(pid, pid);

	if (WAIT_FOR(reap(pid, &status), limit_s / patience * 1000)) {
		judge_exit(status);
	} else {
		result_fail("not finished after %u s", limit_s);
		stuck_report(pid);
	}
	kill(-pid, SIGKILL);
	if (!WAIT_FOR(group_gone(pid), KILL_MS)) {
		result_fail("a process cannot be killed within %u ms", patient_ms(KILL_MS));
		stuck_report(pid);
	}
	scenario_measure("ms", "%ju", now_ms() - start);
}

static void say_verdict(const struct scenario *s, unsigned int number)
{
	if (result->skipped && !result->failures) {
		tap_line("ok %u - %s # SKIP %s", number, s->name, result->skip);
		return;
	}
	tap_line("%s %u - %s # %s", result->failures ? "not ok" : "ok", number,
		 s->name, result->measured);
	if (result->failures)
		tap_line("#   should show: %s", s->proves);
	for (unsigned int i = 0; i < result->failures && i < RESULT_MAX_WHY; i++)
		tap_line("#   %s", result->why[i]);
	if (result->failures > RESULT_MAX_WHY)
		tap_line("#   and %u more", result->failures - RESULT_MAX_WHY);
}

/* next: the scenario that follows, or NULL */
static void run_one(const struct suite *suite, const struct scenario *s, unsigned int number,
		    const struct scenario *next)
{
	bool vfs = s->vfs && next && next->vfs;
	char line[256];

	result_reset();
	klog_say("mdr: scenario %s: %s", s->name, s->proves);
	klog_mark();
	run_processes(s, suite->long_s);
	if (clean_machine(vfs && !result->failures, line, sizeof(line)))
		result_fail("the machine is not clean afterwards: %s", line);
	/* a message that the kernel left open shows when the next begins */
	klog_say("mdr: end of %s", s->name);
	if (klog_splat(line, sizeof(line)))
		result_fail("kernel log: %s", line);
	say_verdict(s, number);
}

static bool matches(const char *patterns, const char *name)
{
	char copy[SUITE_ONLY], *rest = copy, *pattern;

	snprintf(copy, sizeof(copy), "%s", patterns);
	while ((pattern = strsep(&rest, ",")))
		if (!fnmatch(pattern, name, 0))
			return true;
	return false;
}

static bool selected(const struct scenario *s, const struct suite *suite)
{
	if (suite->only[0])
		return matches(suite->only, s->name);
	return !s->selftest && s->demo == suite->demo && (!s->debug || suite->debug);
}

/*
 * The scenarios of this machine in the order in which they run, in an array that
 * holds all there are. Those with .last come last. Returns how
 * many.
 */
static unsigned int choose(const struct suite *suite, const struct scenario **chosen)
{
	unsigned int dealt = 0, count = 0;

	for (int last = 0; last <= 1; last++) {
		for (const struct scenario *s = __start_scenarios; s < __stop_scenarios; s++) {
			if (s->last != last || !selected(s, suite))
				continue;
			if (last || dealt++ % suite->shares == suite->share)
				chosen[count++] = s;
		}
	}
	return count;
}

int suite_run(const struct suite *suite)
{
	const struct scenario *chosen[__stop_scenarios - __start_scenarios + 1];
	unsigned int count;
	int ret;

	ret = result_init();
	if (ret)
		return ret;
	count = choose(suite, chosen);
	chosen[count] = NULL;
	tap_line("TAP version 13");
	tap_line("1..%u", count);
	for (unsigned int i = 0; i < count; i++)
		run_one(suite, chosen[i], i + 1, chosen[i + 1]);
	return 0;
}
