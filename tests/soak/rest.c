// SPDX-License-Identifier: GPL-2.0-only
/* All come to rest: every group becomes open, every device is whole. */
#include <string.h>

#include "aer_fault.h"
#include "aer_thread.h"
#include "clock.h"
#include "klog.h"
#include "scenario.h"
#include "soak.h"
#include "sysfs.h"

#define REST_MS 120000
#define WALK_MS 20000

static bool is_bound(const struct soak_function *f)
{
	return sysfs_exists(SHIM_CLASS "/group%d", f->s.group);
}

/* Whoever is alive and has come to rest. An actor that has ended is. */
static bool all_parked(void)
{
	for (unsigned int i = 1; i < soak->nr_actors; i++)
		if (soak->actors[i].pid && !atomic_load(&soak->actors[i].parked))
			return false;
	return true;
}

/* Recovers what is lost, as often as it takes. */
static bool all_open(void)
{
	bool open = true;

	for (unsigned int i = 0; i < soak->nr_functions; i++) {
		struct soak_function *f = &soak->functions[i];

		if (!is_bound(f) || shim_is(f->s.group, "open"))
			continue;
		open = false;
		if (shim_is(f->s.group, "failed"))
			sysfs_write("1", SHIM_CLASS "/group%d/recover", f->s.group);
	}
	return open;
}

static bool at_rest(void)
{
	return atomic_load(&soak->stop) || (all_open() && all_parked() && all_open());
}

static void say_states(void)
{
	char state[32];

	for (unsigned int i = 0; i < soak->nr_functions; i++) {
		struct soak_function *f = &soak->functions[i];

		if (shim_status(f->s.group, "state", state, sizeof(state)) > 0)
			klog_say("soak: group%d (%s): %s", f->s.group, f->s.addr, state);
	}
	for (unsigned int i = 0; i < soak->nr_actors; i++) {
		const char *doing = (const char *)atomic_load(&soak->actors[i].doing);

		klog_say("soak: %s: %s", soak->actors[i].name, doing ?: "between two");
	}
}

static bool come_to_rest(void)
{
	operator_behave();
	if (WAIT_FOR(at_rest(), REST_MS))
		return !atomic_load(&soak->stop);
	say_states();
	soak_fail("not at rest after %u ms", REST_MS);
	return false;
}

static bool have_new_event(const char *port, const uint64_t *before)
{
	for (unsigned int i = 0; i < soak->nr_functions; i++) {
		struct soak_function *f = &soak->functions[i];

		if (!strcmp(f->below[0], port) && is_bound(f) &&
		    shim_number(f->s.group, "event") == before[i])
			return false;
	}
	return true;
}

/* One error, one id: new, the same for all below the port, and for nobody else. */
static void check_walk(const char *port)
{
	uint64_t before[SOAK_MAX_FUNCTIONS], latest = 0, id = 0, now;
	unsigned int i;

	for (i = 0; i < soak->nr_functions; i++) {
		before[i] = is_bound(&soak->functions[i]) ?
			    shim_number(soak->functions[i].s.group, "event") : 0;
		if (before[i] > latest)
			latest = before[i];
	}
	if (striker_inject(pci_port_addr(port), AER_FAULT_DLP, 0)) {
		soak_fail("an error at %s cannot be injected", port);
		return;
	}
	if (!WAIT_FOR(have_new_event(port, before), WALK_MS)) {
		soak_fail("an error at %s does not reach all below it", port);
		return;
	}
	for (i = 0; i < soak->nr_functions; i++) {
		struct soak_function *f = &soak->functions[i];

		if (!is_bound(f))
			continue;
		now = shim_number(f->s.group, "event");
		if (strcmp(f->below[0], port)) {
			if (now != before[i])
				soak_fail("an error at %s is event %ju of %s", port,
					  (uintmax_t)now, f->s.addr);
			continue;
		}
		if (now <= latest || (id && now != id))
			soak_fail("an error at %s: event %ju of %s, %ju of others, %ju before",
				  port, (uintmax_t)now, f->s.addr, (uintmax_t)id,
				  (uintmax_t)latest);
		id = now;
	}
}

void rest_and_check(void)
{
	static unsigned int turn;

	/* alone: at the end */
	bool alone = atomic_load(&soak->stop);

	if (alone)
		atomic_store(&soak->stop, false);
	soak_say("rest");
	atomic_store(&soak->rest, true);
	if (come_to_rest() && aer_wait_idle(WALK_MS) && come_to_rest()) {
		check_walk(soak->functions[turn++ % soak->nr_functions].below[0]);
		come_to_rest();
	}
	atomic_store(&soak->rest, false);
	if (alone)
		atomic_store(&soak->stop, true);
}
