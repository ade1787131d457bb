// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_guests.h"
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

struct fake_libvirt libvirt;
struct agent agent;
int64_t now;
const char *policy16;
unsigned long long event16;

static char sysfs[128];
static char state16[16];

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

static void detach(struct backend *backend, const struct record *record)
{
	(void)backend;
	/* likewise */
	assert_non_null(strstr(fake_read(STORE_FILE), "evicting"));
	assert_non_null(strstr(record->xml, MDEV_A));
	libvirt.detaches++;
	libvirt.answer_detach = !libvirt.silent;
	if (!libvirt.refuses && !libvirt.silent)
		libvirt.mdev = NULL;
}

static void ask_used(struct backend *backend, const struct record *record)
{
	(void)backend;
	assert_string_equal(record->place.alias, "hostdev0");
	libvirt.asks++;
	libvirt.answer_used = !libvirt.silent;
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
void news(void)
{
	char xml[4096] = DOMAIN_HEAD;
	struct domain_view view = {
		.uuid = DOMAIN_A, .name = "guest", .id = libvirt.id, .xml = xml,
		.halted = libvirt.halted,
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

/* Is it time for this answer? Only once. */
static bool take(bool *answer)
{
	bool taken = *answer;

	*answer = false;
	return taken;
}

void answer(void)
{
	const char *refused = libvirt.refuses ? "refused" : NULL;

	if (take(&libvirt.answer_attach))
		agent_attached(&agent, MDEV_A, DOMAIN_A, refused, now);
	if (take(&libvirt.answer_detach))
		agent_detached(&agent, MDEV_A, DOMAIN_A, refused);
	if (take(&libvirt.answer_used)) {
		agent_used(&agent, MDEV_A, DOMAIN_A, libvirt.used, libvirt.refuses_to_say, now);
		agent_used(&agent, MDEV_B, DOMAIN_A, libvirt.used, libvirt.refuses_to_say, now);
	}
	if (take(&libvirt.answer_tell))
		agent_told(&agent, DOMAIN_A, libvirt.port, libvirt.refuses_to_tell);
}

void start(void)
{
	memset(&agent, 0, sizeof(agent));
	agent.sysfs = sysfs;
	agent.state_dir = fake_root;
	agent.backend = &libvirt.backend;
	snprintf(agent.boot, sizeof(agent.boot), "boot1");
	agent_load(&agent);
}

/* Like the main loop: step until nothing is due. */
int step(void)
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

/* The group of MDEV_A; when it leaves open there is a new event. */
void set_group16(const char *state)
{
	if (!strcmp(state16, "open") && strcmp(state, "open"))
		event16++;
	snprintf(state16, sizeof(state16), "%s", state);
	fake_group("group16", state, policy16, event16, MDEV_A);
}

void uevent16(const char *state)
{
	set_group16(state);
	agent_group_changed(&agent, "group16", state, now);
}

void change(const char *state)
{
	uevent16(state);
	step();
}

/* The same without a uevent. */
void change_unseen(const char *state)
{
	set_group16(state);
	step();
}

void change2(const char *policy, const char *state, unsigned long long event)
{
	fake_group("group2", state, policy, event, MDEV_B);
	agent_group_changed(&agent, "group2", state, now);
	step();
}

int guests_setup(void **state)
{
	(void)state;
	fake_root_make();
	snprintf(sysfs, sizeof(sysfs), "%s", fake_path("sys"));
	memset(&libvirt, 0, sizeof(libvirt));
	libvirt.backend = (struct backend){
		.want = want, .look = look, .attach = attach, .detach = detach,
		.ask_used = ask_used, .tell = tell,
	};
	libvirt.up = true;
	libvirt.used = true;
	libvirt.id = 3;
	libvirt.mdev = MDEV_A;
	libvirt.bus = 1;
	libvirt.second_bus = 2;
	now = 1000;
	event16 = 7;
	policy16 = "evict";
	snprintf(state16, sizeof(state16), "open");
	fake_group("group16", "open", "evict", 7, MDEV_A);
	fake_group("group2", "open", "evict", 3, MDEV_B);
	start();
	step();
	step();
	return 0;
}

int guests_setup_hold(void **state)
{
	int ret = guests_setup(state);

	policy16 = "hold";
	fake_group("group16", "open", "hold", 7, MDEV_A);
	step();
	return ret;
}

int guests_teardown(void **state)
{
	(void)state;
	agent_free(&agent);
	fake_root_remove();
	return 0;
}

void restart(void)
{
	agent_free(&agent);
	start();
}

bool kept(const char *phase)
{
	char line[64];

	snprintf(line, sizeof(line), "\"phase\":\"%s\"", phase);
	return strstr(fake_read(STORE_FILE), line);
}

/* The domain has the device, and there is nothing to follow. */
bool at_rest(void)
{
	return kept("attached") && !agent.records.first->next &&
	       agent.records.first->phase == PHASE_ATTACHED;
}

bool forgotten(void)
{
	return !agent.records.first && !strstr(fake_read(STORE_FILE), MDEV_A);
}

