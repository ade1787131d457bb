// SPDX-License-Identifier: GPL-2.0-only
/*
 * A group as the administrator sees it: its files, uevents and tracepoints.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "access_log.h"
#include "clock.h"
#include "klog.h"
#include "mdev.h"
#include "monitor.h"
#include "needs.h"
#include "nic_user.h"
#include "scenario.h"
#include "slot.h"
#include "strike.h"
#include "took.h"
#include "slow.h"
#include "sysfs.h"
#include "trace.h"
#include "uevent.h"
#include "waiter.h"

#define PORT "rp_igb2"
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define EVENT_MS 10000
#define SILENCE_MS 100

static struct vfio_user user;
static struct shim shim;

static void start(void)
{
	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
}

static void check_file(const char *file, const char *want)
{
	char value[64];

	CHECK_OK(shim_status(shim.group, file, value, sizeof(value)));
	CHECK(!strcmp(value, want), "%s is '%s', not '%s'", file, value, want);
}

#define PLUGGED "virtio-net-pci,id=plugged,bus=rp_empty"

/* Of one fatal error; the slot reset is a step within recovering. */
#define STEP "recovering "
static const char story[] = "closing " STEP STEP "open ";

SCENARIO(status_files, "the files and links of a group say what it is made of")
{
	char target[64];

	start();
	check_file("state", "open");
	check_file("event", "0");
	check_file("cause", "none");
	check_file("policy", "resume");
	check_file("functions", shim.addr);
	check_file("domain", pci_port_addr(PORT));
	check_file("blockers", "");
	CHECK_OK(sysfs_link(target, sizeof(target), SHIM_CLASS "/group%d/%s", shim.group,
			    shim.addr));
	CHECK(!strcmp(target, shim.addr), "%s", target);
	CHECK_OK(sysfs_link(target, sizeof(target), SHIM_CLASS "/group%d/%s", shim.group,
			    shim.uuid));
	CHECK(!strcmp(target, shim.uuid), "%s", target);
	/* the links lead to the devices themselves */
	CHECK(sysfs_exists(SHIM_CLASS "/group%d/%s/iommu_group", shim.group, shim.addr),
	      "no function behind the link");
	CHECK(sysfs_exists(SHIM_CLASS "/group%d/%s/recovery/dead_access", shim.group,
			   shim.uuid), "no mdev behind the link");

	vfio_user_close(&user);
	check_file("policy", "resume");
	REQUIRE_OK(mdev_remove(shim.uuid));
	CHECK(!sysfs_exists(SHIM_CLASS "/group%d/%s", shim.group, shim.uuid),
	      "the link to the mdev stays");
	check_file("policy", "none");
	REQUIRE_OK(pci_unbind(shim.addr));
	CHECK(!sysfs_exists(SHIM_CLASS "/group%d", shim.group), "the group stays");
}

SCENARIO(status_recover_healthy, "recover of a group that is not failed is refused")
{
	start();
	CHECK_ERRNO(sysfs_write("1", SHIM_CLASS "/group%d/recover", shim.group), EINVAL);
	CHECK_ERRNO(sysfs_write("0", SHIM_CLASS "/group%d/recover", shim.group), EINVAL);
	CHECK_ERRNO(sysfs_write("now", SHIM_CLASS "/group%d/recover", shim.group), EINVAL);
	CHECK(klog_count("recover: ") == 3, "%u lines in the kernel log",
	      klog_count("recover: "));
	check_file("state", "open");
	check_file("event", "0");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) != ~0u, "the device is gone");
}

/* The states that a program sees when it sleeps in poll(). */
struct watcher {
	pthread_t thread;
	atomic_bool stop;
	atomic_uint seen;
	char states[16][16];
};

static void *watch_state(void *arg)
{
	struct watcher *w = arg;
	struct pollfd p = { .events = POLLPRI };
	char path[64], state[16];
	ssize_t len;

	snprintf(path, sizeof(path), SHIM_CLASS "/group%d/state", shim.group);
	p.fd = open(path, O_RDONLY | O_CLOEXEC);
	while (!atomic_load(&w->stop)) {
		len = pread(p.fd, state, sizeof(state) - 1, 0);
		state[len > 0 ? len - 1 : 0] = 0;
		if (atomic_load(&w->seen) < 16) {
			snprintf(w->states[w->seen], sizeof(state), "%s", state);
			atomic_fetch_add(&w->seen, 1);
		}
		poll(&p, 1, 1000);
	}
	close(p.fd);
	return NULL;
}

static bool has_seen(struct watcher *w, const char *state)
{
	unsigned int seen = atomic_load(&w->seen);

	return seen && !strcmp(w->states[seen - 1], state);
}

SCENARIO(status_poll, "a program that sleeps in poll() sees closing, recovering and open")
{
	static const char * const want[] = { "open", "closing", "recovering", "open" };
	static struct watcher watcher;
	struct waiter slow = {
		.u = &user, .kind = WAITER_PREAD, .region = VFIO_CONFIG, .off = 4,
	};
	unsigned int at = 0;

	start();
	REQUIRE_OK(slow_block(shim.addr));
	pthread_create(&watcher.thread, NULL, watch_state, &watcher);
	REQUIRE(WAIT_FOR(has_seen(&watcher, "open"), EVENT_MS), "open is not seen");
	/* an access inside keeps the group closing until the watcher has seen it */
	REQUIRE_OK(waiter_start(&slow));
	REQUIRE(waiter_in(&slow, "pci_wait_cfg", EVENT_MS), "nobody reads slowly");
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	CHECK(WAIT_FOR(has_seen(&watcher, "closing"), EVENT_MS), "closing is not seen");
	CHECK_OK(slow_unblock());
	CHECK(WAIT_FOR(has_seen(&watcher, "recovering"), EVENT_MS), "recovering is not seen");
	CHECK(WAIT_FOR(has_seen(&watcher, "open"), EVENT_MS), "open is not seen");
	atomic_store(&watcher.stop, true);

	for (unsigned int i = 0; i < atomic_load(&watcher.seen); i++)
		if (at < 4 && !strcmp(watcher.states[i], want[at]))
			at++;
	CHECK(at == 4, "state %u of the story is missing: %s", at, want[at < 4 ? at : 3]);
	CHECK(!shim_number(shim.group, "stats/drain_timeouts"), "the drain timed out");
	MEASURE("wakeups", "%u", atomic_load(&watcher.seen));
}

/* The uevents of one recovery, in order. Returns its event id. */
static uint64_t check_uevents(int fd, const char *cause)
{
	static const char * const states[] = { "closing", "recovering", "open" };
	static const char * const actions[] = { "wait", "wait", "none" };
	struct uevent event;
	uint64_t id = 0;
	const char *value;

	for (unsigned int i = 0; i < 3; i++) {
		REQUIRE(uevent_wait(fd, "MDR_STATE", NULL, EVENT_MS, &event),
			"no uevent for %s", states[i]);
		value = uevent_get(&event, "MDR_STATE");
		CHECK(!strcmp(value, states[i]), "uevent says %s, not %s", value, states[i]);
		value = uevent_get(&event, "MDR_EVENT");
		REQUIRE(value, "no MDR_EVENT");
		if (!i)
			id = strtoull(value, NULL, 10);
		CHECK(strtoull(value, NULL, 10) == id, "MDR_EVENT is %s, was %ju", value, id);
		value = uevent_get(&event, "MDR_CAUSE");
		CHECK(value && !strcmp(value, cause), "MDR_CAUSE is %s", value);
		value = uevent_get(&event, "MDR_ACTION");
		CHECK(value && !strcmp(value, actions[i]), "MDR_ACTION is %s", value);
		/* the error is one of a function, the rest is the group's */
		value = uevent_get(&event, "MDR_DEVICE");
		CHECK(i || (value && !strcmp(value, shim.addr)), "MDR_DEVICE is %s", value);
		value = uevent_get(&event, "SUBSYSTEM");
		CHECK(value && !strcmp(value, "mdev_recovery"), "SUBSYSTEM is %s", value);
	}
	return id;
}

SCENARIO(status_uevents, "each error has uevents in order, and an event id above the last one's")
{
	static const struct { const char *status, *cause; } errors[] = {
		{ "DLP", "fatal" }, { "POISON_TLP", "nonfatal" }, { "DLP", "fatal" },
	};
	uint64_t id, last = 0;
	int fd;

	start();
	fd = uevent_listen();
	REQUIRE_OK(fd);
	for (unsigned int i = 0; i < 3; i++) {
		REQUIRE_OK(strike(&shim, PORT, errors[i].status, "open"));
		id = check_uevents(fd, errors[i].cause);
		CHECK(id > last, "event id %ju after %ju", id, last);
		CHECK(shim_number(shim.group, "event") == id, "file event is %ju, not %ju",
		      shim_number(shim.group, "event"), id);
		check_file("cause", errors[i].cause);
		last = id;
	}
	MEASURE("last_id", "%ju", last);
}

struct points {
	unsigned int states;
	unsigned int stalls;
	unsigned int drains;
	char story[256];
};

static void see_point(const char *entry, void *arg)
{
	struct points *points = arg;
	const char *arrow = strstr(entry, "--> ");

	points->stalls += !strncmp(entry, "mdr_stall: ", 11);
	points->drains += !strncmp(entry, "mdr_drain: ", 11);
	if (strncmp(entry, "mdr_state: ", 11) || !arrow)
		return;
	points->states++;
	snprintf(points->story + strlen(points->story),
		 sizeof(points->story) - strlen(points->story), "%s ", arrow + 4);
}

SCENARIO(status_stats, "stalls and recoveries are counted and traced")
{
	struct access_log log = {
		.u = &user, .kind = ACCESS_PREAD, .region = BAR0, .off = NIC_STATUS,
	};
	struct points points = { 0 };
	uint64_t total, max, recovery;

	start();
	log.value = nic_status(&user);
	REQUIRE_OK(access_start(&log));
	REQUIRE_OK(trace_start(NULL));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	sleep_ms(SILENCE_MS);
	access_stop(&log);
	trace_stop();
	REQUIRE_OK(trace_each(see_point, &points));
	trace_end();

	total = shim_number(shim.group, "stats/stall_ns_total");
	max = shim_number(shim.group, "stats/stall_ns_max");
	recovery = shim_number(shim.group, "stats/recovery_ns_last");
	check_file("stats/recoveries", "1");
	check_file("stats/failures", "0");
	check_file("stats/stalls", "1");
	check_file("stats/dead_accesses", "0");
	CHECK(total == max, "one stall of %ju ns, sum %ju", max, total);
	CHECK(max <= log.longest_ns, "stalled for %ju ns, the user saw %ju", max,
	      log.longest_ns);
	CHECK(max > recovery / 2, "stalled for %ju ns of %ju", max, recovery);
	CHECK(!strcmp(points.story, story),
	      "the trace says %s", points.story);
	CHECK(points.stalls == 1, "%u stalls traced", points.stalls);
	CHECK(points.drains == 1, "%u drains traced", points.drains);
	MEASURE_STALL("stall_ms", max);
	MEASURE_STALL("user_saw_ms", log.longest_ns);
	MEASURE_RECOVERY("recovery_ms", &shim);
}

SCENARIO(status_correctable, "a correctable error is counted and disturbs no user", .limit_s = 60)
{
	struct access_log log = {
		.u = &user, .kind = ACCESS_PREAD, .region = VFIO_CONFIG, .off = 0x08,
	};
	struct uevent event;
	int fd;

	needs_unplug();
	/* of the machine's devices only virtio tells its port of its own errors */
	REQUIRE_OK(slot_plug("rp_empty", PLUGGED ",aer=on,disable-legacy=on,iommu_platform=on"));
	REQUIRE_OK(shim_make(&shim, "rp_empty", 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	fd = uevent_listen();
	REQUIRE_OK(fd);
	log.value = vfio_user_read(&user, VFIO_CONFIG, 0x08, 4);
	REQUIRE_OK(access_start(&log));
	REQUIRE_OK(aer_inject("plugged", "RCVR"));
	CHECK(WAIT_FOR(shim_number(shim.group, "stats/correctable_errors") == 1, EVENT_MS),
	      "correctable_errors is %ju",
	      shim_number(shim.group, "stats/correctable_errors"));
	CHECK(!uevent_wait(fd, "MDR_STATE", NULL, SILENCE_MS, &event), "a uevent came");
	access_stop(&log);
	check_file("state", "open");
	check_file("event", "0");
	check_file("cause", "none");
	check_file("stats/stalls", "0");
	CHECK(!log.wrong && !log.ones && !log.errors, "%ju wrong, %ju ones, %ju errors",
	      log.wrong, log.ones, log.errors);
	MEASURE("reads", "%ju", log.count);
	MEASURE("longest_us", "%ju", log.longest_ns / 1000);
	vfio_user_close(&user);
}
