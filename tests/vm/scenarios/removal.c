// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions and mdevs that go away under a user: with revoke=kill within a bound,
 * without it never at the expense of the functions next to them.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "klog.h"
#include "mdev.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_irq.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define DEVICE "igb,id=igb2,bus=rp_igb2,mac=52:54:00:00:03:00"
#define SETTLE_MS 3000
#define REVOKE "300"
#define REVOKE_MS 300
/* beyond the bound: what it takes to look for holders, and to die */
#define SLACK_MS 2500
#define UNPLUG_MS 15000

static struct vfio_user user, other;

enum grip {
	GRIP_FILE,	/* the open device */
	GRIP_MAPPING,	/* a mapping, all files closed */
	GRIP_THREAD,	/* the open device, in a thread that outlived the first one */
	GRIP_LEAVES,	/* closes when asked to */
};

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void hold_on(enum grip grip, const char *uuid, atomic_bool *ready)
{
	pthread_t thread;
	int req;

	REQUIRE_OK(vfio_user_open(&user, uuid));
	REQUIRE(vfio_user_map(&user, BAR0), "mmap");
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_REQ_IRQ_INDEX, 1, &req));
	if (grip == GRIP_MAPPING) {
		close(user.device);
		close(user.own.groups[0].fd);
		close(user.own.container);
	}
	atomic_store(ready, true);
	if (grip == GRIP_LEAVES) {
		vfio_irq_wait(req, 20000, NULL);
		vfio_user_close(&user);
		_exit(0);
	}
	if (grip == GRIP_THREAD) {
		pthread_create(&thread, NULL, wait_for_ever, NULL);
		pthread_exit(NULL);
	}
	wait_for_ever(NULL);
}

/* A child that has the device and does not let go (or does, if it leaves). */
static pid_t fork_holder(enum grip grip, const char *uuid)
{
	atomic_bool *ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	if (!pid)
		hold_on(grip, uuid, ready);
	REQUIRE(WAIT_FOR(atomic_load(ready), SETTLE_MS), "no user");
	return pid;
}

static void check_killed(pid_t pid)
{
	int status = 0;
	bool died = WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid, SETTLE_MS);

	CHECK(died && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x", status);
	CHECK(klog_count("which did not release it") == 1, "%u lines", klog_count("which did not"));
}

/* Something that waits for the user, in a thread. */
struct removal {
	int (*remove)(const char *name);
	const char *name;
	pthread_t thread;
	uint64_t ns;
	int ret;
	atomic_bool done;
};

static void *removal_thread(void *arg)
{
	struct removal *r = arg;
	uint64_t begin = now_ns();

	r->ret = r->remove(r->name);
	r->ns = now_ns() - begin;
	atomic_store(&r->done, true);
	return NULL;
}

static void removal_start(struct removal *r)
{
	pthread_create(&r->thread, NULL, removal_thread, r);
}

static uint64_t removal_ms(struct removal *r, unsigned int bound_ms)
{
	bool done = WAIT_FOR(atomic_load(&r->done), bound_ms);

	REQUIRE(done, "the removal does not end within %u ms", bound_ms);
	CHECK_OK(r->ret);
	return r->ns / 1000000;
}

static void make(struct shim *s, const char *port, unsigned int n, const char *revoke)
{
	REQUIRE_OK(shim_make(s, port, n, "resume"));
	REQUIRE_OK(shim_set(s, "revoke", revoke));
	REQUIRE_OK(shim_set(s, "revoke_timeout_ms", REVOKE));
}

static int number_of_groups(void)
{
	struct dirent *e;
	int count = 0;
	DIR *dir = opendir(SHIM_CLASS);

	while (dir && (e = readdir(dir)))
		count += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

/* The neighbour below the port still recovers, and soon. */
static void check_neighbour(struct shim *s, const char *port, uint32_t status)
{
	REQUIRE_OK(strike(s, port, "DLP", "open"));
	CHECK(vfio_user_read(&other, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	MEASURE("neighbour_ms", "%ju", shim_number(s->group, "stats/recovery_ns_last") / 1000000);
}

static uint32_t open_neighbour(struct shim *s, const char *port)
{
	REQUIRE_OK(shim_make(s, port, 1, "resume"));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&other, s->uuid));
	return vfio_user_read(&other, BAR0, NIC_STATUS, 4);
}

static void kill_by(int (*remove)(const char *), enum grip grip, bool by_uuid)
{
	struct shim s, neighbour;
	struct removal r;
	uint64_t ms;
	pid_t pid;

	make(&s, "rp_igb", 0, "kill");
	pid = fork_holder(grip, s.uuid);
	r = (struct removal){ .remove = remove, .name = by_uuid ? s.uuid : s.addr };
	removal_start(&r);
	ms = removal_ms(&r, REVOKE_MS + SLACK_MS);
	CHECK(ms >= REVOKE_MS, "removed after %ju ms", ms);
	MEASURE("removed_ms", "%ju", ms);
	check_killed(pid);
	if (!by_uuid) {
		CHECK(!sysfs_exists(SHIM_CLASS "/group%d", s.group), "the group is there");
		REQUIRE_OK(shim_bind(&s, "rp_igb", 0));
	}
	check_neighbour(&neighbour, "rp_igb", open_neighbour(&neighbour, "rp_igb"));
}

SCENARIO(removal_unbind_kills,
	 "revoke=kill: a function is unbound under a user who does not leave, within the bound")
{
	kill_by(pci_unbind, GRIP_FILE, false);
}

SCENARIO(removal_mdev_kills_mapping,
	 "revoke=kill: an mdev is removed under a user who has no more than a mapping of it")
{
	kill_by(mdev_remove, GRIP_MAPPING, true);
}

SCENARIO(removal_mdev_kills_thread,
	 "revoke=kill: a user whose first thread is gone is found too")
{
	kill_by(mdev_remove, GRIP_THREAD, true);
}

SCENARIO(removal_mdev_delays_nobody,
	 "an mdev whose removal waits for its user does not delay the recovery of its neighbour")
{
	struct shim s, neighbour;
	uint32_t status;
	struct removal r;
	int child;
	pid_t pid;

	make(&s, "rp_igb", 0, "wait");
	status = open_neighbour(&neighbour, "rp_igb");
	pid = fork_holder(GRIP_FILE, s.uuid);
	check_neighbour(&neighbour, "rp_igb", status);
	r = (struct removal){ .remove = mdev_remove, .name = s.uuid };
	removal_start(&r);
	sleep_ms(100);
	CHECK(!atomic_load(&r.done), "the removal did not wait");
	check_neighbour(&neighbour, "rp_igb", status);
	CHECK(shim_number(neighbour.group, "stats/recovery_ns_last") < 1000 * NS_PER_MS, "delayed");
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "its own group does not recover");
	CHECK(!atomic_load(&r.done), "the removal did not wait");
	kill(pid, SIGKILL);
	waitpid(pid, &child, 0);
	MEASURE("removed_ms", "%ju", removal_ms(&r, SLACK_MS));
}

SCENARIO(removal_unbind_delays_by_bound,
	 "a function unbound under a user delays its neighbour by the bound at most")
{
	struct shim s, neighbour;
	uint32_t status;
	struct removal r;
	uint64_t begin;
	pid_t pid;

	make(&s, "rp_igb", 0, "kill");
	status = open_neighbour(&neighbour, "rp_igb");
	/* the only way in which some kernels say that they gave up */
	REQUIRE_OK(shim_set(&neighbour, "recovery_timeout_ms", "1500"));
	pid = fork_holder(GRIP_FILE, s.uuid);
	r = (struct removal){ .remove = pci_unbind, .name = s.addr };
	removal_start(&r);
	sleep_ms(50);
	begin = now_ns();
	/* the first function is told of it only when it is gone: recovered or not */
	REQUIRE_OK(aer_inject("rp_igb", "DLP"));
	MEASURE("removed_ms", "%ju", removal_ms(&r, REVOKE_MS + SLACK_MS));
	check_killed(pid);
	CHECK(WAIT_FOR(klog_count("device recovery "), SETTLE_MS), "no recovery");
	MEASURE("host_done_ms", "%ju", (uint64_t)((now_ns() - begin) / 1000000));
	CHECK(shim_wait(neighbour.group, "open", SETTLE_MS), "the neighbour does not recover");
	CHECK(vfio_user_read(&other, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

/* The function goes while the host recovers it, with a user who leaves or not. */
static void remove_in_recovery(enum grip grip, int (*remove)(const char *))
{
	struct shim s, neighbour;
	struct removal r;
	uint32_t status;
	int child;
	pid_t pid;

	make(&s, "rp_igb", 0, "kill");
	status = open_neighbour(&neighbour, "rp_igb");
	pid = fork_holder(grip, s.uuid);
	REQUIRE_OK(shim_catch_closed(&s, "rp_igb"));
	r = (struct removal){ .remove = remove, .name = s.addr };
	removal_start(&r);
	MEASURE("removed_ms", "%ju", removal_ms(&r, REVOKE_MS + SLACK_MS));
	CHECK(waitpid(pid, &child, 0) == pid, "the user is still there");
	CHECK(shim_wait(neighbour.group, "open", SETTLE_MS), "the neighbour does not recover");
	CHECK(vfio_user_read(&other, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	CHECK(!sysfs_exists(SHIM_CLASS "/group%d", s.group), "the group is there");
	CHECK(number_of_groups() == 1, "%d groups", number_of_groups());
	MEASURE("neighbour_ms", "%ju",
		shim_number(neighbour.group, "stats/recovery_ns_last") / 1000000);
}

SCENARIO(removal_unbind_in_recovery_user_leaves,
	 "a function is unbound in its recovery, its user leaves: neither waits for the other")
{
	remove_in_recovery(GRIP_LEAVES, pci_unbind);
}

SCENARIO(removal_unbind_in_recovery_kills,
	 "a function is unbound in its recovery under a user who stays: bounded all the same")
{
	remove_in_recovery(GRIP_FILE, pci_unbind);
}

SCENARIO(removal_surprise_in_recovery,
	 "a function vanishes in its recovery under a user: bounded, and its neighbour recovers")
{
	remove_in_recovery(GRIP_FILE, pci_remove);
}

static void check_gone(const struct shim *s)
{
	CHECK(!sysfs_exists(SHIM_CLASS "/group%d", s->group), "the group is there");
	CHECK(!sysfs_exists(MDEV_DIR "/%s", s->uuid), "the mdev is there");
	CHECK(number_of_groups() == 0, "%d groups", number_of_groups());
}

static void check_back(void)
{
	struct shim s;

	REQUIRE(pci_wait_below(PORT, 1, UNPLUG_MS), "it does not come back");
	/* there, but not yet ready to be bound */
	REQUIRE(WAIT_FOR(!shim_bind(&s, PORT, 0), SETTLE_MS), "it cannot be bound");
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) != ~0u, "the device is dead");
}

SCENARIO(removal_surprise,
	 "a function vanishes under a user who does not leave; rescanned it works as ever")
{
	struct removal r;
	struct shim s;
	pid_t pid;

	make(&s, PORT, 0, "kill");
	pid = fork_holder(GRIP_FILE, s.uuid);
	r = (struct removal){ .remove = pci_remove, .name = s.addr };
	removal_start(&r);
	MEASURE("removed_ms", "%ju", removal_ms(&r, REVOKE_MS + SLACK_MS));
	check_killed(pid);
	check_gone(&s);
	REQUIRE_OK(pci_rescan(PORT));
	check_back();
}

SCENARIO(removal_unplug,
	 "pulled from its slot under a user who stays: the slot empties; plugged it works")
{
	struct shim s;
	uint64_t begin;
	pid_t pid;

	make(&s, PORT, 0, "kill");
	pid = fork_holder(GRIP_FILE, s.uuid);
	REQUIRE_OK(device_del("igb2"));
	begin = now_ns();
	REQUIRE(pci_wait_below(PORT, 0, UNPLUG_MS), "the slot does not empty");
	MEASURE("unplugged_ms", "%ju", (uint64_t)((now_ns() - begin) / 1000000));
	check_killed(pid);
	check_gone(&s);
	REQUIRE(WAIT_FOR(!device_add(DEVICE), UNPLUG_MS), "device_add");
	check_back();
}
