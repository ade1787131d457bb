// SPDX-License-Identifier: GPL-2.0-only
/*
 * No access reaches the device while the gate is closed. The user writes counters to
 * the device's own memory, and an observer watches that memory through another port,
 * without a gate.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "monitor.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "shm.h"
#include "slow.h"
#include "vfio_user.h"
#include "waiter.h"

#define RECOVERY_MS 10000
#define MOVE_MS 2000
#define HOLD_MS 100
#define STRIKES 10
#define MAX_STRIKES 50
#define DRAIN_MS 300
/* MDR_DRAIN_TIMEOUT_MS, and what a busy machine adds */
#define DRAIN_BOUND_MS 1000
#define SLOW_MS 1500
#define CLOSED_MS 1500
/* how long a reset from outside is drawn out, once the device decodes again */
#define DRAWN_OUT "2000"
#define PCI_COMMAND_MEMORY 0x2

/* Counters in the device's memory, one a thread. */
enum { MAPPED, WRITTEN, NR_COUNTERS };

static struct vfio_user user;
static struct shim shim;
static volatile uint32_t *watch;
static atomic_bool stop;

struct counts {
	uint32_t of[NR_COUNTERS];
};

/* What the observer saw while the group was not open. */
struct closed {
	/* of all closings */
	unsigned int closings;
	unsigned int samples;
	uint64_t ns;
	unsigned int moves[NR_COUNTERS];
	char moved_in[32];
	/* of this one */
	bool seen;
	uint64_t last_ns;
	struct counts last;
};

static struct counts look(void)
{
	struct counts c;

	for (int i = 0; i < NR_COUNTERS; i++)
		c.of[i] = watch[i];
	return c;
}

static void *count_mapped(void *arg)
{
	volatile uint32_t *counter = arg;

	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		(*counter)++;
	return NULL;
}

static void *count_written(void *arg)
{
	uint32_t value = 0;

	(void)arg;
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		value++;
		vfio_user_pwrite(&user, SHM_REGION, &value, sizeof(value),
				 WRITTEN * sizeof(value));
	}
	return NULL;
}

static bool both_move(void)
{
	struct counts before = look();

	return WAIT_FOR(watch[MAPPED] != before.of[MAPPED] &&
			watch[WRITTEN] != before.of[WRITTEN], MOVE_MS);
}

static void use(const char *policy)
{
	pthread_t thread;
	volatile uint32_t *map;

	REQUIRE_OK(shim_create(&shim, policy));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	watch = shm_watch();
	REQUIRE(watch, "no second view of the memory");
	map = vfio_user_map(&user, SHM_REGION);
	REQUIRE(map, "cannot map");
	map[MAPPED] = 0;
	map[WRITTEN] = 0;
	pthread_create(&thread, NULL, count_mapped, (void *)&map[MAPPED]);
	pthread_create(&thread, NULL, count_written, NULL);
	REQUIRE(both_move(), "the user's accesses do not reach the device");
}

static void start(const char *policy)
{
	REQUIRE_OK(shim_bind(&shim, SHM_PORT, 0));
	use(policy);
}

/* Is the gate closed, and drained? The file stays open: a recovery may be short. */
static bool is_closed(char *state, size_t size)
{
	static int fd = -1;
	char path[64];
	ssize_t len;

	if (fd < 0) {
		snprintf(path, sizeof(path), SHIM_CLASS "/group%d/state", shim.group);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	len = pread(fd, state, size - 1, 0);
	REQUIRE(len > 0, "cannot read the state");
	state[len - 1] = 0;
	return strcmp(state, "open") && strcmp(state, "closing");
}

/* Returns false if the group is open. */
static bool sample(struct closed *closed)
{
	char before[32], after[32];
	struct counts now;

	if (!is_closed(before, sizeof(before)))
		return strcmp(before, "open");
	now = look();
	/* it stayed closed in between: one gate, one closing */
	if (!is_closed(after, sizeof(after)))
		return strcmp(after, "open");
	closed->closings += !closed->seen;
	closed->samples++;
	for (int i = 0; closed->seen && i < NR_COUNTERS; i++) {
		if (now.of[i] == closed->last.of[i])
			continue;
		if (!closed->moves[MAPPED] && !closed->moves[WRITTEN])
			snprintf(closed->moved_in, sizeof(closed->moved_in), "%s",
				 before);
		closed->moves[i] += now.of[i] - closed->last.of[i];
	}
	if (closed->seen)
		closed->ns += now_ns() - closed->last_ns;
	closed->seen = true;
	closed->last_ns = now_ns();
	closed->last = now;
	return true;
}

/* Strikes, and samples until the group has recovered into this state. */
static void watch_strike(struct closed *closed, const char *status, const char *state)
{
	uint64_t recoveries = shim_number(shim.group, "stats/recoveries");
	uint64_t end = now_ms() + RECOVERY_MS;

	closed->seen = false;
	REQUIRE_OK(aer_inject(SHM_PORT, status));
	/* state open: either before the error or after the recovery */
	while (now_ms() < end) {
		if (sample(closed) && !strcmp(state, "open"))
			continue;
		if (shim_number(shim.group, "stats/recoveries") != recoveries)
			break;
	}
	CHECK(shim_is(shim.group, state), "group is not %s", state);
}

static void judge(const struct closed *closed)
{
	CHECK(!closed->moves[MAPPED] && !closed->moves[WRITTEN],
	      "%u mapped and %u written accesses reached the closed device, first in state %s",
	      closed->moves[MAPPED], closed->moves[WRITTEN], closed->moved_in);
	CHECK(closed->closings, "the observer never saw the group closed");
	CHECK(both_move(), "the user's accesses do not reach the device afterwards");
	atomic_store(&stop, true);
	MEASURE("closings", "%u", closed->closings);
	MEASURE("samples", "%u", closed->samples);
	MEASURE_BOUND("closed_ms", closed->ns / NS_PER_MS, closed->closings * CLOSED_MS);
	MEASURE("moved", "%u", closed->moves[MAPPED] + closed->moves[WRITTEN]);
	MEASURE("moved_while_open", "%u", watch[MAPPED] + watch[WRITTEN]);
}

SCENARIO(gate_count_fatal,
	 "memory of the device stands still from recovering to open while its user writes")
{
	struct closed closed = { 0 };

	start("resume");
	/* the observer may not get a CPU while the gate is closed */
	for (unsigned int i = 0; i < STRIKES || (!closed.closings && i < MAX_STRIKES); i++) {
		watch_strike(&closed, "DLP", "open");
		CHECK(both_move(), "the user's accesses do not reach the device");
	}
	judge(&closed);
}

SCENARIO(gate_count_hold,
	 "memory of a held device that decodes and works stands still until its user's reset")
{
	struct closed closed = { 0 };
	uint64_t end;

	start("hold");
	watch_strike(&closed, "POISON_TLP", "holding");
	/* only the gate stops the user: the host has not touched the device */
	CHECK(pci_command(shim.addr) & PCI_COMMAND_MEMORY, "COMMAND is %#x",
	      pci_command(shim.addr));
	for (end = now_ms() + HOLD_MS; now_ms() < end; )
		sample(&closed);
	CHECK(shim_is(shim.group, "holding"), "not held any more");
	REQUIRE_OK(vfio_user_reset(&user));
	judge(&closed);
}

/* An error meets an access that does not end. Returns when that was. */
static uint64_t drain_begins(struct waiter *slow)
{
	uint64_t begin;

	*slow = (struct waiter){
		.u = &user, .kind = WAITER_PREAD, .region = VFIO_CONFIG, .off = 4,
	};
	start("resume");
	REQUIRE_OK(slow_block(shim.addr));
	REQUIRE_OK(waiter_start(slow));
	REQUIRE(waiter_in(slow, "pci_wait_cfg", MOVE_MS), "nobody reads slowly");
	begin = now_ns();
	REQUIRE_OK(aer_inject(SHM_PORT, "DLP"));
	REQUIRE(shim_wait(shim.group, "closing", RECOVERY_MS), "group is not closing");
	return begin;
}

static void drain_ends(void)
{
	CHECK_OK(slow_unblock());
	CHECK(shim_wait(shim.group, "open", RECOVERY_MS), "group is not open");
	CHECK(both_move(), "the user's accesses do not reach the device afterwards");
	atomic_store(&stop, true);
}

SCENARIO(gate_drain_bound,
	 "an access that does not end holds up the host's recovery for a second, not longer")
{
	struct waiter slow;
	uint64_t begin, ms;

	begin = drain_begins(&slow);
	CHECK(WAIT_FOR(!shim_is(shim.group, "closing"), RECOVERY_MS), "it waits for ever");
	ms = (now_ns() - begin) / NS_PER_MS;
	CHECK(ms >= DRAIN_BOUND_MS, "it did not wait");
	MEASURE_BOUND("drain_ms", ms, DRAIN_BOUND_MS + SLOW_MS);
	CHECK(shim_number(shim.group, "stats/drain_timeouts") == 1, "drain_timeouts is %ju",
	      shim_number(shim.group, "stats/drain_timeouts"));
	drain_ends();
}

SCENARIO(gate_count_drain,
	 "a user's mapping is taken away while the drain still waits for another access")
{
	struct waiter slow;
	uint32_t first, last;

	drain_begins(&slow);
	sleep_ms(DRAIN_MS / 3);
	first = watch[MAPPED];
	sleep_ms(DRAIN_MS / 3);
	last = watch[MAPPED];
	CHECK(shim_is(shim.group, "closing"), "the drain did not wait");
	CHECK(first == last, "%u mapped accesses reached the device", last - first);
	drain_ends();
	MEASURE("moved", "%u", last - first);
	MEASURE("drain_timeouts", "%ju", shim_number(shim.group, "stats/drain_timeouts"));
}

SCENARIO(gate_count_host_reset,
	 "memory of the device stands still in a reset from outside, when it decodes again, too")
{
	struct background reset = { .call = pci_reset };
	struct counts first, last;

	REQUIRE_OK(shim_bind_test(&shim, SHM_PORT, 0));
	use("resume");
	REQUIRE_OK(shim_test_set("reset_done_ms", DRAWN_OUT));
	reset.name = shim.addr;
	background_start(&reset);
	REQUIRE(background_in(&reset, "test_reset_done", RECOVERY_MS), "no reset");
	first = look();
	sleep_ms(DRAIN_MS / 3);
	last = look();
	CHECK(shim_is(shim.group, "resetting"), "the reset was faster: nothing is shown");
	for (int i = 0; i < NR_COUNTERS; i++)
		CHECK(first.of[i] == last.of[i], "%u %s accesses reached the device",
		      last.of[i] - first.of[i], i == MAPPED ? "mapped" : "written");
	background_ms(&reset, RECOVERY_MS);
	CHECK(shim_wait(shim.group, "open", RECOVERY_MS), "group is not open");
	CHECK(both_move(), "the user's accesses do not reach the device afterwards");
	atomic_store(&stop, true);
	MEASURE("moved", "%u", last.of[MAPPED] - first.of[MAPPED]);
}
