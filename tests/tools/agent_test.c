// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second rung: the agent attaches again what was evicted, also across a restart of
 * itself or of libvirt, and when uevents are lost; and leaves all else alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "decide.h"
#include "fake_guests.h"
#include "store.h"

/* A whole eviction, one event after the other. */
static void evict_and_back(void **state)
{
	(void)state;
	change("recovering");
	assert_false(kept("evicting"));
	change("evicting");
	assert_true(kept("evicting"));
	libvirt.mdev = NULL;
	step();
	assert_true(kept("detached"));
	assert_int_equal(libvirt.attaches, 0);
	change("open");
	assert_int_equal(libvirt.attaches, 1);
	assert_non_null(strstr(libvirt.attached, MDEV_A));
	assert_null(strstr(libvirt.attached, "alias"));
	assert_true(at_rest());

	/* and it is being watched again */
	change("evicting");
	libvirt.mdev = NULL;
	change("open");
	assert_int_equal(libvirt.attaches, 2);
	assert_int_equal(libvirt.tells, 0);
}

/*
 * A guest that was asked twice to let go may have the second request still before it,
 * and would eject what is there by then.
 */
static void slow_guest(void **state)
{
	(void)state;
	change("evicting");
	now += ASKED_AGAIN_MS;
	libvirt.mdev = NULL;
	change("open");
	assert_true(kept("detached"));
	assert_int_equal(libvirt.attaches, 0);
	now += ASKED_AGAIN_MS / 2 - 50;
	step();
	assert_int_equal(libvirt.attaches, 0);
	now += 50;
	step();
	assert_int_equal(libvirt.attaches, 1);
	assert_true(at_rest());

	/* an hour is not followed by half an hour */
	change("evicting");
	now += 3600000;
	libvirt.mdev = NULL;
	change("open");
	now += REST_MOST_MS;
	step();
	assert_int_equal(libvirt.attaches, 2);
}

/* The unplug has ended before the agent looks. */
static void fast_guest(void **state)
{
	(void)state;
	uevent16("evicting");
	libvirt.mdev = NULL;
	set_group16("open");
	step();
	assert_int_equal(libvirt.attaches, 1);
}

/* The device was attached a moment ago. */
static void attached_just_now(void **state)
{
	(void)state;
	libvirt.mdev = NULL;
	step();
	assert_true(forgotten());
	libvirt.mdev = MDEV_A;
	news();
	uevent16("evicting");
	libvirt.mdev = NULL;
	change("open");
	assert_int_equal(libvirt.attaches, 1);
}

/* A write that failed is repeated later. */
static void disk_full(void **state)
{
	char later[128];

	(void)state;
	snprintf(later, sizeof(later), "%s", fake_path("later"));
	agent.state_dir = later;
	change("evicting");
	fake_write("later/x", "");
	step();
	assert_non_null(strstr(fake_read("later/" STORE_FILE), "evicting"));
}

/* The agent ends at every point in between; the next one continues. */
static void restarts(void **state)
{
	(void)state;
	change("evicting");
	restart();
	step();
	assert_true(kept("evicting"));
	restart();
	libvirt.mdev = NULL;
	step();
	assert_true(kept("detached"));
	restart();
	step();
	assert_int_equal(libvirt.attaches, 0);
	restart();
	change("open");
	assert_int_equal(libvirt.attaches, 1);
	restart();
	step();
	assert_int_equal(libvirt.attaches, 1);
}

/* The whole eviction passes while there is no agent. */
static void away(void **state)
{
	(void)state;
	agent_free(&agent);
	set_group16("evicting");
	set_group16("open");
	libvirt.mdev = NULL;
	start();
	step();
	assert_int_equal(libvirt.attaches, 1);
}

/* The agent starts when the group is already evicting, and has no file. */
static void started_late(void **state)
{
	(void)state;
	agent_free(&agent);
	unlink(fake_path(STORE_FILE));
	set_group16("evicting");
	start();
	step();
	step();
	libvirt.mdev = NULL;
	step();
	change("open");
	assert_int_equal(libvirt.attaches, 1);
}

/* Every uevent of the eviction is lost. */
static void lost_uevents(void **state)
{
	(void)state;
	set_group16("closing");
	set_group16("evicting");
	libvirt.mdev = NULL;
	set_group16("open");
	step();
	assert_int_equal(libvirt.attaches, 1);
}

/* Only that of the end is lost, and nothing else happens. */
static void lost_last_uevent(void **state)
{
	(void)state;
	change("evicting");
	libvirt.mdev = NULL;
	step();
	set_group16("open");
	assert_int_equal(agent_step(&agent, now + 1000), 1000);
	answer();
	assert_int_equal(libvirt.attaches, 1);
}

/* At rest, too, the groups are looked at now and then. */
static void looks_at_rest(void **state)
{
	int next;

	(void)state;
	next = step();
	assert_true(next > 0 && next <= 10000);
	change_unseen("evicting");
	assert_true(kept("evicting"));
}

/* A device that leaves without an eviction was detached on purpose. */
static void administrator_detaches(void **state)
{
	(void)state;
	libvirt.mdev = NULL;
	step();
	assert_true(forgotten());
	change("closing");
	change("open");
	assert_int_equal(libvirt.attaches, 0);
}

/* Likewise with an error of a type that does not evict. */
static void administrator_detaches_resume(void **state)
{
	(void)state;
	policy16 = "resume";
	change("recovering");
	libvirt.mdev = NULL;
	change("open");
	assert_int_equal(libvirt.attaches, 0);
	assert_true(forgotten());
}

/* An eviction of another group does not matter. */
static void other_group(void **state)
{
	(void)state;
	change2("evict", "evicting", 4);
	libvirt.mdev = NULL;
	change2("evict", "open", 4);
	assert_int_equal(libvirt.attaches, 0);
}

static void domain_starts_anew(void **state)
{
	(void)state;
	change("evicting");
	libvirt.mdev = NULL;
	step();
	libvirt.id = 0;
	step();
	assert_true(forgotten());
	libvirt.id = 4;
	change("open");
	assert_int_equal(libvirt.attaches, 0);
}

/* The same between two views: the domain's id tells. Its new run is looked at. */
static void domain_starts_anew_unseen(void **state)
{
	(void)state;
	change("evicting");
	libvirt.id = 4;
	libvirt.looks = 0;
	change("open");
	assert_int_equal(libvirt.attaches, 0);
	assert_int_equal(libvirt.looks, 1);
	step();
	assert_true(at_rest());
	assert_int_equal(agent.records.first->id, 4);
}

/* libvirt goes away in the middle of an eviction, and comes back. */
static void libvirt_restarts(void **state)
{
	(void)state;
	change("evicting");
	libvirt.up = false;
	assert_true(step() > 0);
	assert_true(kept("evicting"));
	libvirt.mdev = NULL;
	change("open");
	assert_int_equal(libvirt.attaches, 0);
	libvirt.up = true;
	step();
	assert_int_equal(libvirt.attaches, 1);
}

/* It does not answer when the device is to be attached, and comes back later. */
static void libvirt_hangs(void **state)
{
	(void)state;
	change("evicting");
	libvirt.mdev = NULL;
	libvirt.silent = true;
	change("open");
	assert_int_equal(libvirt.attaches, 1);
	for (int i = 0; i < 100; i++)
		step();
	assert_int_equal(libvirt.attaches, 1);
	libvirt.silent = false;
	libvirt.up = false;
	step();
	libvirt.up = true;
	step();
	assert_int_equal(libvirt.attaches, 2);
	assert_true(at_rest());
}

/* libvirt is away when the eviction begins: earlier knowledge counts. */
static void libvirt_away_at_first(void **state)
{
	(void)state;
	libvirt.up = false;
	change("evicting");
	assert_true(kept("evicting"));
	libvirt.mdev = NULL;
	libvirt.up = true;
	change("open");
	assert_int_equal(libvirt.attaches, 1);
}

/* A domain that libvirt cannot describe just now keeps what is known of it. */
static void domain_is_kept(void **state)
{
	(void)state;
	change("evicting");
	agent_list_begin(&agent);
	agent_domain_kept(&agent, DOMAIN_A);
	agent_list_end(&agent);
	assert_int_equal(agent_step(&agent, now), 1000);
	assert_true(kept("evicting"));
	agent_list_begin(&agent);
	agent_list_end(&agent);
	agent_step(&agent, now);
	assert_true(forgotten());
}

/* Nor has it stopped if a new agent's first look at it is refused. */
static void domain_is_kept_at_start(void **state)
{
	(void)state;
	change("evicting");
	libvirt.mdev = NULL;
	libvirt.silent = true;
	step();
	assert_true(kept("detached"));
	restart();
	agent_list_begin(&agent);
	agent_domain_kept(&agent, DOMAIN_A);
	agent_list_end(&agent);
	agent_step(&agent, now);
	assert_true(kept("detached"));
	libvirt.silent = false;
	change("open");
	assert_int_equal(libvirt.attaches, 1);
	assert_true(at_rest());
}

/* A failed group waits for the administrator. */
static void failed_group(void **state)
{
	(void)state;
	change("evicting");
	libvirt.mdev = NULL;
	change("failed");
	for (int i = 0; i < 100; i++)
		step();
	assert_int_equal(libvirt.attaches, 0);
	change("open");
	assert_int_equal(libvirt.attaches, 1);
}

static void mdev_removed(void **state)
{
	(void)state;
	change("evicting");
	libvirt.mdev = NULL;
	step();
	fake_group_remove("group16");
	fake_group_remove("group2");
	step();
	assert_true(forgotten());
	change("open");
	assert_int_equal(libvirt.attaches, 0);
}

/* The tries end; an administrator can ask for more, also after a restart. */
static void attach_refused(void **state)
{
	(void)state;
	change("evicting");
	libvirt.mdev = NULL;
	libvirt.refuses = true;
	change("open");
	assert_int_equal(libvirt.attaches, 1);
	assert_true(step() > 0);
	assert_int_equal(libvirt.attaches, 1);
	now += RETRY_FIRST_MS;
	step();
	assert_int_equal(libvirt.attaches, 2);
	for (int i = 0; i < 100; i++) {
		now += RETRY_MOST_MS;
		step();
	}
	assert_int_equal(libvirt.attaches, ATTEMPTS_MOST);
	assert_true(kept("given up"));

	restart();
	step();
	assert_int_equal(libvirt.attaches, ATTEMPTS_MOST);
	libvirt.refuses = false;
	agent_retry(&agent);
	step();
	assert_int_equal(libvirt.attaches, ATTEMPTS_MOST + 1);
	assert_true(at_rest());
}

/* Somebody else has re-attached the device first. */
static void returned(void **state)
{
	(void)state;
	change("evicting");
	libvirt.mdev = NULL;
	step();
	libvirt.mdev = MDEV_A;
	news();
	change("open");
	assert_int_equal(libvirt.attaches, 0);
	assert_true(at_rest());
}

/* The domain keeps the device: a later detach is deliberate. */
static void stayed(void **state)
{
	(void)state;
	change("evicting");
	change("open");
	assert_true(kept("evicting"));
	now += SETTLE_MS;
	step();
	assert_true(at_rest());
	libvirt.mdev = NULL;
	step();
	assert_int_equal(libvirt.attaches, 0);
}

/* Without a group of ours the agent wants nothing from libvirt. */
static void no_groups(void **state)
{
	(void)state;
	assert_true(libvirt.wanted);
	fake_group_remove("group16");
	fake_group_remove("group2");
	assert_int_equal(step(), -1);
	assert_false(libvirt.wanted);
	assert_null(agent.records.first);
}

/* A damaged file is renamed, and the agent works. */
static void damaged_file(void **state)
{
	(void)state;
	agent_free(&agent);
	fake_write(STORE_FILE, "{ not at all");
	start();
	assert_string_equal(fake_read(STORE_FILE ".bad"), "{ not at all");
	step();
	step();
	change("evicting");
	libvirt.mdev = NULL;
	change("open");
	assert_int_equal(libvirt.attaches, 1);
}

/* In place of libc's: the agent asks by it whether a group has an mdev. */
static int looks;

int access(const char *path, int mode)
{
	looks++;
	return faccessat(AT_FDCWD, path, mode, 0);
}

#define CROWD 30
#define CROWD_XML "<domain><devices><hostdev mode='subsystem' type='mdev'><source>" \
	"<address uuid='%s'/></source></hostdev></devices></domain>"

static void domain_starts(int n, const char *group, const char *mdev)
{
	char uuid[UUID_SIZE], xml[512];
	struct domain_view view = { .uuid = uuid, .name = "one of many", .id = n, .xml = xml };

	snprintf(uuid, sizeof(uuid), "bbbbbbbb-0000-4000-8000-%012d", n);
	snprintf(xml, sizeof(xml), CROWD_XML, mdev);
	fake_group(group, "open", "evict", 7, mdev);
	agent_domain(&agent, &view);
}

/*
 * One error can reach all functions of a host. A look at every group for every mdev, at
 * each uevent, would take minutes then: longer than systemd's watchdog waits.
 */
static void crowd(void **state)
{
	char group[GROUP_SIZE], mdev[UUID_SIZE];

	(void)state;
	for (int i = 0; i < CROWD; i++) {
		snprintf(group, sizeof(group), "group%d", 100 + i);
		snprintf(mdev, sizeof(mdev), "11111111-2222-4333-8444-%012d", i);
		domain_starts(i + 1, group, mdev);
	}
	agent_step(&agent, now);
	looks = 0;
	agent_group_changed(&agent, group, "recovering", now);
	assert_int_equal(looks, 1);
	looks = 0;
	agent_step(&agent, now);
	assert_true(looks <= 2 * CROWD);

	/* and the mdev is found if it is in another group by then */
	fake_group_remove(group);
	fake_group("group99", "evicting", "evict", 8, mdev);
	agent_step(&agent, now);
	assert_true(kept("evicting"));
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, guests_setup, guests_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(evict_and_back), TEST(slow_guest), TEST(fast_guest),
		TEST(attached_just_now), TEST(disk_full), TEST(restarts), TEST(away),
		TEST(started_late), TEST(lost_uevents),
		TEST(lost_last_uevent), TEST(looks_at_rest), TEST(administrator_detaches),
		TEST(administrator_detaches_resume), TEST(other_group), TEST(domain_starts_anew),
		TEST(domain_starts_anew_unseen), TEST(libvirt_restarts), TEST(libvirt_hangs),
		TEST(libvirt_away_at_first), TEST(domain_is_kept),
		TEST(domain_is_kept_at_start), TEST(failed_group),
		TEST(mdev_removed), TEST(attach_refused), TEST(returned), TEST(stayed),
		TEST(no_groups), TEST(damaged_file), TEST(crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
