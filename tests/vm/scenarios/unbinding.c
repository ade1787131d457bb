// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host waits for a task that holds the lock of a function, and that task for a close:
 * an unbind for the function's user, the creation of an mdev for a neighbour's. So the
 * close, and whoever it waits for, must not wait for the host, or for a lock that it holds.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "hot_reset.h"
#include "monitor.h"
#include "nic_user.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"

/* A walk comes to the first function of the port before the second. */
#define PORT "rp_igb"
#define OTHER_PORT "rp_e1000e"
#define SETTLE_MS 3000
/* a fraction of the time that a close would wait for the host */
#define END_MS 8000
/* of what waits for the host for MDR_LET_GO_MS (500) at most, on a busy machine */
#define SOON_MS 2000
#define REVOKING "mdr_device_revoke"
/* a close that waits for the recovery exceeds END_MS by far */
#define RECOVERY_MS "20000"
/* the host stays in a callback of the first function */
#define SLOW "1500"
/* of a call that does not wait */
#define CALL_MS 3000
/* 6.12 does not say that it gives up; the neighbour's close waits for that in the end */
#define SHORT_MS "3000"

static struct vfio_user user, other;
static struct shim first, second;

static int close_user(const char *unused)
{
	(void)unused;
	vfio_user_close(&user);
	return 0;
}

static int close_other(const char *unused)
{
	(void)unused;
	vfio_user_close(&other);
	return 0;
}

static void open_both(const char *recovery_timeout_ms)
{
	REQUIRE_OK(shim_make(&first, PORT, 0, "resume"));
	REQUIRE_OK(shim_make(&second, PORT, 1, "resume"));
	REQUIRE_OK(shim_set(&first, "recovery_timeout_ms", recovery_timeout_ms));
	REQUIRE_OK(shim_set(&second, "recovery_timeout_ms", recovery_timeout_ms));
	REQUIRE_OK(vfio_user_open(&user, first.uuid));
	REQUIRE_OK(vfio_user_open(&other, second.uuid));
}

/* The second function is being unbound under other, and a walk waits for that. */
static void unbind_and_strike(struct background *unbind)
{
	*unbind = (struct background){ .call = pci_unbind, .name = second.addr };
	background_start(unbind);
	REQUIRE(background_in(unbind, REVOKING, SETTLE_MS), "it does not wait for the user");
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	REQUIRE(WAIT_FOR(!shim_is(first.group, "open"), SETTLE_MS), "no error seen");
	/* the rest of its work for the first function */
	sleep_ms(100);
	CHECK(shim_is(second.group, "open"), "the walk does not wait for the unbind");
}

/*
 * Without a driver the second function makes the kernel abandon the recovery, and 6.12 does
 * not say so: then the shim waits for recovery_timeout_ms before it tries by itself.
 */
static void check_neighbour(void)
{
	CHECK(!shim_is(first.group, "failed"), "the neighbour has failed");
}

SCENARIO(unbinding_close_takes_no_bus_lock,
	 "the user closes while a hotplug waits for the walk, and the walk for the unbind")
{
	struct background unbind, hotplug = { .call = pci_remove };
	char addr[PCI_ADDR_LEN];

	REQUIRE_OK(shim_make(&first, PORT, 0, "resume"));
	REQUIRE_OK(shim_make(&second, PORT, 1, "resume"));
	REQUIRE_OK(vfio_user_open(&other, second.uuid));
	REQUIRE_OK(pci_below(OTHER_PORT, 1, addr));
	unbind_and_strike(&unbind);
	hotplug.name = addr;
	background_start(&hotplug);
	REQUIRE(background_in(&hotplug, "pci_remove_bus_device", SETTLE_MS),
		"the hotplug does not wait");

	close_other(NULL);
	MEASURE_BOUND("unbind_ms", background_ms(&unbind, END_MS), SOON_MS);
	background_ms(&hotplug, END_MS);
	CHECK_OK(unbind.ret);
	CHECK_OK(hotplug.ret);
	check_neighbour();
}

SCENARIO(unbinding_close_of_neighbour,
	 "a neighbour's user closes first: it waits for no host that waits for the unbind",
	 .limit_s = 60)
{
	struct background unbind, close = { .call = close_user, .name = "close" };

	open_both(RECOVERY_MS);
	unbind_and_strike(&unbind);
	background_start(&close);
	MEASURE_BOUND("close_ms", background_ms(&close, END_MS), SOON_MS);
	CHECK(!atomic_load(&unbind.done), "the unbind does not wait for its own user");
	close_other(NULL);
	MEASURE_BOUND("unbind_ms", background_ms(&unbind, END_MS), SOON_MS);
	CHECK_OK(unbind.ret);
	check_neighbour();
}

static int create_second(const char *unused)
{
	(void)unused;
	return shim_create(&second, "resume");
}

SCENARIO(unbinding_create_beside_close,
	 "an mdev is created while a neighbour's close waits for the host: neither holds it up",
	 .limit_s = 60)
{
	struct background close = { .call = close_user, .name = "close" },
		create = { .call = create_second, .name = "create" };

	REQUIRE_OK(shim_bind_test(&first, PORT, 0));
	REQUIRE_OK(shim_create(&first, "resume"));
	REQUIRE_OK(shim_set(&first, "recovery_timeout_ms", RECOVERY_MS));
	REQUIRE_OK(shim_bind(&second, PORT, 1));
	REQUIRE_OK(vfio_user_open(&user, first.uuid));
	REQUIRE_OK(strike_slow(&first, PORT, SLOW));
	background_start(&close);
	REQUIRE(background_in(&close, "mdr_device_close", SETTLE_MS), "the close does not wait");
	background_start(&create);
	MEASURE_BOUND("create_ms", background_ms(&create, END_MS), SOON_MS);
	background_ms(&close, END_MS);
	CHECK_OK(create.ret);
	CHECK(shim_wait(first.group, "open", END_MS), "the recovery does not end");
}

static int open_user(const char *uuid)
{
	int ret = vfio_user_open(&user, uuid);

	return ret == -EAGAIN ? 0 : ret ?: -EEXIST;
}

SCENARIO(unbinding_create_beside_open,
	 "an mdev is created while a neighbour's open waits for the host: neither holds it up",
	 .limit_s = 60)
{
	struct background open = { .call = open_user },
			  create = { .call = create_second, .name = "create" };

	REQUIRE_OK(shim_bind_test(&first, PORT, 0));
	REQUIRE_OK(shim_create(&first, "resume"));
	REQUIRE_OK(shim_set(&first, "stall_timeout_ms", RECOVERY_MS));
	REQUIRE_OK(shim_bind(&second, PORT, 1));
	REQUIRE_OK(strike_slow(&first, PORT, SLOW));
	open.name = first.uuid;
	background_start(&open);
	REQUIRE(background_in(&open, "mdr_device_open", SETTLE_MS), "the open does not wait");
	background_start(&create);
	MEASURE_BOUND("create_ms", background_ms(&create, END_MS), SOON_MS);
	background_ms(&open, END_MS);
	CHECK_OK(create.ret);
	CHECK(shim_wait(first.group, "open", END_MS), "the recovery does not end");
}

static int ask_hot_reset(const char *unused)
{
	struct {
		struct vfio_pci_hot_reset_info head;
		struct vfio_pci_dependent_device devices[8];
	} arg = { .head = { .argsz = sizeof(arg) } };

	(void)unused;
	return ioctl(user.device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &arg) ? -errno : 0;
}

static int hot_reset_other(const char *unused)
{
	(void)unused;
	return hot_reset(&other);
}

/*
 * A user that is to close a device makes a call that would wait for the hotplug. Closes the
 * device afterwards, so that even then nothing hangs for good.
 */
static void call_beside_hotplug(struct background *unbind, int (*call)(const char *unused),
				int (*close)(const char *unused))
{
	struct background made = { .call = call }, hotplug = { .call = pci_remove };
	char addr[PCI_ADDR_LEN];

	REQUIRE_OK(pci_below(OTHER_PORT, 1, addr));
	hotplug.name = addr;
	background_start(&hotplug);
	REQUIRE(background_in(&hotplug, "pci_remove_bus_device", SETTLE_MS),
		"the hotplug does not wait");
	background_start(&made);
	CHECK(WAIT_FOR(atomic_load(&made.done), CALL_MS), "the call waits");

	close(NULL);
	background_ms(unbind, END_MS);
	CHECK_OK(unbind->ret);
	background_ms(&hotplug, END_MS);
	WAIT_FOR(atomic_load(&made.done), END_MS);
	CHECK_ERRNO(made.ret, EAGAIN);
}

SCENARIO(unbinding_hot_reset_info,
	 "a user that is to close asks what a hot reset would hit: it does not wait for the host")
{
	struct background unbind;

	open_both(SHORT_MS);
	CHECK_OK(ask_hot_reset(NULL));
	unbind_and_strike(&unbind);
	call_beside_hotplug(&unbind, ask_hot_reset, close_other);
}

SCENARIO(unbinding_hot_reset,
	 "a user that is to close makes a hot reset: it does not wait for the host")
{
	struct background unbind = { .call = pci_unbind };

	REQUIRE_OK(shim_make(&first, PORT, 0, "resume"));
	REQUIRE_OK(shim_make(&second, PORT, 1, "resume"));
	REQUIRE_OK(shim_set(&second, "recovery_timeout_ms", SHORT_MS));
	REQUIRE_OK(vfio_user_open(&other, second.uuid));
	REQUIRE_OK(vfio_user_open_in(&user, first.uuid, other.space));
	REQUIRE_OK(hot_reset(&other));
	unbind.name = first.addr;
	background_start(&unbind);
	REQUIRE(background_in(&unbind, REVOKING, SETTLE_MS), "it does not wait for the user");
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	call_beside_hotplug(&unbind, hot_reset_other, close_user);
}

/* Has inherited both devices. Of the second it keeps no more than a mapping. */
static struct heir {
	atomic_bool asks, asked, leaves;
	int ret;
} *heir;

static void *heir_leaves(void *unused)
{
	(void)unused;
	while (!atomic_load(&heir->leaves))
		sleep_ms(1);
	vfio_user_unmap(&other, VFIO_PCI_BAR0_REGION_INDEX);
	return NULL;
}

static void heir_runs(void)
{
	pthread_t thread;

	close(other.device);
	close(other.space->groups[0].fd);
	close(other.space->container);
	pthread_create(&thread, NULL, heir_leaves, NULL);
	while (!atomic_load(&heir->asks))
		sleep_ms(1);
	heir->ret = ask_hot_reset(NULL);
	atomic_store(&heir->asked, true);
	for (;;)
		pause();
}

static int heir_asks(const char *unused)
{
	(void)unused;
	atomic_store(&heir->asks, true);
	while (!atomic_load(&heir->asked))
		sleep_ms(1);
	return heir->ret;
}

static int let_heir_leave(const char *unused)
{
	(void)unused;
	atomic_store(&heir->leaves, true);
	return 0;
}

SCENARIO(unbinding_hot_reset_info_mapped,
	 "a child that has inherited no more than a mapping asks it: it does not wait either")
{
	struct background unbind;
	pid_t child;

	heir = mmap(NULL, sizeof(*heir), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	REQUIRE(heir != MAP_FAILED, "no memory");
	open_both(SHORT_MS);
	REQUIRE(vfio_user_map(&other, VFIO_PCI_BAR0_REGION_INDEX), "no mapping");
	child = fork();
	REQUIRE(child >= 0, "no child");
	if (!child)
		heir_runs();
	close_other(NULL);
	unbind_and_strike(&unbind);
	call_beside_hotplug(&unbind, heir_asks, let_heir_leave);
}

#define ASKERS 1000
#define DESCRIPTORS 524288
/* an unbind that no user holds up */
#define UNBIND_MS 1000

/* Each counts itself, when it begins to ask. */
static void *ask_for_ever(void *askers)
{
	atomic_fetch_add((atomic_uint *)askers, 1);
	for (;;)
		if (ask_hot_reset(NULL) == -EAGAIN)
			sleep_ms(1000);
	return NULL;
}

/* As many as a distribution lets a user have: to look at all of them takes long. */
static void fill_descriptors(void)
{
	struct rlimit limit = { .rlim_cur = DESCRIPTORS, .rlim_max = DESCRIPTORS };

	REQUIRE(!setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	while (dup(user.space->container) >= 0)
		;
}

/* Uses the first device, and asks of it without a pause, in many threads. */
static void ask_with_many(atomic_uint *askers)
{
	pthread_attr_t attr;
	pthread_t thread;

	close(other.device);
	close(other.space->groups[0].fd);
	close(other.space->container);
	REQUIRE_OK(vfio_user_open(&user, first.uuid));
	fill_descriptors();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 16);
	for (int i = 0; i < ASKERS; i++)
		REQUIRE(!pthread_create(&thread, &attr, ask_for_ever, askers), "no thread");
	for (;;)
		pause();
}

SCENARIO(unbinding_beside_askers,
	 "a user with many threads and descriptors asks what a hot reset of its device would hit: nobody's unbind waits for all of them",
	 .limit_s = 60)
{
	atomic_uint *askers = mmap(NULL, sizeof(*askers), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct background unbind = { .call = pci_unbind };
	uint64_t begin;
	pid_t child;

	/* 250 threads with 32768 descriptors held an unbind up for 5 s on the debug kernel */
	if (patience > 1)
		SKIP("this kernel checks itself, and is too slow for so many threads");
	REQUIRE_OK(shim_make(&first, OTHER_PORT, 0, "resume"));
	REQUIRE_OK(shim_make(&second, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&other, second.uuid));
	unbind.name = second.addr;
	background_start(&unbind);
	REQUIRE(background_in(&unbind, REVOKING, SETTLE_MS), "it does not wait for the user");
	child = fork();
	REQUIRE(child >= 0, "no child");
	if (!child)
		ask_with_many(askers);
	REQUIRE(WAIT_FOR(atomic_load(askers) == ASKERS, 4 * SETTLE_MS), "%u of %u ask",
		atomic_load(askers), ASKERS);

	begin = now_ms();
	close_other(NULL);
	REQUIRE(WAIT_FOR(atomic_load(&unbind.done), 10 * END_MS), "it does not end");
	MEASURE_BOUND("unbind_ms", now_ms() - begin, UNBIND_MS);
	CHECK_OK(unbind.ret);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static int create_first(const char *unused)
{
	(void)unused;
	return shim_create(&first, "resume");
}

SCENARIO(unbinding_create_beside_hooks,
	 "an mdev is created while a neighbour's open waits for the parent driver: EAGAIN for it",
	 .limit_s = 60)
{
	struct background open = { .call = open_user },
			  create = { .call = create_first, .name = "create" };

	REQUIRE_OK(shim_bind(&first, PORT, 0));
	REQUIRE_OK(shim_bind_test(&second, PORT, 1));
	REQUIRE_OK(shim_create(&second, "resume"));
	REQUIRE_OK(shim_set(&second, "recovery_timeout_ms", RECOVERY_MS));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	open.name = second.uuid;
	background_start(&open);
	REQUIRE(background_in(&open, "mdr_hooks_call", SETTLE_MS), "the open does not wait");
	background_start(&create);
	MEASURE_BOUND("create_ms", background_ms(&create, END_MS), SOON_MS);
	background_ms(&open, END_MS);
	CHECK_OK(create.ret);
	CHECK_OK(open.ret);
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	CHECK_OK(vfio_user_open(&user, second.uuid));
}
