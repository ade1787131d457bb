// SPDX-License-Identifier: GPL-2.0-only
/* A thread that waits at a gate can be killed, and dies at once. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "shm.h"
#include "strike.h"
#include "task.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
/* far below the stall timeout */
#define AT_ONCE_MS 2000
#define SETTLE_MS 5000
#define QUIET_MS 200
/* what no test leaves in the device */
#define UNREAD 0x5d1e9c4bf02a7386ull

static struct vfio_user user;

/* Kills a child, since the device file must stay open here; returns milliseconds. */
static uint64_t kill_waiter(struct waiter *w, const char *what)
{
	uint64_t start;
	int status = 0;
	bool died;
	pid_t pid;

	pid = waiter_fork(w);
	REQUIRE(pid > 0, "fork");
	REQUIRE(task_at_gate(pid, SETTLE_MS), "%s does not wait", what);
	start = now_ns();
	kill(pid, SIGKILL);
	died = WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid, 5000);
	REQUIRE(died, "%s survives", what);
	start = (now_ns() - start) / 1000000;
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s ended by itself, %#x",
	      what, status);
	CHECK(start < AT_ONCE_MS, "%s took %ju ms to die", what, start);
	return start;
}

SCENARIO(killed_waiters_die_at_once,
	 "SIGKILL ends a waiter at once, in a fault, pread, pwrite and an ioctl")
{
	struct waiter w[] = {
		{ .kind = WAITER_LOAD, .region = BAR0, .off = NIC_STATUS },
		{ .kind = WAITER_PREAD, .region = BAR0, .off = NIC_STATUS },
		{ .kind = WAITER_PWRITE, .region = BAR0, .off = NIC_SCRATCH },
		{ .kind = WAITER_IOCTL },
	};
	static const char * const names[] = { "fault", "pread", "pwrite", "ioctl" };
	uint64_t ms[4];
	uint32_t status;
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "hold"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "30000"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	REQUIRE(vfio_user_map(&user, BAR0), "mmap");
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	for (int i = 0; i < 4; i++) {
		w[i].u = &user;
		ms[i] = kill_waiter(&w[i], names[i]);
	}
	CHECK(shim_is(s.group, "holding"), "not holding any more");
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	for (int i = 0; i < 4; i++)
		MEASURE_BOUND(names[i], ms[i], AT_ONCE_MS);
}

SCENARIO(killed_user_gives_back,
	 "the only user, killed while it waits, leaves the device whole for the next one")
{
	struct waiter w = { .u = &user, .kind = WAITER_PREAD, .region = BAR0, .off = NIC_STATUS };
	struct shim s;
	uint64_t start;
	int status;
	bool died;
	pid_t pid;

	REQUIRE_OK(shim_make(&s, PORT, 0, "hold"));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "30000"));
	pid = fork();
	REQUIRE(pid >= 0, "fork");
	if (!pid) {
		REQUIRE_OK(vfio_user_open(&user, s.uuid));
		REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
		waiter_run(&w);
		_exit(0);
	}
	REQUIRE(shim_wait(s.group, "holding", 5000), "not holding");
	REQUIRE(task_at_gate(pid, SETTLE_MS), "it does not wait");
	start = now_ns();
	kill(pid, SIGKILL);
	died = WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid, 5000);
	REQUIRE(died, "it survives");
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it ended by itself, %#x",
	      status);
	MEASURE_BOUND("died_ms", (now_ns() - start) / NS_PER_MS, AT_ONCE_MS);
	CHECK(shim_wait(s.group, "open", 1000), "not open after the last close");
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	nic_status(&user);
}

static atomic_uint caught;

static void catch(int number)
{
	(void)number;
	caught++;
}

/* A user of a type that holds, who has a handler for SIGUSR1. Returns STATUS. */
static uint32_t use_with_handler(struct shim *s)
{
	/* without SA_RESTART: a call that a signal ends is EINTR */
	struct sigaction action = { .sa_handler = catch };

	REQUIRE_OK(shim_make(s, PORT, 0, "hold"));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "30000"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	REQUIRE(!sigaction(SIGUSR1, &action, NULL), "sigaction");
	return nic_status(&user);
}

SCENARIO(killed_not_by_other_signals,
	 "a signal with a handler does not end a wait: pread, pwrite and an ioctl go on after it")
{
	static struct waiter w[] = {
		{ .kind = WAITER_PREAD, .region = BAR0, .off = NIC_STATUS },
		{ .kind = WAITER_PWRITE, .region = BAR0, .off = NIC_SCRATCH, .value = 1 },
		{ .kind = WAITER_IOCTL },
	};
	struct shim s;
	uint32_t status = use_with_handler(&s);

	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	for (int i = 0; i < 3; i++) {
		w[i].u = &user;
		REQUIRE_OK(waiter_start(&w[i]));
		REQUIRE(waiter_waits(&w[i], SETTLE_MS), "waiter %d does not wait", i);
		pthread_kill(w[i].thread, SIGUSR1);
	}
	sleep_ms(QUIET_MS);
	for (int i = 0; i < 3; i++)
		CHECK(!atomic_load(&w[i].done), "waiter %d ended: %d", i, w[i].error);
	REQUIRE_OK(vfio_user_reset(&user));
	for (int i = 0; i < 3; i++) {
		CHECK(waiter_ended(&w[i], SETTLE_MS), "waiter %d does not end", i);
		CHECK(!w[i].error, "waiter %d: error %d", i, w[i].error);
	}
	CHECK(atomic_load(&caught) == 3, "%u signals arrived", atomic_load(&caught));
	CHECK(w[0].value == status, "STATUS is %#x, was %#x", w[0].value, status);
}

SCENARIO(killed_handler_in_fault,
	 "a signal's handler runs at once in a thread whose fault waits, then the fault goes on")
{
	struct waiter w = { .u = &user, .kind = WAITER_LOAD, .region = BAR0, .off = NIC_STATUS };
	struct shim s;
	uint32_t status = use_with_handler(&s);
	uint64_t start, took;

	REQUIRE_OK(waiter_prepare(&w));
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	REQUIRE_OK(waiter_start(&w));
	REQUIRE(waiter_waits(&w, SETTLE_MS), "it does not wait");
	start = now_ns();
	pthread_kill(w.thread, SIGUSR1);
	CHECK(WAIT_FOR(atomic_load(&caught), SETTLE_MS), "the handler does not run");
	took = (now_ns() - start) / NS_PER_MS;
	CHECK(waiter_waits(&w, SETTLE_MS) && !atomic_load(&w.done), "it does not wait again");
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(waiter_ended(&w, SETTLE_MS), "it does not end");
	CHECK(!w.error && w.value == status, "STATUS is %#x, was %#x, error %d", w.value, status,
	      w.error);
	MEASURE_BOUND("handler_ms", took, AT_ONCE_MS);
}

SCENARIO(killed_in_long_read, "SIGKILL ends a read of all of a large BAR at once")
{
	volatile uint64_t *buf;
	uint64_t size, start;
	struct shim s;
	int status;
	bool died;
	pid_t pid;

	REQUIRE_OK(shim_make(&s, SHM_PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	size = user.regions[SHM_REGION].size;
	buf = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(buf != MAP_FAILED, "mmap");
	*buf = UNREAD;
	pid = fork();
	REQUIRE(pid >= 0, "fork");
	if (!pid)
		for (;;)
			vfio_user_pread(&user, SHM_REGION, (void *)buf, size, 0);
	REQUIRE(WAIT_FOR(*buf != UNREAD, SETTLE_MS), "nothing is read");
	start = now_ns();
	kill(pid, SIGKILL);
	died = WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid, 20000);
	REQUIRE(died, "it survives");
	MEASURE_BOUND("died_ms", (now_ns() - start) / NS_PER_MS, AT_ONCE_MS / 2);
}
