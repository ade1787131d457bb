// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions and mdevs that are removed while a user has them: with revoke=kill within
 * a bound, without it never at the expense of the neighbouring functions.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "background.h"
#include "clock.h"
#include "holder.h"
#include "klog.h"
#include "mdev.h"
#include "monitor.h"
#include "needs.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "slot.h"
#include "strike.h"
#include "sysfs.h"
#include "task.h"
#include "took.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
/* two functions, one group */
#define PAIR_PORT "rp_e1000e"
#define DEVICE "igb,id=igb2,bus=rp_igb2,mac=52:54:00:00:03:00"
#define SETTLE_MS 3000
#define REVOKE "300"
#define REVOKE_MS 300
/* on top of the bound: the time to find the holders, and to die */
#define SLACK_MS 2500
#define REMOVED_MS (REVOKE_MS + SLACK_MS)
#define UNPLUG_MS 15000
/* the host stays in a recovery until the removal is well on its way */
#define SLOW "1200"
#define SLOW_MS 1200
/* a reset from outside has the function for so long */
#define HELD "3000"
#define HELD_MS 3000
/* where a removal waits for the user */
#define REVOKING "mdr_device_revoke"
/* plus the second that the kernel waits after it has turned the slot off */
#define UNPLUGGED_MS (REVOKE_MS + 1000 + SLACK_MS)
/* a neighbour's recovery that nobody delays, on a busy machine */
#define NEIGHBOUR_MS 1500

static struct vfio_user user, other;

static void check_killed(pid_t pid)
{
	int status = 0;
	bool died = WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid, SETTLE_MS);

	CHECK(died && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x", status);
	CHECK(klog_count("which did not release it") == 1, "%u lines", klog_count("which did not"));
}

static void create(struct shim *s, const char *revoke)
{
	REQUIRE_OK(shim_create(s, "resume"));
	REQUIRE_OK(shim_set(s, "revoke", revoke));
	REQUIRE_OK(shim_set(s, "revoke_timeout_ms", REVOKE));
}

static void make(struct shim *s, const char *port, unsigned int n, const char *revoke)
{
	REQUIRE_OK(shim_bind(s, port, n));
	create(s, revoke);
}

/* The neighbour below the port still recovers, and soon. */
static void check_neighbour(struct shim *s, const char *port, uint32_t status)
{
	REQUIRE_OK(strike(s, port, "DLP", "open"));
	CHECK(vfio_user_read(&other, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	MEASURE_RECOVERY("neighbour_ms", s);
}

static uint32_t use_neighbour(const struct shim *s)
{
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&other, s->uuid));
	return nic_status(&other);
}

static uint32_t open_neighbour(struct shim *s, const char *port)
{
	REQUIRE_OK(shim_make(s, port, 1, "resume"));
	return use_neighbour(s);
}

static void kill_by(int (*remove)(const char *), enum grip grip, bool by_uuid)
{
	struct shim s, neighbour;
	struct background r;
	uint64_t ms;
	pid_t pid;

	make(&s, "rp_igb", 0, "kill");
	pid = holder_fork(grip, s.uuid);
	r = (struct background){ .call = remove, .name = by_uuid ? s.uuid : s.addr };
	background_start(&r);
	ms = background_ms(&r, REMOVED_MS);
	CHECK(ms >= REVOKE_MS, "removed after %ju ms", ms);
	MEASURE_BOUND("removed_ms", ms, REMOVED_MS);
	check_killed(pid);
	if (!by_uuid) {
		CHECK(!sysfs_exists(SHIM_CLASS "/group%d", s.group), "the group is there");
		REQUIRE_OK(shim_bind(&s, "rp_igb", 0));
	}
	check_neighbour(&neighbour, "rp_igb", open_neighbour(&neighbour, "rp_igb"));
}

SCENARIO(removal_unbind_kills,
	 "revoke=kill: a function is unbound under a user that does not leave, within the bound")
{
	kill_by(pci_unbind, GRIP_FILE, false);
}

SCENARIO(removal_mdev_kills_mapping,
	 "revoke=kill: an mdev is removed under a user that only has a mapping of it")
{
	kill_by(mdev_remove, GRIP_MAPPING, true);
}

SCENARIO(removal_mdev_kills_thread,
	 "revoke=kill: a user whose first thread is gone is found too")
{
	kill_by(mdev_remove, GRIP_THREAD, true);
}

SCENARIO(removal_mdev_lets_nobody_in,
	 "an mdev whose removal waits for the host cannot be opened any more: ENODEV")
{
	struct background r = { .call = mdev_remove }, reset = { .call = pci_reset };
	struct shim s;

	REQUIRE_OK(shim_bind_test(&s, PORT, 0));
	create(&s, "wait");
	/* a reset from outside has the function, and the gate is still open */
	REQUIRE_OK(shim_test_set("reset_prepare_ms", HELD));
	reset.name = s.addr;
	background_start(&reset);
	REQUIRE(background_in(&reset, "test_reset_prepare", SETTLE_MS), "no reset");
	r.name = s.uuid;
	background_start(&r);
	REQUIRE(background_in(&r, "mdr_function_lock", SETTLE_MS), "the removal does not wait");
	/* by its other name: the mdev's link to its group is gone already */
	CHECK_ERRNO(vfio_user_open(&user, s.addr), ENODEV);
	CHECK(!atomic_load(&reset.done), "the reset was faster: nothing is shown");
	background_ms(&reset, HELD_MS + SLACK_MS);
	background_ms(&r, SLACK_MS);
}

SCENARIO(removal_mdev_delays_nobody,
	 "an mdev whose removal waits for its user does not delay the recovery of its neighbour")
{
	struct shim s, neighbour;
	uint32_t status;
	struct background r;
	int child;
	pid_t pid;

	make(&s, "rp_igb", 0, "wait");
	status = open_neighbour(&neighbour, "rp_igb");
	pid = holder_fork(GRIP_FILE, s.uuid);
	check_neighbour(&neighbour, "rp_igb", status);
	r = (struct background){ .call = mdev_remove, .name = s.uuid };
	background_start(&r);
	CHECK(background_in(&r, REVOKING, SETTLE_MS), "the removal does not wait");
	check_neighbour(&neighbour, "rp_igb", status);
	CHECK(shim_wait(s.group, "open", SETTLE_MS), "its own group does not recover");
	CHECK(!atomic_load(&r.done), "the removal did not wait");
	kill(pid, SIGKILL);
	waitpid(pid, &child, 0);
	MEASURE_BOUND("removed_ms", background_ms(&r, REMOVED_MS), REMOVED_MS);
}

SCENARIO(removal_unbind_delays_by_bound,
	 "a function unbound under a user delays its neighbour by the bound at most")
{
	struct shim s, neighbour;
	uint32_t status;
	struct background r;
	uint64_t begin;
	pid_t pid;

	make(&s, "rp_igb", 0, "kill");
	status = open_neighbour(&neighbour, "rp_igb");
	/* the only way in which some kernels say that they gave up */
	REQUIRE_OK(shim_set(&neighbour, "recovery_timeout_ms", "1500"));
	pid = holder_fork(GRIP_FILE, s.uuid);
	r = (struct background){ .call = pci_unbind, .name = s.addr };
	background_start(&r);
	CHECK(background_in(&r, REVOKING, SETTLE_MS), "the unbind does not wait");
	begin = now_ns();
	/* the kernel tells the first function only when it is gone: recovered or not */
	REQUIRE_OK(aer_inject("rp_igb", "DLP"));
	MEASURE_BOUND("removed_ms", background_ms(&r, REMOVED_MS), REMOVED_MS);
	check_killed(pid);
	CHECK(WAIT_FOR(klog_count("device recovery "), SETTLE_MS), "no recovery");
	MEASURE_BOUND("host_done_ms", (now_ns() - begin) / NS_PER_MS, REMOVED_MS + NEIGHBOUR_MS);
	CHECK(shim_wait(neighbour.group, "open", SETTLE_MS), "the neighbour does not recover");
	CHECK(vfio_user_read(&other, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

/* Removes a function while the host recovers it; its user leaves, or does not. */
static void remove_in_recovery(enum grip grip, int (*remove)(const char *))
{
	struct shim s, neighbour;
	struct background r;
	uint32_t status;
	int child;
	pid_t pid;

	make(&s, "rp_igb", 0, "kill");
	/* after its neighbour's slot_reset nobody holds the function */
	REQUIRE_OK(shim_bind_test(&neighbour, "rp_igb", 1));
	REQUIRE_OK(shim_create(&neighbour, "resume"));
	status = use_neighbour(&neighbour);
	pid = holder_fork(grip, s.uuid);
	REQUIRE_OK(strike_slow(&s, "rp_igb", SLOW));
	r = (struct background){ .call = remove, .name = s.addr };
	background_start(&r);
	CHECK(grip == GRIP_LEAVES || background_in(&r, REVOKING, SETTLE_MS),
	      "it does not wait for the user");
	CHECK(shim_is(s.group, "recovering"), "the host was faster: nothing is shown");
	MEASURE_BOUND("removed_ms", background_ms(&r, REMOVED_MS + SLOW_MS),
		      REMOVED_MS + SLOW_MS);
	CHECK(waitpid(pid, &child, 0) == pid, "the user is still there");
	CHECK(grip == GRIP_LEAVES ? WIFEXITED(child) : WIFSIGNALED(child), "status %#x", child);
	CHECK(shim_wait(neighbour.group, "open", SETTLE_MS), "the neighbour does not recover");
	CHECK(vfio_user_read(&other, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	CHECK(!sysfs_exists(SHIM_CLASS "/group%d", s.group), "the group is there");
	CHECK(shim_groups() == 1, "%d groups", shim_groups());
	MEASURE_BOUND("neighbour_ms", shim_recovery_ms(neighbour.group),
		      REMOVED_MS + SLOW_MS + NEIGHBOUR_MS);
}

SCENARIO(removal_unbind_in_recovery_user_leaves,
	 "a function is unbound in its recovery, its user leaves: neither waits for the other")
{
	remove_in_recovery(GRIP_LEAVES, pci_unbind);
}

SCENARIO(removal_unbind_in_recovery_kills,
	 "a function is unbound in its recovery under a user that stays: bounded as well")
{
	remove_in_recovery(GRIP_FILE, pci_unbind);
}

SCENARIO(removal_surprise_in_recovery,
	 "a function vanishes in its recovery under a user: bounded, and its neighbour recovers")
{
	remove_in_recovery(GRIP_FILE, pci_remove);
}

/* Removes it while its user waits at the gate; the next user gets a working device. */
static void remove_in_state(const char *policy, const char *state, bool by_uuid)
{
	bool dead = !strcmp(state, "failed");
	struct background r;
	struct shim s;
	pid_t pid;

	REQUIRE_OK(shim_bind_test(&s, PORT, 0));
	REQUIRE_OK(shim_create(&s, policy));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "60000"));
	REQUIRE_OK(shim_set(&s, "hold_timeout_ms", "60000"));
	REQUIRE_OK(shim_set(&s, "revoke", "kill"));
	REQUIRE_OK(shim_set(&s, "revoke_timeout_ms", REVOKE));
	if (dead)
		REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "1000"));
	pid = holder_fork(GRIP_READS, s.uuid);
	REQUIRE_OK(shim_test_set("unhealthy", dead ? "1" : "0"));
	REQUIRE_OK(strike(&s, PORT, "DLP", state));
	CHECK(dead || task_at_gate(pid, SETTLE_MS), "%s: its user does not wait", state);
	r = (struct background){
		.call = by_uuid ? mdev_remove : pci_unbind,
		.name = by_uuid ? s.uuid : s.addr,
	};
	background_start(&r);
	MEASURE_BOUND("removed_ms", background_ms(&r, REMOVED_MS), REMOVED_MS);
	check_killed(pid);
	REQUIRE_OK(shim_test_set("unhealthy", "0"));

	if (!by_uuid)
		REQUIRE_OK(shim_bind(&s, PORT, 0));
	CHECK(shim_is(s.group, "open"), "%s: not open afterwards", state);
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	nic_status(&user);
	CHECK(pci_command(s.addr) & 0x2, "%s: COMMAND is %#x", state, pci_command(s.addr));
}

SCENARIO(removal_mdev_while_holding,
	 "an mdev removed while holding, its user at the gate: killed within the bound; then open")
{
	remove_in_state("hold", "holding", true);
}

SCENARIO(removal_mdev_while_evicting,
	 "an mdev removed while evicting, its user at the gate: killed within the bound; open")
{
	remove_in_state("evict", "evicting", true);
}

SCENARIO(removal_unbind_while_failed,
	 "a failed function unbound, its user stays: killed within the bound; bound again, whole")
{
	remove_in_state("resume", "failed", false);
}

static void check_gone(const struct shim *s)
{
	CHECK(!sysfs_exists(SHIM_CLASS "/group%d", s->group), "the group is there");
	CHECK(!sysfs_exists(MDEV_DIR "/%s", s->uuid), "the mdev is there");
	CHECK(shim_groups() == 0, "%d groups", shim_groups());
}

static void check_back(void)
{
	struct shim s;

	REQUIRE_OK(shim_bind(&s, PORT, 0));
	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	nic_status(&user);
}

SCENARIO(removal_surprise,
	 "a function vanishes under a user that does not leave; rescanned it works again")
{
	struct background r;
	struct shim s;
	pid_t pid;

	make(&s, PORT, 0, "kill");
	pid = holder_fork(GRIP_FILE, s.uuid);
	r = (struct background){ .call = pci_remove, .name = s.addr };
	background_start(&r);
	MEASURE_BOUND("removed_ms", background_ms(&r, REMOVED_MS), REMOVED_MS);
	check_killed(pid);
	check_gone(&s);
	REQUIRE_OK(pci_rescan(PORT));
	check_back();
}

SCENARIO(removal_pair,
	 "both functions of a group are removed: nothing keeps the IOMMU group")
{
	struct shim s[2];

	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_make(&s[i], PAIR_PORT, i, "resume"));
	REQUIRE(s[0].group == s[1].group, "groups %d and %d", s[0].group, s[1].group);
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(pci_remove(s[i].addr));
	CHECK(!sysfs_exists(SHIM_CLASS "/group%d", s[0].group), "our group is there");
	CHECK(WAIT_FOR(!sysfs_exists("/sys/kernel/iommu_groups/%d", s[0].group), SETTLE_MS),
	      "the IOMMU group is there");
	REQUIRE_OK(pci_rescan(PAIR_PORT));
}

SCENARIO(removal_unplug,
	 "pulled from its slot under a user that stays: the slot empties; plugged in it works")
{
	struct shim s;
	uint64_t begin;
	pid_t pid;

	needs_unplug();
	make(&s, PORT, 0, "kill");
	pid = holder_fork(GRIP_FILE, s.uuid);
	begin = now_ns();
	REQUIRE_OK(slot_unplug(PORT, "igb2"));
	REQUIRE(pci_wait_below(PORT, 0, UNPLUG_MS), "the slot does not empty");
	MEASURE_BOUND("unplugged_ms", (now_ns() - begin) / NS_PER_MS, UNPLUGGED_MS);
	check_killed(pid);
	check_gone(&s);
	REQUIRE_OK(slot_plug(PORT, DEVICE));
	check_back();
}

static int unplug_igb2(const char *port)
{
	return slot_unplug(port, "igb2");
}

SCENARIO(removal_unplug_in_recovery,
	 "pulled from its slot in its recovery, user stays: bounded; another port recovers")
{
	struct background r = { .call = unplug_igb2, .name = PORT };
	struct shim s, neighbour, parked;
	uint32_t status;
	pid_t pid;

	needs_unplug();
	REQUIRE_OK(shim_bind(&parked, "rp_igb", 0));
	status = open_neighbour(&neighbour, "rp_igb");
	REQUIRE_OK(shim_bind_test(&s, PORT, 0));
	create(&s, "kill");
	pid = holder_fork(GRIP_FILE, s.uuid);
	REQUIRE_OK(strike_slow(&s, PORT, SLOW));
	background_start(&r);
	check_neighbour(&neighbour, "rp_igb", status);
	MEASURE_BOUND("unplugged_ms", background_ms(&r, UNPLUGGED_MS + SLOW_MS),
		      UNPLUGGED_MS + SLOW_MS);
	REQUIRE(pci_wait_below(PORT, 0, UNPLUG_MS), "the slot does not empty");
	check_killed(pid);
	CHECK(!sysfs_exists(SHIM_CLASS "/group%d", s.group), "the group is there");
	CHECK(shim_groups() == 2, "%d groups", shim_groups());
	/* the emptied port must not delay the others later */
	check_neighbour(&neighbour, "rp_igb", status);
}
