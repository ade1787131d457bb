// SPDX-License-Identifier: GPL-2.0-only
/* Errors, and resets by the administrator: the steps of a soak. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aer_fault.h"
#include "clock.h"
#include "klog.h"
#include "module.h"
#include "scenario.h"
#include "soak.h"

#define RECEIVER_ERROR 0x1
#define REST_EVERY 15
#define PAUSE_US 1000000
/* the operator may keep us waiting */
#define STRIKE_MS 300000

int striker_inject(const char *addr, uint32_t uncorrectable, uint32_t correctable)
{
	int ret = aer_fault(addr, uncorrectable, correctable);

	if (!ret)
		atomic_fetch_add(&soak->strikes, 1);
	return ret;
}

static struct soak_function *any_function(struct soak_actor *a)
{
	return &soak->functions[random_below(&a->random, soak->nr_functions)];
}

/* The function itself, or one of the ports above it. */
static const char *any_target(struct soak_actor *a)
{
	struct soak_function *f = any_function(a);
	unsigned int n = 0;

	while (n < 4 && f->below[n])
		n++;
	n = random_below(&a->random, n + 1);
	if (n < 4 && f->below[n])
		return pci_port_addr(f->below[n]);
	return f->s.addr;
}

static void strike(struct soak_actor *a, const char *kind, uint32_t uncorrectable,
		   uint32_t correctable)
{
	const char *target;
	int ret;

	pthread_mutex_lock(&soak->strike_lock);
	target = any_target(a);
	ret = target ? striker_inject(target, uncorrectable, correctable) : -ENODEV;
	pthread_mutex_unlock(&soak->strike_lock);
	soak_say("%s at %s: %d", kind, target ?: "nothing", ret);
}

static void fatal(struct soak_actor *a)
{
	strike(a, "fatal", AER_FAULT_DLP, 0);
}

static void nonfatal(struct soak_actor *a)
{
	strike(a, "nonfatal", AER_FAULT_POISON_TLP, 0);
}

static void correctable(struct soak_actor *a)
{
	strike(a, "correctable", 0, RECEIVER_ERROR);
}

/* One after the other, faster than any recovery. */
static void burst(struct soak_actor *a)
{
	unsigned int times = 2 + random_below(&a->random, 4);

	while (times--) {
		if (random_one_in(&a->random, 3))
			nonfatal(a);
		else
			fatal(a);
		random_sleep(&a->random, 20000);
	}
}

static const struct soak_operation operations[] = {
	{ "fatal", 50, STRIKE_MS, fatal },
	{ "nonfatal", 20, STRIKE_MS, nonfatal },
	{ "correctable", 5, STRIKE_MS, correctable },
	{ "burst", 10, STRIKE_MS, burst },
};

#define NR_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

void striker_run(struct soak_actor *a)
{
	while (!atomic_load(&soak->stop) && atomic_load(&soak->step) < soak->round_end) {
		atomic_fetch_add(&soak->step, 1);
		actor_draw(a, operations, NR_OPERATIONS);
		random_sleep(&a->random, PAUSE_US);
		if (atomic_load(&soak->step) % REST_EVERY == 0)
			rest_and_check();
	}
	atomic_store(&soak->stop, true);
}

void striker_report(const struct soak_actor *a)
{
	actor_report(a, operations, NR_OPERATIONS);
}
