// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent re-attaches a device after the uevent, also across a restart of itself
 * or of libvirt. sysfs and libvirt are fakes of the test.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent.h"
#include "decide.h"
#include "fake_root.h"
#include "store.h"

/* libvirt: one domain, with at most one mdev */
static struct {
	bool up, connected;
	bool refuses;		/* to attach */
	int id;			/* 0: not running */
	const char *mdev;
	int connects, attaches;
	char attached[1024];	/* the XML of the last attach */
} libvirt;

#define WITH_MDEV \
	"<domain><devices><hostdev mode='subsystem' type='mdev'><source><address uuid='%s'/>" \
	"</source><alias name='hostdev0'/></hostdev></devices></domain>"
#define WITHOUT_MDEV "<domain><devices><!-- %s --></devices></domain>"

bool domains_connect(struct domains *domains)
{
	(void)domains;
	libvirt.connects++;
	libvirt.connected = libvirt.up;
	return libvirt.connected;
}

void domains_disconnect(struct domains *domains)
{
	(void)domains;
	libvirt.connected = false;
}

int domains_each(struct domains *domains,
		 void (*each)(const struct domain_view *domain, void *arg), void *arg)
{
	struct domain_view view = { .uuid = DOMAIN_A, .name = "guest", .id = libvirt.id };
	char xml[1024];

	(void)domains;
	if (!libvirt.up)
		return -EIO;
	if (!libvirt.id)
		return 0;
	snprintf(xml, sizeof(xml), libvirt.mdev ? WITH_MDEV : WITHOUT_MDEV,
		 libvirt.mdev ? libvirt.mdev : "");
	view.xml = xml;
	each(&view, arg);
	return 0;
}

int domains_attach(struct domains *domains, const struct record *record, char *message, int size)
{
	(void)domains;
	assert_string_equal(record->domain, DOMAIN_A);
	/* if the agent dies here, the next one must know */
	assert_non_null(strstr(fake_read(STORE_FILE), "detached"));
	snprintf(libvirt.attached, sizeof(libvirt.attached), "%s", record->xml);
	libvirt.attaches++;
	snprintf(message, size, "refused");
	if (!libvirt.refuses)
		libvirt.mdev = MDEV_A;
	return libvirt.refuses ? -EIO : 0;
}

static char sysfs[128];
static struct agent agent;
static int64_t now;

static void start(void)
{
	memset(&agent, 0, sizeof(agent));
	agent.sysfs = sysfs;
	agent.state_dir = fake_root;
	snprintf(agent.boot, sizeof(agent.boot), "boot1");
	agent_load(&agent);
}

/* Like the main loop: step until nothing is due. */
static int step(void)
{
	int next, rounds = 0;

	now += 10;
	do
		next = agent_step(&agent, now);
	while (agent.due && ++rounds < 10);
	assert_false(agent.due);
	return next;
}

static int setup(void **state)
{
	(void)state;
	fake_root_make();
	snprintf(sysfs, sizeof(sysfs), "%s", fake_path("sys"));
	memset(&libvirt, 0, sizeof(libvirt));
	libvirt.up = true;
	libvirt.id = 3;
	libvirt.mdev = MDEV_A;
	now = 1000;
	fake_group("group16", "open", MDEV_A);
	fake_group("group2", "open", MDEV_B);
	start();
	step();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	agent_free(&agent);
	fake_root_remove();
	return 0;
}

static void restart(void)
{
	agent_free(&agent);
	start();
}

static void change(const char *group, const char *mdev, const char *state)
{
	fake_group(group, state, mdev);
	agent_group_changed(&agent, group, state);
	step();
}

static bool kept(const char *phase)
{
	return strstr(fake_read(STORE_FILE), phase);
}

/* A whole eviction, one event after the other. */
static void evict_and_back(void **state)
{
	(void)state;
	change("group16", MDEV_A, "recovering");
	assert_false(kept(MDEV_A));
	change("group16", MDEV_A, "evicting");
	assert_true(kept("evicting") && kept(MDEV_A));
	libvirt.mdev = NULL;
	step();
	assert_true(kept("detached"));
	assert_int_equal(libvirt.attaches, 0);
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 1);
	assert_non_null(strstr(libvirt.attached, MDEV_A));
	assert_null(strstr(libvirt.attached, "alias"));
	assert_false(kept(MDEV_A));
	assert_int_equal(step(), -1);

	/* and it is being watched again */
	change("group16", MDEV_A, "evicting");
	libvirt.mdev = NULL;
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 2);
}

/* The unplug has ended before the agent looks. */
static void fast_guest(void **state)
{
	(void)state;
	libvirt.mdev = NULL;
	fake_group("group16", "open", MDEV_A);
	agent_group_changed(&agent, "group16", "evicting");
	step();
	assert_int_equal(libvirt.attaches, 1);
}

/* The device was attached a moment ago, and the agent has not looked since. */
static void attached_unseen(void **state)
{
	(void)state;
	libvirt.mdev = NULL;
	step();
	libvirt.mdev = MDEV_A;
	agent_group_changed(&agent, "group16", "evicting");
	libvirt.mdev = NULL;
	step();
	assert_int_equal(libvirt.attaches, 1);
}

/* A write that failed is repeated later. */
static void disk_full(void **state)
{
	char later[128];

	(void)state;
	snprintf(later, sizeof(later), "%s", fake_path("later"));
	agent.state_dir = later;
	change("group16", MDEV_A, "evicting");
	fake_write("later/x", "");
	step();
	assert_non_null(strstr(fake_read("later/" STORE_FILE), "evicting"));
}

/* The agent ends at every point in between; the next one continues. */
static void restarts(void **state)
{
	(void)state;
	change("group16", MDEV_A, "evicting");
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
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 1);
	restart();
	step();
	assert_int_equal(libvirt.attaches, 1);
}

/* The agent starts when the group is already evicting, and has no file. */
static void started_late(void **state)
{
	(void)state;
	agent_free(&agent);
	fake_group("group16", "evicting", MDEV_A);
	start();
	step();
	libvirt.mdev = NULL;
	step();
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 1);
}

/* A device that leaves without an eviction was detached on purpose. */
static void administrator_detaches(void **state)
{
	(void)state;
	libvirt.mdev = NULL;
	step();
	change("group16", MDEV_A, "closing");
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 0);
}

/* An eviction of another group does not matter. */
static void other_group(void **state)
{
	(void)state;
	change("group2", MDEV_B, "evicting");
	libvirt.mdev = NULL;
	change("group2", MDEV_B, "open");
	assert_int_equal(libvirt.attaches, 0);
}

static void domain_starts_anew(void **state)
{
	(void)state;
	change("group16", MDEV_A, "evicting");
	libvirt.mdev = NULL;
	step();
	libvirt.id = 0;
	step();
	assert_false(kept(MDEV_A));
	libvirt.id = 4;
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 0);
}

/* The same between two looks: the domain's id tells. */
static void domain_starts_anew_unseen(void **state)
{
	(void)state;
	change("group16", MDEV_A, "evicting");
	libvirt.mdev = NULL;
	step();
	libvirt.id = 4;
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 0);
}

/* libvirt goes away in the middle of an eviction, and comes back. */
static void libvirt_restarts(void **state)
{
	(void)state;
	change("group16", MDEV_A, "evicting");
	libvirt.up = false;
	assert_true(step() > 0);
	assert_true(kept("evicting"));
	libvirt.mdev = NULL;
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 0);
	libvirt.up = true;
	step();
	assert_int_equal(libvirt.attaches, 1);
}

/* libvirt is away when the eviction begins: earlier knowledge counts. */
static void libvirt_away_at_first(void **state)
{
	(void)state;
	libvirt.up = false;
	change("group16", MDEV_A, "evicting");
	assert_true(kept("evicting"));
	libvirt.mdev = NULL;
	libvirt.up = true;
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 1);
}

/* A failed group waits for the administrator. */
static void failed_group(void **state)
{
	(void)state;
	change("group16", MDEV_A, "evicting");
	libvirt.mdev = NULL;
	change("group16", MDEV_A, "failed");
	for (int i = 0; i < 100; i++)
		step();
	assert_int_equal(libvirt.attaches, 0);
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 1);
}

static void mdev_removed(void **state)
{
	(void)state;
	change("group16", MDEV_A, "evicting");
	libvirt.mdev = NULL;
	step();
	fake_group_remove("group16");
	fake_group_remove("group2");
	step();
	assert_false(kept(MDEV_A));
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 0);
}

static void attach_refused(void **state)
{
	(void)state;
	change("group16", MDEV_A, "evicting");
	libvirt.mdev = NULL;
	libvirt.refuses = true;
	change("group16", MDEV_A, "open");
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
	assert_false(kept(MDEV_A));
}

/* Somebody else has re-attached the device first. */
static void returned(void **state)
{
	(void)state;
	change("group16", MDEV_A, "evicting");
	libvirt.mdev = NULL;
	step();
	libvirt.mdev = MDEV_A;
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 0);
	assert_false(kept(MDEV_A));
}

/* Without a group of ours the agent does not connect to libvirt. */
static void no_groups(void **state)
{
	(void)state;
	fake_group_remove("group16");
	fake_group_remove("group2");
	step();
	assert_false(libvirt.connected);
	libvirt.connects = 0;
	assert_int_equal(step(), -1);
	assert_int_equal(libvirt.connects, 0);
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
	change("group16", MDEV_A, "evicting");
	libvirt.mdev = NULL;
	change("group16", MDEV_A, "open");
	assert_int_equal(libvirt.attaches, 1);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(evict_and_back), TEST(fast_guest), TEST(attached_unseen), TEST(disk_full),
		TEST(restarts), TEST(started_late),
		TEST(administrator_detaches), TEST(other_group), TEST(domain_starts_anew),
		TEST(domain_starts_anew_unseen), TEST(libvirt_restarts),
		TEST(libvirt_away_at_first), TEST(failed_group), TEST(mdev_removed),
		TEST(attach_refused), TEST(returned), TEST(no_groups), TEST(damaged_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
