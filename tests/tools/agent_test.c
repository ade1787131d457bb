// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent climbs down the ladder: it tells the guest, re-attaches what was evicted,
 * and says what it leaves alone; also across a restart of itself or of libvirt, and
 * when uevents are lost. sysfs and the backend are fakes of the test.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent.h"
#include "decide.h"
#include "fake_root.h"
#include "log.h"
#include "route.h"
#include "store.h"

#define PORT_OF(n_) "<controller type='pci' index='" #n_ "' model='pcie-root-port'>" \
	"<alias name='pci." #n_ "'/></controller>"
#define OVERRIDE(n_) "<qemu:device alias='pci." #n_ "'><qemu:frontend>" \
	"<qemu:property name='x-speed' type='string' value='5'/></qemu:frontend></qemu:device>"
#define HOSTDEV "<hostdev mode='subsystem' type='mdev'><source><address uuid='%s'/></source>" \
	"<alias name='hostdev0'/><address type='pci' bus='0x0%d' slot='0x00'/></hostdev>"
#define DOMAIN_HEAD "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><devices>" \
	PORT_OF(1) PORT_OF(2)
#define DOMAIN_TAIL "</devices><qemu:override>" OVERRIDE(1) OVERRIDE(2) \
	"</qemu:override></domain>"

/* libvirt: one domain, with at most two mdevs */
static struct {
	struct backend backend;
	bool up, wanted;
	bool refuses;		/* to attach */
	bool silent;		/* leaves jobs without an answer */
	const char *refuses_to_tell;
	int id;			/* 0: not running */
	bool paused;
	const char *mdev, *second;
	int bus, second_bus;
	int attaches, tells, looks;
	unsigned long long told;
	char port[PORT_SIZE];
	char attached[1024];	/* the XML of the last attach */
	bool answer_attach, answer_tell;
} libvirt;

static char sysfs[128];
static struct agent agent;
static int64_t now;

static void want(struct backend *backend, bool wanted)
{
	(void)backend;
	libvirt.wanted = wanted;
}

static void look(struct backend *backend, const char *domain)
{
	(void)backend;
	assert_string_equal(domain, DOMAIN_A);
	libvirt.looks++;
}

static void attach(struct backend *backend, const struct record *record)
{
	(void)backend;
	assert_string_equal(record->domain, DOMAIN_A);
	/* if the agent dies here, the next one must know */
	assert_non_null(strstr(fake_read(STORE_FILE), "detached"));
	snprintf(libvirt.attached, sizeof(libvirt.attached), "%s", record->xml);
	libvirt.attaches++;
	libvirt.answer_attach = !libvirt.silent;
	if (!libvirt.refuses && !libvirt.silent)
		libvirt.mdev = MDEV_A;
}

static void tell(struct backend *backend, const struct record *record, unsigned long long event)
{
	(void)backend;
	/* likewise */
	assert_non_null(strstr(fake_read(STORE_FILE), "\"told\""));
	snprintf(libvirt.port, sizeof(libvirt.port), "%s", record->place.port);
	libvirt.tells++;
	libvirt.told = event;
	libvirt.answer_tell = !libvirt.silent;
}

/* What libvirt says by itself when something changes. */
static void news(void)
{
	char xml[4096] = DOMAIN_HEAD;
	struct domain_view view = {
		.uuid = DOMAIN_A, .name = "guest", .id = libvirt.id, .xml = xml,
		.paused = libvirt.paused,
	};

	if (!libvirt.up) {
		agent_unknown(&agent);
		return;
	}
	if (!libvirt.wanted)
		return;
	if (libvirt.mdev)
		snprintf(xml + strlen(xml), sizeof(xml) - strlen(xml), HOSTDEV, libvirt.mdev,
			 libvirt.bus);
	if (libvirt.second)
		snprintf(xml + strlen(xml), sizeof(xml) - strlen(xml), HOSTDEV, libvirt.second,
			 libvirt.second_bus);
	strcat(xml, DOMAIN_TAIL);
	agent_list_begin(&agent);
	if (libvirt.id)
		agent_domain(&agent, &view);
	agent_list_end(&agent);
}

static void answer(void)
{
	if (libvirt.answer_attach)
		agent_attached(&agent, MDEV_A, DOMAIN_A, libvirt.refuses ? "refused" : NULL, now);
	if (libvirt.answer_tell)
		agent_told(&agent, DOMAIN_A, libvirt.port, libvirt.refuses_to_tell);
	libvirt.answer_attach = libvirt.answer_tell = false;
}

static void start(void)
{
	memset(&agent, 0, sizeof(agent));
	agent.sysfs = sysfs;
	agent.state_dir = fake_root;
	agent.backend = &libvirt.backend;
	snprintf(agent.boot, sizeof(agent.boot), "boot1");
	agent_load(&agent);
}

/* Like the main loop: step until nothing is due. */
static int step(void)
{
	int next, rounds = 0;

	now += 10;
	news();
	do {
		next = agent_step(&agent, now);
		answer();
	} while (agent.due && ++rounds < 10);
	assert_false(agent.due);
	return next;
}

static unsigned long long event16 = 7;
static char state16[16] = "open";
static const char *policy16;

/* The group of MDEV_A; when it leaves open there is a new event. */
static void set_group16(const char *state)
{
	if (!strcmp(state16, "open") && strcmp(state, "open"))
		event16++;
	snprintf(state16, sizeof(state16), "%s", state);
	fake_group("group16", state, policy16, event16, MDEV_A);
}

static void uevent16(const char *state)
{
	set_group16(state);
	agent_group_changed(&agent, "group16", state, now);
}

static void change(const char *state)
{
	uevent16(state);
	step();
}

/* The same without a uevent. */
static void change_unseen(const char *state)
{
	set_group16(state);
	step();
}

static void change2(const char *policy, const char *state, unsigned long long event)
{
	fake_group("group2", state, policy, event, MDEV_B);
	agent_group_changed(&agent, "group2", state, now);
	step();
}

static int setup(void **state)
{
	(void)state;
	fake_root_make();
	snprintf(sysfs, sizeof(sysfs), "%s", fake_path("sys"));
	memset(&libvirt, 0, sizeof(libvirt));
	libvirt.backend = (struct backend){
		.want = want, .look = look, .attach = attach, .tell = tell,
	};
	libvirt.up = true;
	libvirt.id = 3;
	libvirt.mdev = MDEV_A;
	libvirt.bus = 1;
	libvirt.second_bus = 2;
	now = 1000;
	event16 = 7;
	policy16 = "evict";
	strcpy(state16, "open");
	fake_group("group16", "open", "evict", 7, MDEV_A);
	fake_group("group2", "open", "evict", 3, MDEV_B);
	start();
	step();
	step();
	return 0;
}

static int setup_hold(void **state)
{
	int ret = setup(state);

	policy16 = "hold";
	fake_group("group16", "open", "hold", 7, MDEV_A);
	step();
	return ret;
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

static bool kept(const char *phase)
{
	char line[64];

	snprintf(line, sizeof(line), "\"phase\":\"%s\"", phase);
	return strstr(fake_read(STORE_FILE), line);
}

/* The domain has the device, and there is nothing to follow. */
static bool at_rest(void)
{
	return kept("attached") && !agent.records.first->next &&
	       agent.records.first->phase == PHASE_ATTACHED;
}

static bool forgotten(void)
{
	return !agent.records.first && !strstr(fake_read(STORE_FILE), MDEV_A);
}

/*
 * Evict and re-attach
 */

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
	libvirt.silent = libvirt.up = false;
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

/* The tries end; somebody can ask for more, also after a restart. */
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

/*
 * Tell the guest
 */

/* The guest is told as early as that, and its reset ends the event. */
static void told_and_reset(void **state)
{
	(void)state;
	change("closing");
	assert_int_equal(libvirt.tells, 1);
	assert_string_equal(libvirt.port, "pci.1");
	assert_int_equal(libvirt.told, 8);
	change("recovering");
	change("holding");
	change("resetting");
	assert_true(kept("told"));
	change("open");
	assert_true(at_rest());
	assert_int_equal(libvirt.tells, 1);
	assert_int_equal(libvirt.attaches, 0);
}

/* One more error while the guest is at it is told again. */
static void told_again(void **state)
{
	(void)state;
	change("closing");
	change("holding");
	event16++;
	change("closing");
	assert_int_equal(libvirt.tells, 2);
	assert_int_equal(libvirt.told, 9);
	change("holding");
	change("open");
	assert_int_equal(libvirt.tells, 2);
	change("closing");
	assert_int_equal(libvirt.tells, 3);
}

/* Killed at any point: the next one knows, and tells nothing twice. */
static void told_once(void **state)
{
	(void)state;
	libvirt.silent = true;
	change("closing");
	assert_int_equal(libvirt.tells, 1);
	restart();
	libvirt.silent = false;
	change("holding");
	assert_int_equal(libvirt.tells, 1);
	restart();
	change("open");
	assert_int_equal(libvirt.tells, 1);
	assert_true(at_rest());
}

/* The guest does not reset the device in time: one rung down. */
static void told_in_vain(void **state)
{
	(void)state;
	change("closing");
	change("holding");
	change("evicting");
	assert_true(kept("evicting"));
	libvirt.mdev = NULL;
	change("open");
	assert_int_equal(libvirt.attaches, 1);
	assert_int_equal(libvirt.tells, 1);
}

/* Likewise, and nobody has seen the eviction. */
static void told_in_vain_unseen(void **state)
{
	(void)state;
	change("closing");
	change("holding");
	fake_write("sys/class/mdev_recovery/group16/stats/hold_timeouts", "1\n");
	set_group16("evicting");
	set_group16("open");
	libvirt.mdev = NULL;
	step();
	assert_int_equal(libvirt.attaches, 1);
}

/* An administrator detaches the device meanwhile: it stays so. */
static void told_and_detached(void **state)
{
	(void)state;
	change("closing");
	change("holding");
	libvirt.mdev = NULL;
	step();
	assert_true(forgotten());
	change("open");
	assert_int_equal(libvirt.attaches, 0);
}

/* QEMU refuses: the same event is not tried again. */
static void cannot_be_told(void **state)
{
	(void)state;
	libvirt.refuses_to_tell = "no such device";
	change("closing");
	change("holding");
	for (int i = 0; i < 10; i++)
		step();
	assert_int_equal(libvirt.tells, 1);
	assert_true(kept("error"));
	restart();
	step();
	assert_ptr_equal(agent.records.first->said, route_told_before);
	assert_int_equal(libvirt.tells, 1);
	change("evicting");
	libvirt.mdev = NULL;
	change("open");
	assert_int_equal(libvirt.attaches, 1);
}

/* No uevent of the error arrives. */
static void told_without_uevents(void **state)
{
	(void)state;
	change_unseen("holding");
	assert_int_equal(libvirt.tells, 1);
	change_unseen("open");
	assert_true(at_rest());
}

/* The agent starts in the middle, and has no file. */
static void told_by_a_late_agent(void **state)
{
	(void)state;
	agent_free(&agent);
	unlink(fake_path(STORE_FILE));
	set_group16("holding");
	start();
	step();
	step();
	assert_int_equal(libvirt.tells, 1);
}

/* A paused guest is told when it runs again, if the group still waits. */
static void paused(void **state)
{
	(void)state;
	libvirt.paused = true;
	step();
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 0);
	libvirt.paused = false;
	step();
	assert_int_equal(libvirt.tells, 1);
}

/* On the guest's root bus there is no port to tell it at. */
static void no_port(void **state)
{
	(void)state;
	libvirt.bus = 0;
	step();
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 0);
	assert_non_null(strstr(agent.records.first->said, "below no port"));
	change("evicting");
	assert_true(kept("evicting"));
}

/* Two mdevs below one port, of two groups that meet the same error: told once. */
static void two_with_the_error(void **state)
{
	(void)state;
	libvirt.second = MDEV_B;
	libvirt.second_bus = 1;
	step();
	fake_group("group2", "closing", "hold", 8, MDEV_B);
	change("closing");
	assert_int_equal(libvirt.tells, 1);
	change2("hold", "closing", 8);
	change2("hold", "holding", 8);
	change("holding");
	assert_int_equal(libvirt.tells, 1);
	change("open");
	change2("hold", "open", 8);
	assert_int_equal(libvirt.tells, 1);
	for (struct record *record = agent.records.first; record; record = record->next)
		assert_int_equal(record->phase, PHASE_ATTACHED);
}

/* One of two has no error: the guest's reset would hit it, so it is not told. */
static void one_of_two(void **state)
{
	(void)state;
	libvirt.second = MDEV_B;
	libvirt.second_bus = 1;
	step();
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 0);
	assert_non_null(strstr(agent.records.first->said, "has no error"));
}

/* Below two ports they have nothing to do with each other. */
static void two_ports(void **state)
{
	(void)state;
	libvirt.second = MDEV_B;
	step();
	change("closing");
	assert_int_equal(libvirt.tells, 1);
	assert_string_equal(libvirt.port, "pci.1");
}

/* An mdev that is not ours below the port. */
static void foreign_mdev(void **state)
{
	(void)state;
	libvirt.second = "99999999-2222-4333-8444-55555555cccc";
	libvirt.second_bus = 1;
	step();
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 0);
	assert_non_null(strstr(agent.records.first->said, "another kind"));
}

/* The recovery fails: what is left is said, and the group is followed once it works. */
static void told_and_failed(void **state)
{
	(void)state;
	change("closing");
	change("failed");
	assert_non_null(strstr(agent.records.first->said, "recover"));
	change("holding");
	change("open");
	assert_true(at_rest());
	assert_int_equal(libvirt.tells, 1);
}

/* An administrator recovers a group of which the guest was never told. */
static void failed_and_told(void **state)
{
	(void)state;
	policy16 = "resume";
	change("recovering");
	policy16 = "hold";
	change("failed");
	assert_int_equal(libvirt.tells, 0);
	change("holding");
	assert_int_equal(libvirt.tells, 1);
}

/* The fields of a message in the journal. */
static void journal_fields(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[8192];
	ssize_t got;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake_path("journal"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	log_to_journal(address.sun_path);
	change("closing");
	got = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(got > 0);
	text[got] = 0;
	assert_non_null(strstr(text, "MDR_GROUP=group16\n"));
	assert_non_null(strstr(text, "MDR_EVENT=8\n"));
	assert_non_null(strstr(text, "MDR_UUID=" MDEV_A "\n"));
	assert_non_null(strstr(text, "MDR_DOMAIN=guest\n"));
	assert_non_null(strstr(text, "MDR_DOMAIN_UUID=" DOMAIN_A "\n"));
	assert_non_null(strstr(text, "PRIORITY=6\n"));
	assert_non_null(strstr(text, "\nMESSAGE=mdev " MDEV_A ": "));
	close(fd);
	/* and without the journal the message is not lost, but on stderr */
	unlink(address.sun_path);
	change("holding");
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
#define HOLD(name_) cmocka_unit_test_setup_teardown(name_, setup_hold, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(evict_and_back), TEST(fast_guest), TEST(attached_just_now), TEST(disk_full),
		TEST(restarts), TEST(away), TEST(started_late), TEST(lost_uevents),
		TEST(lost_last_uevent), TEST(looks_at_rest), TEST(administrator_detaches),
		TEST(administrator_detaches_resume), TEST(other_group), TEST(domain_starts_anew),
		TEST(domain_starts_anew_unseen), TEST(libvirt_restarts), TEST(libvirt_hangs),
		TEST(libvirt_away_at_first), TEST(domain_is_kept), TEST(failed_group),
		TEST(mdev_removed), TEST(attach_refused), TEST(returned), TEST(stayed),
		TEST(no_groups), TEST(damaged_file),
		HOLD(told_and_reset), HOLD(told_again), HOLD(told_once), HOLD(told_in_vain),
		HOLD(told_in_vain_unseen), HOLD(told_and_detached), HOLD(cannot_be_told),
		HOLD(told_without_uevents), HOLD(told_by_a_late_agent), HOLD(paused),
		HOLD(no_port), HOLD(two_with_the_error), HOLD(one_of_two), HOLD(two_ports),
		HOLD(foreign_mdev), HOLD(told_and_failed), HOLD(failed_and_told),
		HOLD(journal_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
