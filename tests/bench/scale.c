// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many functions in as many groups, each with a user, all fail at once: 32 functions
 * below a switch (see run), with the error at its root port. The switch has no power
 * management capability, from which the kernel takes the wait of 100 ms after a reset,
 * so the kernel does not wait. The time of our callbacks is therefore compared with
 * those 100 ms, not with this recovery.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access_log.h"
#include "bench.h"
#include "clock.h"
#include "mdev.h"
#include "phases.h"
#include "scenario.h"
#include "sysfs.h"

#define PORT "rp_scale"
#define MAX_FUNCTIONS 32
#define STATE_MS 20000
#define ROUNDS 3
#define PAUSE_US 1000
/* the wait after a reset of a bus that the PCI Express standard requires (6.6.1) */
#define STANDARD_NS (100 * NS_PER_MS)
/* only a closed gate makes a read of a mapped BAR last that long */
#define STALLED_NS (2 * NS_PER_MS)

/* virtio's common configuration: no vector and one queue, after a reset too. */
#define VIRTIO_BAR VFIO_PCI_BAR4_REGION_INDEX
#define VIRTIO_QUEUES 0x10

static struct bench_side sides[MAX_FUNCTIONS];
static struct access_log logs[MAX_FUNCTIONS];
static unsigned int nr_functions;

/* virtio-rng below PORT; the machine has others. */
static int is_ours(const struct dirent *e)
{
	const char *port = pci_port_addr(PORT);
	char path[PATH_MAX], link[64];

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%.15s", e->d_name);
	return port && realpath(link, path) && strstr(path, port) &&
	       sysfs_read_number("%s/vendor", link) == 0x1af4 &&
	       sysfs_read_number("%s/device", link) == 0x1044;
}

/* An earlier scenario has left a bus without functions. */
static void find_functions(void)
{
	struct dirent **entries;
	int count;

	REQUIRE_OK(sysfs_write("1", "/sys/bus/pci/rescan"));
	count = scandir("/sys/bus/pci/devices", &entries, is_ours, alphasort);

	REQUIRE(count == MAX_FUNCTIONS, "%d functions, not %d", count, MAX_FUNCTIONS);
	for (int i = 0; i < count; i++) {
		snprintf(sides[i].shim.addr, PCI_ADDR_LEN, "%.15s", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	nr_functions = count;
}

/* Unplugs all but so many, so that the kernel has less to do. */
static void keep(unsigned int n)
{
	while (nr_functions > n) {
		struct bench_side *s = &sides[--nr_functions];

		vfio_user_close(&s->user);
		if (bench_is_shim(s))
			REQUIRE_OK(mdev_remove(s->shim.uuid));
		REQUIRE_OK(pci_remove(s->shim.addr));
	}
}

static void assign(const char *name)
{
	bool ours = strcmp(name, "vfio_pci");

	for (unsigned int i = 0; i < nr_functions; i++) {
		struct bench_side *s = &sides[i];

		s->name = name;
		s->shim.driver = ours ? "mdr-pci" : "vfio-pci";
		REQUIRE_OK(pci_bind(s->shim.addr, s->shim.driver));
		s->shim.group = pci_iommu_group(s->shim.addr);
		for (unsigned int k = 0; k < i; k++)
			REQUIRE(sides[k].shim.group != s->shim.group,
				"%s shares a group", s->shim.addr);
		if (ours)
			REQUIRE_OK(shim_create(&s->shim, name));
		REQUIRE_OK(vfio_user_open(&s->user, bench_device(s)));
	}
}

static void say(const char *what, const char *unit, struct bench *b)
{
	char metric[64];

	snprintf(metric, sizeof(metric), "scale_%s_%u_functions", what, nr_functions);
	if (b->rounds)
		bench_say(b, &sides[0], unit, metric);
}

static void start_users(void)
{
	memset(logs, 0, sizeof(logs));
	for (unsigned int i = 0; i < nr_functions; i++) {
		struct vfio_user *u = &sides[i].user;

		REQUIRE(vfio_user_map(u, VIRTIO_BAR), "cannot map: %s", strerror(errno));
		logs[i] = (struct access_log) {
			.u = u, .kind = ACCESS_MAP_READ, .region = VIRTIO_BAR,
			.off = VIRTIO_QUEUES, .pause_us = PAUSE_US,
			.value = vfio_user_read(u, VIRTIO_BAR, VIRTIO_QUEUES, 4),
		};
		REQUIRE_OK(access_start(&logs[i]));
	}
}

/* The longest stall of any user, in nanoseconds. */
static uint64_t stop_users(void)
{
	uint64_t stall = 0;

	for (unsigned int i = 0; i < nr_functions; i++) {
		access_stop(&logs[i]);
		vfio_user_unmap(&sides[i].user, VIRTIO_BAR);
		CHECK(!logs[i].wrong && !logs[i].ones && !logs[i].faults,
		      "function %u: an access went wrong", i);
		if (logs[i].longest_ns > stall)
			stall = logs[i].longest_ns;
	}
	/* all users share one CPU, so some did not run while their gate was closed */
	CHECK(stall > STALLED_NS, "no user waited");
	return stall;
}

/* All fail and all come back: the time that the host spent. */
static void measure_failure(struct bench *kernel, struct bench *close,
			    struct bench *callbacks, struct bench *share,
			    struct bench *excess)
{
	uint64_t id = shim_number(sides[0].shim.group, "event"), stall;
	struct phases ph;
	double ours;

	start_users();
	phases_strike(PORT, STATE_MS);
	for (unsigned int i = 0; i < nr_functions; i++)
		CHECK(shim_wait(sides[i].shim.group, "open", STATE_MS),
		      "function %u: not open", i);
	sleep_ms(20);
	stall = stop_users();
	ph = phases_read();
	CHECK(ph.opened == nr_functions, "%u of %u gates opened", ph.opened, nr_functions);
	CHECK(shim_number(sides[0].shim.group, "event") != id, "no new event");

	ours = phases_callbacks(&ph);
	bench_add(kernel, ph.kernel * 1000);
	bench_add(close, ph.took[ERROR_DETECTED] * 1000);
	bench_add(callbacks, ours * 1000);
	bench_add(share, ours * 1000 * 10000 / STANDARD_NS);
	bench_add(excess, stall / 1000.0 > ph.kernel ? stall - ph.kernel * 1000 : 0);
}

static const char * const status_files[] = {
	"state", "event", "cause", "policy", "functions", "domain", "blockers",
	"stats/recoveries", "stats/failures", "stats/stalls",
};

static void measure_status(void)
{
	static struct bench b;
	char buf[256];
	bool ok = true;

	for (int round = 0; round < 16; round++) {
		uint64_t start = bench_now();

		for (unsigned int i = 0; i < nr_functions; i++)
			for (size_t k = 0; k < sizeof(status_files) / sizeof(char *); k++)
				ok = shim_status(sides[i].shim.group, status_files[k],
						 buf, sizeof(buf)) >= 0 && ok;
		bench_add(&b, bench_now() - start);
	}
	CHECK(ok, "a file of the status cannot be read");
	/* not in instructions: the timing of the host has an influence here */
	say("status", "ns", &b);
}

/* The time of closing per function, in nanoseconds. */
static uint64_t measure_size(void)
{
	static struct bench kernel, close, callbacks, share, excess, each;
	uint64_t least;

	for (int i = 0; i < ROUNDS; i++)
		measure_failure(&kernel, &close, &callbacks, &share, &excess);
	bench_sort(&close);
	least = close.sample[0];
	bench_add(&each, least / nr_functions);
	say("kernel", "ns", &kernel);
	say("close", "ns", &close);
	say("close_each", "ns", &each);
	say("callbacks", "ns", &callbacks);
	say("share_of_100_ms", "1/10000", &share);
	say("stall_excess", "ns", &excess);
	measure_status();
	return least / nr_functions;
}

static const unsigned int sizes[] = { MAX_FUNCTIONS, 8, 2, 1 };

#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* One failure per size, since its users have then lost their devices. */
SCENARIO(scale_vfio_pci, "how long the kernel takes to recover many functions",
	 .limit_s = 200)
{
	static struct bench kernel;

	find_functions();
	assign("vfio_pci");
	for (size_t i = 0; i < NR_SIZES; i++) {
		struct phases ph;

		keep(sizes[i]);
		phases_strike(PORT, STATE_MS);
		ph = phases_read();
		CHECK(ph.kernel > 0, "no recovery in the trace");
		bench_add(&kernel, ph.kernel * 1000);
		say("kernel", "ns", &kernel);
	}
	/* functions below a switch are beyond the clean-up after a scenario */
	keep(0);
}

SCENARIO(scale_resume, "what the failure of many functions at once costs", .limit_s = 200)
{
	uint64_t each[NR_SIZES];

	find_functions();
	assign("resume");
	for (size_t i = 0; i < NR_SIZES; i++) {
		keep(sizes[i]);
		each[i] = measure_size();
	}
	/* in percent: 100 if it takes four times as long for four times as many */
	bench_say_one(&sides[0], "percent", "scale_close_growth",
		      each[0] * 100 / each[1]);
	keep(0);
}

/* Through sysfs; with mdevctl most of the time would be its processes. */
SCENARIO(scale_mdevs, "how long creation and removal of an mdev take")
{
	static struct bench create, remove;
	struct shim shim;

	sides[0].name = "resume";
	REQUIRE_OK(shim_bind(&shim, "rp_igb2", 0));
	for (int i = 0; i < 32; i++) {
		uint64_t start = now_ns();

		REQUIRE_OK(shim_create(&shim, "resume"));
		bench_add(&create, now_ns() - start);
		start = now_ns();
		REQUIRE_OK(mdev_remove(shim.uuid));
		bench_add(&remove, now_ns() - start);
	}
	bench_say(&create, &sides[0], "ns", "mdev_create");
	bench_say(&remove, &sides[0], "ns", "mdev_remove");
}
