// SPDX-License-Identifier: GPL-2.0-only
/*
 * Type hold: after the host's recovery the function works, but the gate stays closed
 * until the user resets it.
 */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "shm.h"
#include "strike.h"
#include "trace.h"
#include "vfio_irq.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define SETTLE_MS 3000
#define HOLD_MS 150
/* what a busy machine adds */
#define SLOW_MS 1500
#define MASTER 0x4
/* how long a reset waits for the host (MDR_LET_GO_MS) */
#define LET_GO_MS 500

static struct vfio_user user;

static void start_igb(struct shim *s)
{
	REQUIRE_OK(shim_make(s, PORT, 0, "hold"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
}

/* Two words of the shared memory, incremented as fast as possible. */
struct counter {
	pthread_t thread;
	unsigned int word;
	bool mapped;
	atomic_bool stop;
	atomic_uint errors;
};

static void *count_up(void *arg)
{
	struct counter *c = arg;
	volatile uint32_t *map = vfio_user_map(&user, SHM_REGION);

	for (uint32_t n = 1; !atomic_load(&c->stop); n++) {
		if (c->mapped)
			map[c->word] = n;
		else if (vfio_user_write(&user, SHM_REGION, 4 * c->word, 4, n))
			c->errors++;
	}
	return NULL;
}

SCENARIO(hold_no_access_until_reset,
	 "from the host's recovery to the user's reset no write reaches the device")
{
	struct counter counters[2] = { { .word = 0, .mapped = true }, { .word = 16 } };
	volatile uint32_t *watch;
	uint32_t seen[2], after;
	struct shim s;

	watch = shm_watch();
	REQUIRE(watch, "no second view of the memory");
	REQUIRE_OK(shim_make(&s, SHM_PORT, 0, "hold"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	for (int i = 0; i < 2; i++)
		pthread_create(&counters[i].thread, NULL, count_up, &counters[i]);
	for (int i = 0; i < 2; i++)
		REQUIRE(WAIT_FOR(watch[16 * i] > 10, SETTLE_MS), "writer %d", i);

	REQUIRE_OK(strike(&s, SHM_PORT, "DLP", "holding"));
	for (int i = 0; i < 2; i++)
		seen[i] = watch[16 * i];
	sleep_ms(HOLD_MS);
	for (int i = 0; i < 2; i++)
		CHECK(watch[16 * i] == seen[i], "writer %d: %u writes while holding",
		      i, watch[16 * i] - seen[i]);
	CHECK(shim_is(s.group, "holding"), "not holding any more");
	MEASURE("writes_while_holding", "%u", watch[0] - seen[0] + watch[16] - seen[1]);

	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(shim_is(s.group, "open"), "not open after the reset");
	for (int i = 0; i < 2; i++) {
		CHECK(WAIT_FOR(watch[16 * i] != seen[i], SETTLE_MS), "writer %d is stuck", i);
		atomic_store(&counters[i].stop, true);
		pthread_join(counters[i].thread, NULL);
		CHECK(!counters[i].errors, "writer %d: %u errors", i, counters[i].errors);
	}
	after = watch[0] - seen[0];
	MEASURE("writes_after", "%u", after);
	MEASURE_BOUND("stall_ms", shim_number(s.group, "stats/stall_ns_max") / NS_PER_MS,
		      HOLD_MS + SLOW_MS);
}

SCENARIO(hold_bus_master_off,
	 "a held function does not master the bus until its user asks for it, which waits")
{
	struct waiter w = { .u = &user, .kind = WAITER_PWRITE, .region = VFIO_CONFIG, .off = 4 };
	uint16_t command;
	struct shim s;

	start_igb(&s);
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	CHECK(pci_command(s.addr) & MASTER, "not mastering before");
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	command = pci_command(s.addr);
	CHECK(!(command & MASTER), "COMMAND is %#x while holding", command);
	CHECK(command & 0x2, "COMMAND is %#x: the function is not restored", command);

	w.value = command | MASTER;
	REQUIRE_OK(waiter_start(&w));
	CHECK(waiter_waits(&w, SETTLE_MS), "a write to COMMAND does not wait while holding");
	CHECK(!(pci_command(s.addr) & MASTER), "COMMAND is %#x", pci_command(s.addr));
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(waiter_ended(&w, SETTLE_MS) && !w.error, "the write: error %d", w.error);
	CHECK(pci_command(s.addr) & MASTER, "not mastering after the write");

	/* a reset alone does not turn it on */
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(!(pci_command(s.addr) & MASTER), "COMMAND is %#x", pci_command(s.addr));
	CHECK(pci_command(s.addr) & 0x2, "COMMAND is %#x", pci_command(s.addr));
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	CHECK(pci_command(s.addr) & MASTER, "cannot be mastering again");
	MEASURE("command", "%#x", command);
}

SCENARIO(hold_second_error,
	 "an error while holding is a new event with a new hold; one reset answers it")
{
	struct waiter w = { .u = &user, .kind = WAITER_LOAD, .region = BAR0, .off = NIC_STATUS };
	uint64_t first, second;
	uint32_t status;
	struct shim s;

	start_igb(&s);
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	status = nic_status(&user);
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	first = shim_number(s.group, "event");
	REQUIRE_OK(waiter_start(&w));
	CHECK(waiter_waits(&w, SETTLE_MS), "a load does not wait while holding");
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	second = shim_number(s.group, "event");
	CHECK(second > first, "events %ju and %ju", first, second);
	CHECK(waiter_waits(&w, SETTLE_MS), "a load ended while holding");
	CHECK(shim_number(s.group, "stats/recoveries") == 2, "not two recoveries");

	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(shim_is(s.group, "open"), "not open after the reset");
	REQUIRE(waiter_ended(&w, SETTLE_MS), "the load does not end");
	CHECK(!w.error && w.value == status, "error %d, STATUS %#x, was %#x", w.error,
	      w.value, status);
	MEASURE("ids", "%ju,%ju", first, second);
	MEASURE_BOUND("stall_ms", w.ns / NS_PER_MS, 3 * SLOW_MS);
}

/* When the group began to hold, and when its user was asked to leave, in us. */
struct hold {
	double begin;
	double end;
};

static void see_hold(const char *entry, void *arg)
{
	struct hold *hold = arg;

	if (strstr(entry, "--> holding"))
		hold->begin = trace_us(entry);
	if (strstr(entry, "--> evicting"))
		hold->end = trace_us(entry);
}

SCENARIO(hold_timeout_evicts,
	 "after hold_timeout_ms the user is asked to release the device; a reset is too late")
{
	struct hold hold = { 0 };
	double evicted_ms;
	struct shim s;
	int req;

	start_igb(&s);
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_REQ_IRQ_INDEX, 1, &req));
	REQUIRE_OK(shim_set(&s, "hold_timeout_ms", "600000"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	CHECK(!vfio_irq_wait(req, HOLD_MS, NULL), "REQ fired while holding");
	REQUIRE(WAIT_FOR(!vfio_user_reset(&user), SETTLE_MS), "the reset fails");

	REQUIRE_OK(shim_set(&s, "hold_timeout_ms", "150"));
	REQUIRE_OK(trace_start(NULL));
	REQUIRE_OK(strike(&s, PORT, "DLP", "evicting"));
	trace_stop();
	REQUIRE_OK(trace_each(see_hold, &hold));
	REQUIRE(hold.begin > 0 && hold.end > 0, "holding or evicting is not traced");
	evicted_ms = (hold.end - hold.begin) / 1000;
	CHECK(evicted_ms >= HOLD_MS, "evicting after %.1f ms", evicted_ms);
	CHECK(vfio_irq_wait(req, SETTLE_MS, NULL), "REQ did not fire");
	CHECK_NUMBER(s.group, "stats/hold_timeouts", 1);
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	CHECK(shim_is(s.group, "evicting"), "not evicting any more");
	vfio_user_close(&user);
	CHECK(shim_is(s.group, "open"), "not open after the close");
	MEASURE_BOUND("evicted_after_ms", (uint64_t)evicted_ms, HOLD_MS + SLOW_MS);
}

SCENARIO(hold_failing_resets,
	 "resets that fail do not prolong a hold: it ends when hold_timeout_ms has passed")
{
	unsigned int refused = 0;
	uint64_t held_at, ms;
	struct shim s;
	int ret;

	REQUIRE_OK(shim_bind_test(&s, PORT, 0));
	REQUIRE_OK(shim_create(&s, "hold"));
	REQUIRE_OK(shim_set(&s, "hold_timeout_ms", "1200"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	/* meanwhile the host has the lock of the function */
	REQUIRE_OK(shim_test_set("linger_ms", "6000"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	held_at = now_ns();
	do {
		ret = vfio_user_reset(&user);
		refused += ret == -EAGAIN;
		ms = (now_ns() - held_at) / NS_PER_MS;
	} while (ret == -EAGAIN);
	CHECK(ret == -EIO, "a reset gave %d", ret);
	CHECK(refused > 1, "%u resets failed: nothing is shown", refused);
	CHECK(shim_is(s.group, "evicting"), "not evicting");
	MEASURE_BOUND("evicted_after_ms", ms, 1200 + LET_GO_MS + SLOW_MS);
}

SCENARIO(hold_stall_from_first_closing,
	 "a second error while holding does not restart the stall timeout of its user")
{
	struct waiter w = { .u = &user, .kind = WAITER_PREAD, .region = BAR0, .off = NIC_STATUS };
	uint64_t begin;
	struct shim s;

	start_igb(&s);
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "6000"));
	REQUIRE_OK(shim_set(&s, "hold_timeout_ms", "30000"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	begin = now_ns();
	sleep_ms(3500);
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	waiter_run(&w);
	CHECK(!w.error && w.value == ~0u, "error %d, value %#x", w.error, w.value);
	MEASURE_BOUND("ended_ms", (now_ns() - begin) / NS_PER_MS, 6000 + SLOW_MS);
	REQUIRE_OK(vfio_user_reset(&user));
}
