// SPDX-License-Identifier: GPL-2.0-only
/*
 * The processor's own watchpoints show which CPU writes to the gate, and to the first
 * counts of two CPUs, while all CPUs access the device. No CPU writes to an open gate, and
 * only its own CPU writes to its counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "nic_user.h"
#include "scenario.h"
#include "sysfs.h"
#include "trace.h"

#define PORT "rp_igb2"
#define CPUS 8
#define ACCESSES 200

enum watched { GATE_FLAGS, GATE_WAITERS, SLOT_0, SLOT_1, NR_WATCHED };

/* Of struct mdr_gate: the wait queue head comes after three words, then @cpus. */
#define WAITERS_AT 16
#define CPUS_AT 40

static struct bench_side side;
static uint64_t gate, slots[2];
static int watch[NR_WATCHED][CPUS];

static void see_close(const char *entry, void *arg)
{
	const char *p = strstr(entry, "gate=");
	uint64_t cpus;

	(void)arg;
	if (strncmp(entry, "watch:", 6) || !p)
		return;
	gate = strtoull(p + 5, NULL, 0);
	p = strstr(p, "cpus=");
	REQUIRE(p, "cannot read '%s'", entry);
	cpus = strtoull(p + 5, NULL, 0);
	for (int i = 0; i < 2; i++) {
		p = strstr(p + 1, "off");
		REQUIRE(p, "cannot read '%s'", entry);
		p = strchr(p, '=') + 1;
		slots[i] = cpus + strtoull(p, NULL, 0);
	}
}

/* A reset closes the gate, which reveals its address, and the offsets of the CPUs. */
static void find_gate(void)
{
	static const char offsets[] = "__per_cpu_offset";
	char probe[200];

	REQUIRE_OK(trace_start(NULL));
	snprintf(probe, sizeof(probe),
		 "p:mdr_calls/watch mdr_gate_close gate=%%di:x64 cpus=+%d(%%di):x64 off0=@%s:x64 off1=@%s+8:x64",
		 CPUS_AT, offsets, offsets);
	REQUIRE_OK(trace_probe(probe));
	REQUIRE_OK(sysfs_write("1", TRACE_INSTANCE "/events/mdr_calls/enable"));
	REQUIRE_OK(vfio_user_reset(&side.user));
	trace_stop();
	REQUIRE_OK(trace_each(see_close, NULL));
	trace_end();
	REQUIRE(gate, "no gate was closed");
}

static int watch_writes(uint64_t at, unsigned int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT, .size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_W, .bp_addr = at, .bp_len = HW_BREAKPOINT_LEN_8,
	};
	int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	REQUIRE(fd >= 0, "cannot watch %#jx: %s", (uintmax_t)at, strerror(errno));
	return fd;
}

static uint64_t writes(enum watched what, unsigned int cpu)
{
	uint64_t count = 0;

	REQUIRE(read(watch[what][cpu], &count, sizeof(count)) == sizeof(count),
		"no count");
	return count;
}

static uint64_t writes_of_all(enum watched what)
{
	uint64_t sum = 0;

	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		sum += writes(what, cpu);
	return sum;
}

static void *access_device(void *arg)
{
	off_t config = side.user.regions[VFIO_CONFIG].offset + 0x10;
	off_t bar = side.user.regions[VFIO_PCI_BAR0_REGION_INDEX].offset + NIC_SCRATCH;
	unsigned int cpu = (uintptr_t)arg;
	int fd = side.user.device;
	uint32_t value;
	bool ok = true;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	ok = !sched_setaffinity(0, sizeof(set), &set);
	for (int i = 0; i < ACCESSES; i++) {
		ok = pread(fd, &value, 4, bar) == 4 && ok;
		ok = pwrite(fd, &value, 4, bar) == 4 && ok;
		ok = pread(fd, &value, 4, config) == 4 && ok;
		ok = pwrite(fd, &value, 4, config) == 4 && ok;
	}
	CHECK(ok, "CPU %u: an access failed", cpu);
	return NULL;
}

SCENARIO(watch_writes_of_cpus, "an access writes no cache line that another CPU writes",
	 .limit_s = 60)
{
	pthread_t threads[CPUS];
	uint64_t foreign = 0;

	bench_open(&side, "resume", PORT, 0);
	find_gate();
	for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
		watch[GATE_FLAGS][cpu] = watch_writes(gate, cpu);
		watch[GATE_WAITERS][cpu] = watch_writes(gate + WAITERS_AT, cpu);
		watch[SLOT_0][cpu] = watch_writes(slots[0], cpu);
		watch[SLOT_1][cpu] = watch_writes(slots[1], cpu);
	}
	for (uintptr_t cpu = 0; cpu < CPUS; cpu++)
		REQUIRE(!pthread_create(&threads[cpu], NULL, access_device, (void *)cpu),
			"no thread");
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		pthread_join(threads[cpu], NULL);

	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		foreign += (cpu != 0) * writes(SLOT_0, cpu) + (cpu != 1) * writes(SLOT_1, cpu);
	bench_say_one(&side, "writes", "watch_gate",
		      writes_of_all(GATE_FLAGS) + writes_of_all(GATE_WAITERS));
	bench_say_one(&side, "writes", "watch_slot_of_another_cpu", foreign);
	bench_say_one(&side, "writes", "watch_slot_of_own_cpu",
		      writes(SLOT_0, 0) + writes(SLOT_1, 1));
	/* the watchpoints work: two writes per access, and one when the gate closes */
	CHECK(writes(SLOT_0, 0) >= 8 * ACCESSES && writes(SLOT_1, 1) >= 8 * ACCESSES,
	      "%ju and %ju writes seen", writes(SLOT_0, 0), writes(SLOT_1, 1));
	REQUIRE_OK(vfio_user_reset(&side.user));
	CHECK(writes_of_all(GATE_FLAGS), "a closing gate was not seen");
}
