// SPDX-License-Identifier: GPL-2.0-only
/*
 * The path of an access on many CPUs at once: a CPU that waits for another one spins,
 * and spinning shows as instructions.
 *
 * Two functions of one device, in two groups, are bound to vfio-pci and to our driver.
 * They take turns of some milliseconds. The CPU time of an access is compared.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "nic_user.h"
#include "scenario.h"

#define PORT "rp_igb"
#define MAX_CPUS 8
#define TURNS 24
#define TURN_MS 40

struct runner {
	pthread_t thread;
	unsigned int cpu;
	uint64_t count;
	bool failed;
} __attribute__((aligned(128)));

static struct bench_side sides[2];
static struct runner runners[MAX_CPUS];
static pthread_barrier_t barrier;
static struct bench_side *turn;
static atomic_bool stop, quit;

static void *run(void *arg)
{
	struct runner *r = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(r->cpu, &set);
	r->failed = sched_setaffinity(0, sizeof(set), &set) != 0;
	for (;;) {
		pthread_barrier_wait(&barrier);
		if (atomic_load(&quit))
			return NULL;
		off_t pos = turn->user.regions[VFIO_CONFIG].offset;
		int fd = turn->user.device;
		uint64_t count = 0;
		uint32_t value;

		while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
			r->failed |= pread(fd, &value, 4, pos) != 4;
			count++;
		}
		r->count = count;
		pthread_barrier_wait(&barrier);
	}
}

/* The instructions that one access took on a CPU. */
static uint64_t take_turn(struct bench_side *s, unsigned int cpus)
{
	uint64_t start, took, count = 0;

	turn = s;
	atomic_store(&stop, false);
	pthread_barrier_wait(&barrier);
	start = now_ns();
	sleep_ms(TURN_MS);
	atomic_store(&stop, true);
	pthread_barrier_wait(&barrier);
	took = now_ns() - start;
	for (unsigned int i = 0; i < cpus; i++)
		count += runners[i].count;
	/* the CPUs ran one after the other */
	return count ? took / count : UINT64_MAX;
}

static void measure(unsigned int cpus)
{
	static struct bench times[2];
	char metric[64];

	atomic_store(&quit, false);
	pthread_barrier_init(&barrier, NULL, cpus + 1);
	for (unsigned int i = 0; i < cpus; i++) {
		runners[i] = (struct runner){ .cpu = i };
		REQUIRE(!pthread_create(&runners[i].thread, NULL, run, &runners[i]),
			"no thread");
	}
	for (int i = 0; i < 2 * TURNS; i++)
		bench_add(&times[i % 2], take_turn(&sides[i % 2], cpus));
	atomic_store(&quit, true);
	pthread_barrier_wait(&barrier);
	for (unsigned int i = 0; i < cpus; i++) {
		pthread_join(runners[i].thread, NULL);
		CHECK(!runners[i].failed, "CPU %u: an access failed", i);
	}
	pthread_barrier_destroy(&barrier);
	snprintf(metric, sizeof(metric), "cpus_%u_config_pread_4", cpus);
	/* the median: turns differ in what the timer and the end of one take of a CPU */
	for (int i = 0; i < 2; i++) {
		bench_sort(&times[i]);
		bench_say_one(&sides[i], "instructions", metric,
			      times[i].sample[times[i].rounds / 2]);
		times[i].rounds = 0;
	}
}

SCENARIO(cpus_pread, "an access of one CPU takes nothing from another", .limit_s = 120)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	REQUIRE(online >= MAX_CPUS, "only %ld CPUs", online);
	bench_open(&sides[0], "vfio_pci", PORT, 0);
	bench_open(&sides[1], "resume", PORT, 1);
	for (unsigned int cpus = 1; cpus <= MAX_CPUS; cpus *= 2)
		measure(cpus);
}
