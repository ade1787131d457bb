// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "counter.h"
#include "scenario.h"

void bench_assign(struct bench_side *s, const char *name, const char *port,
		  unsigned int n)
{
	s->name = name;
	if (bench_is_shim(s)) {
		REQUIRE_OK(shim_make(&s->shim, port, n, name));
		return;
	}
	REQUIRE_OK(pci_below(port, n, s->shim.addr));
	REQUIRE_OK(pci_bind(s->shim.addr, "vfio-pci"));
}

void bench_open(struct bench_side *s, const char *name, const char *port,
		unsigned int n)
{
	bench_assign(s, name, port, n);
	REQUIRE_OK(vfio_user_open(&s->user, bench_device(s)));
}

const char *bench_device(const struct bench_side *s)
{
	return bench_is_shim(s) ? s->shim.uuid : s->shim.addr;
}

void bench_sort(struct bench *b)
{
	qsort(b->sample, b->rounds, sizeof(b->sample[0]), counter_compare);
}

void bench_say(struct bench *b, const struct bench_side *s, const char *unit,
	       const char *metric)
{
	REQUIRE(b->rounds, "%s: not measured", metric);
	bench_sort(b);
	note("bench %s %s %s %ju %ju", metric, unit, s->name, b->sample[0],
	     b->sample[b->rounds / 2]);
	b->rounds = 0;
}

void bench_say_one(const struct bench_side *s, const char *unit, const char *metric,
		   uint64_t value)
{
	note("bench %s %s %s %ju %ju", metric, unit, s->name, value, value);
}

uint64_t bench_nothing(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 16; i++) {
		uint64_t start = bench_now();
		uint64_t cost = bench_now() - start;

		if (cost < least)
			least = cost;
	}
	return least;
}

uint64_t bench_running(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}
