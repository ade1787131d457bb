// SPDX-License-Identifier: GPL-2.0-only
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"
#include "klog.h"
#include "scenario.h"
#include "soak.h"

void soak_fail(const char *fmt, ...)
{
	unsigned int none = 0, step = atomic_load(&soak->step);
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	klog_say("soak: failed at step %u: %s", step, text);
	scenario_fail(__FILE__, step, "%s", text);
	if (atomic_compare_exchange_strong(&soak->failed_step, &none, step ?: 1))
		snprintf(soak->why, sizeof(soak->why), "%s", text);
	atomic_store(&soak->stop, true);
}

void actor_add(const char *name, void (*run)(struct soak_actor *a))
{
	struct soak_actor *a = &soak->actors[soak->nr_actors++];

	snprintf(a->name, sizeof(a->name), "%s", name);
	a->run = run;
	random_seed(&a->random, soak->seed, soak->nr_actors);
}

void actor_start(struct soak_actor *a)
{
	pid_t pid = fork();

	if (pid < 0) {
		soak_fail("cannot fork %s", a->name);
		return;
	}
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		a->run(a);
		_exit(0);
	}
	a->pid = pid;
}

void actor_begin(struct soak_actor *a, const char *name, unsigned int bound_ms)
{
	atomic_store(&a->bound_ms, patient_ms(bound_ms));
	atomic_store(&a->since, now_ns());
	atomic_store(&a->doing, (uintptr_t)name);
}

void actor_end(struct soak_actor *a)
{
	atomic_store(&a->doing, 0);
}

/* Each of them once, however short the run is; then by their weights. */
static unsigned int draw(struct soak_actor *a, const struct soak_operation *ops,
			 unsigned int nr_ops)
{
	unsigned int total = 0, drawn, i;

	if (a->drawn < nr_ops)
		return (soak->seed + 7 * (a - soak->actors) + a->drawn++) % nr_ops;
	for (i = 0; i < nr_ops; i++)
		total += ops[i].weight;
	drawn = random_below(&a->random, total);
	for (i = 0; drawn >= ops[i].weight; i++)
		drawn -= ops[i].weight;
	return i;
}

void actor_draw(struct soak_actor *a, const struct soak_operation *ops, unsigned int nr_ops)
{
	unsigned int i = draw(a, ops, nr_ops);

	a->counts[i]++;
	actor_begin(a, ops[i].name, ops[i].bound_ms);
	ops[i].run(a);
	actor_end(a);
}

void actor_report(const struct soak_actor *a, const struct soak_operation *ops,
		  unsigned int nr_ops)
{
	char line[900];
	size_t used;

	used = snprintf(line, sizeof(line), "soak %s:", a->name);
	for (unsigned int i = 0; i < nr_ops && used < sizeof(line); i++)
		used += snprintf(line + used, sizeof(line) - used, " %s %u%s", ops[i].name,
				 a->counts[i], i + 1 < nr_ops ? "," : "");
	note("%s", line);
}
