// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the frequency of the time stamp counter in kHz, measured against
 * CLOCK_MONOTONIC. The result is right even if other work takes the CPU in between.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define NS_PER_MS 1000000
#define MEASURE_NS (100 * NS_PER_MS)
/* 20 ppm of the measured time */
#define CLOSE_NS 2000
#define MAX_TRIES 100000

struct moment {
	int64_t ns;
	uint64_t ticks;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Reads both clocks at the same time: nothing ran between the two reads of the first. */
static struct moment look(void)
{
	int64_t before, after, best = INT64_MAX;
	struct moment m = { 0 };

	for (int i = 0; i < MAX_TRIES && best > CLOSE_NS; i++) {
		uint64_t ticks;

		before = now_ns();
		ticks = __rdtsc();
		after = now_ns();
		if (after - before < best) {
			best = after - before;
			m = (struct moment){ .ns = before, .ticks = ticks };
		}
	}
	return m;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = MEASURE_NS };
	struct moment begin, end;

	begin = look();
	nanosleep(&pause, NULL);
	end = look();
	printf("%ju\n", (uintmax_t)((double)(end.ticks - begin.ticks) * NS_PER_MS /
				    (double)(end.ns - begin.ns)));
	return 0;
}
