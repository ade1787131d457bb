// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user API: a program learns of an error and of its end, and answers it, without
 * sysfs and without a reset.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "klog.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "uevent.h"
#include "vfio_status.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define SETTLE_MS 5000
/* a recovery that is long enough to look at its middle */
#define SLOW "600"
#define SOON_MS 200
#define GET VFIO_DEVICE_FEATURE_GET
#define SET VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE

static struct vfio_user user, other;

static void start(struct shim *s, const char *policy)
{
	REQUIRE_OK(shim_bind_test(s, PORT, 0));
	REQUIRE_OK(shim_create(s, policy));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
}

/* As the status has it. */
static uint16_t bus_and_function(const char *addr)
{
	unsigned int bus, device, function;

	REQUIRE(sscanf(addr, "%*x:%x:%x.%u", &bus, &device, &function) == 3, "%s", addr);
	return bus << 8 | device << 3 | function;
}

static struct mdr_status status_of(struct vfio_user *u)
{
	struct mdr_status status = {};
	uint64_t begin = now_ns();

	CHECK_OK(vfio_status(u, &status));
	CHECK(now_ns() - begin < SOON_MS * NS_PER_MS * patience, "the status waits");
	return status;
}

/* So many changes within ms; 0 if there were none. */
static uint64_t changes(int fd, unsigned int ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint64_t count = 0;

	if (poll(&poll_fd, 1, ms) <= 0 || read(fd, &count, sizeof(count)) < 0)
		return 0;
	return count;
}

SCENARIO(api_status, "the status before, in the middle of and after a recovery: event, next, times")
{
	struct mdr_status status;
	uint64_t begin;
	struct shim s;

	start(&s, "resume");
	status = status_of(&user);
	CHECK(status.event == 0 && status.state == MDR_STATE_OPEN &&
	      status.policy == MDR_POLICY_RESUME && status.next == MDR_NEXT_NOTHING &&
	      !status.flags && status.channel == MDR_CHANNEL_NONE && !status.error_ns &&
	      !status.function, "state %u, event %llu, next %u, flags %#x", status.state,
	      status.event, status.next, status.flags);

	begin = now_ns();
	REQUIRE_OK(strike_slow(&s, PORT, SLOW));
	status = status_of(&user);
	CHECK(status.event == shim_number(s.group, "event"), "event %llu", status.event);
	CHECK(status.state == MDR_STATE_RECOVERING && status.next == MDR_NEXT_WAIT &&
	      status.cause == MDR_CAUSE_FATAL && status.channel == MDR_CHANNEL_FROZEN,
	      "state %u, next %u, cause %u, channel %u", status.state, status.next, status.cause,
	      status.channel);
	CHECK(status.error_ns >= begin && status.closed_ns >= status.error_ns &&
	      status.closed_ns <= now_ns(), "times");
	CHECK(status.function == bus_and_function(s.addr), "function %#x of %s", status.function,
	      s.addr);
	CHECK(status.port == bus_and_function(pci_port_addr(PORT)), "port %#x", status.port);

	REQUIRE(shim_wait(s.group, "open", SETTLE_MS), "not open");
	status = status_of(&user);
	CHECK(status.state == MDR_STATE_OPEN && status.next == MDR_NEXT_NOTHING &&
	      status.recoveries == 1 && !status.failures, "state %u, recoveries %llu",
	      status.state, status.recoveries);
	CHECK(status.reset_ns > status.closed_ns && status.opened_ns >= status.reset_ns,
	      "closed %llu, reset %llu, opened %llu", status.closed_ns, status.reset_ns,
	      status.opened_ns);
}

SCENARIO(api_eventfd, "the eventfd tells of each change; it is replaced and removed as VFIO's own")
{
	int first = eventfd(0, EFD_NONBLOCK), second = eventfd(0, EFD_NONBLOCK);
	struct mdr_status status;
	struct shim s;

	start(&s, "resume");
	REQUIRE_OK(vfio_status_eventfd(&user, first));
	CHECK(!changes(first, 0), "told of nothing");
	REQUIRE_OK(strike_slow(&s, PORT, SLOW));
	CHECK(changes(first, SETTLE_MS) >= 1, "not told of the error");
	status = status_of(&user);
	CHECK(status.next == MDR_NEXT_WAIT, "next is %u", status.next);
	CHECK(WAIT_FOR(changes(first, SETTLE_MS) && status_of(&user).state == MDR_STATE_OPEN,
		       SETTLE_MS), "not told of the end");

	REQUIRE_OK(vfio_status_eventfd(&user, second));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK(changes(second, SETTLE_MS) >= 2, "the second is not told");
	CHECK(!changes(first, 0), "the first is told still");
	REQUIRE_OK(vfio_status_eventfd(&user, -1));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK(!changes(second, 0), "told after it was removed");

	/* a descriptor may well be 0 */
	REQUIRE(dup3(second, STDIN_FILENO, O_CLOEXEC) == STDIN_FILENO, "errno %d", errno);
	REQUIRE_OK(vfio_status_eventfd(&user, STDIN_FILENO));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK(changes(second, SETTLE_MS) >= 2, "descriptor 0 is not told");

	/* closing removes it, too */
	REQUIRE_OK(vfio_status_eventfd(&user, second));
	vfio_user_close(&user);
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK(!changes(second, 0), "told after its user had closed");
}

SCENARIO(api_acknowledge, "hold: the latest event is acknowledged by its id, once, without a reset")
{
	uint64_t event;
	struct mdr_status status;
	uint32_t value;
	struct shim s;

	start(&s, "hold");
	value = nic_status(&user);
	CHECK_ERRNO(vfio_acknowledge(&user, 0), EINVAL);
	CHECK_ERRNO(vfio_acknowledge(&user, 1), ESTALE);
	REQUIRE_OK(strike_slow(&s, PORT, SLOW));
	event = shim_number(s.group, "event");
	CHECK_ERRNO(vfio_acknowledge(&user, event), EINVAL);
	REQUIRE(shim_wait(s.group, "holding", SETTLE_MS), "not holding");
	status = status_of(&user);
	CHECK(status.next == MDR_NEXT_RESET &&
	      status.flags == (MDR_STATUS_PRISTINE | MDR_STATUS_MAY_ACKNOWLEDGE),
	      "next %u, flags %#x", status.next, status.flags);

	/* another error: the old id is worth nothing any more */
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	CHECK_ERRNO(vfio_acknowledge(&user, event), ESTALE);
	CHECK(shim_is(s.group, "holding"), "a stale id opens the gate");
	event = shim_number(s.group, "event");
	CHECK_ERRNO(vfio_acknowledge(&user, event + 1), ESTALE);
	REQUIRE_OK(vfio_acknowledge(&user, event));
	CHECK(shim_is(s.group, "open"), "not open");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == value, "STATUS changed");
	CHECK(shim_number(s.group, "stats/acknowledgements") == 1 &&
	      shim_number(s.group, "stats/user_resets") == 0 &&
	      shim_number(s.group, "stats/hold_timeouts") == 0, "statistics");
	CHECK_ERRNO(vfio_acknowledge(&user, event), EINVAL);
	status = status_of(&user);
	CHECK(status.next == MDR_NEXT_NOTHING && !status.flags, "next %u, flags %#x",
	      status.next, status.flags);
}

SCENARIO(api_acknowledge_not_reset,
	 "hold: an error without a reset of the host cannot be acknowledged, only reset away")
{
	struct mdr_status status;
	struct shim s;

	start(&s, "hold");
	REQUIRE_OK(strike(&s, PORT, "POISON_TLP", "holding"));
	status = status_of(&user);
	CHECK(status.next == MDR_NEXT_RESET && !status.flags &&
	      status.channel == MDR_CHANNEL_NORMAL && status.cause == MDR_CAUSE_NONFATAL,
	      "next %u, flags %#x, channel %u", status.next, status.flags, status.channel);
	CHECK_ERRNO(vfio_acknowledge(&user, status.event), EPERM);
	CHECK(shim_is(s.group, "holding"), "not holding any more");
	CHECK(WAIT_FOR(!vfio_user_reset(&user), SETTLE_MS), "no reset works");
	CHECK(shim_is(s.group, "open"), "not open");
}

SCENARIO(api_acknowledge_pair,
	 "two users of type hold in a group: each answers for itself, the last one opens the gate")
{
	struct vfio_user *users[] = { &user, &other };
	const struct mdr_status_page *pages[2], *page;
	struct mdr_status status;
	struct shim s[2];
	uint64_t event;

	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_make(&s[i], "rp_e1000e", i, "hold"));
	REQUIRE_OK(vfio_user_open(&user, s[0].uuid));
	REQUIRE_OK(vfio_user_open_in(&other, s[1].uuid, user.space));
	for (int i = 0; i < 2; i++) {
		pages[i] = vfio_status_map(users[i]);
		REQUIRE(pages[i], "%s", strerror(errno));
	}
	for (int round = 0; round < 2; round++) {
		REQUIRE_OK(strike(&s[0], "rp_e1000e", "DLP", "holding"));
		event = shim_number(s[0].group, "event");
		page = pages[round];
		CHECK(vfio_status_look(page).next == MDR_NEXT_RESET, "the page has next %u",
		      vfio_status_look(page).next);
		REQUIRE_OK(vfio_acknowledge(users[round], event));
		CHECK(vfio_status_look(page).next == MDR_NEXT_WAIT, "the page has next %u",
		      vfio_status_look(page).next);
		CHECK_ERRNO(vfio_acknowledge(users[round], event), EALREADY);
		status = status_of(users[round]);
		CHECK(status.next == MDR_NEXT_WAIT && shim_is(s[0].group, "holding"),
		      "next %u", status.next);
		/* the other one in both ways */
		if (round)
			CHECK(WAIT_FOR(!vfio_user_reset(users[!round]), SETTLE_MS), "no reset");
		else
			REQUIRE_OK(vfio_acknowledge(users[!round], event));
		CHECK(shim_is(s[0].group, "open"), "not open");
	}
}

SCENARIO(api_page,
	 "the status page: alive and the event in one load, across errors, close and removal")
{
	const struct mdr_status_page *page, *second, *third;
	uint64_t event, size, offset;
	struct mdr_status status;
	struct waiter waiter = {
		.u = &user, .kind = WAITER_PREAD, .region = BAR0, .off = NIC_STATUS,
	};
	uint64_t alive = 0;
	struct shim s;
	int region, ret;

	start(&s, "hold");
	REQUIRE_OK(waiter_prepare(&waiter));
	region = vfio_status_region(&user, &size, &offset);
	REQUIRE_OK(region);
	CHECK(size == 4096, "size %#jx", size);
	CHECK(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, user.device, offset) ==
	      MAP_FAILED && errno == EPERM, "writable");
	CHECK(mmap(NULL, size, PROT_READ, MAP_PRIVATE, user.device, offset) == MAP_FAILED,
	      "private");
	CHECK(mmap(NULL, 2 * size, PROT_READ, MAP_SHARED, user.device, offset) == MAP_FAILED,
	      "two pages");
	CHECK(mmap(NULL, size, PROT_READ, MAP_SHARED, user.device, offset + size) == MAP_FAILED,
	      "the second page");
	CHECK(pwrite(user.device, &alive, 8, offset + 8) < 0 && errno == EINVAL, "written");
	page = vfio_status_map(&user);
	second = vfio_status_map(&user);
	REQUIRE(page && second, "%s", strerror(errno));
	CHECK(mprotect((void *)page, size, PROT_READ | PROT_WRITE) && errno == EACCES,
	      "made writable");
	CHECK(page->alive == 0 && vfio_status_look(page).state == MDR_STATE_OPEN, "alive %#llx",
	      page->alive);

	REQUIRE_OK(strike_slow(&s, PORT, SLOW));
	event = shim_number(s.group, "event");
	CHECK(page->alive == MDR_NOT_ALIVE && second->alive == MDR_NOT_ALIVE, "alive %#llx",
	      page->alive);
	CHECK(pread(user.device, &alive, 8, offset + 8) == 8 && alive == MDR_NOT_ALIVE,
	      "pread gives %#jx", alive);
	status = vfio_status_look(page);
	CHECK(status.event == event && status.next == MDR_NEXT_WAIT, "event %llu, next %u",
	      status.event, status.next);
	REQUIRE(shim_wait(s.group, "holding", SETTLE_MS), "not holding");
	CHECK(vfio_status_look(page).next == MDR_NEXT_RESET, "next %u",
	      vfio_status_look(page).next);
	REQUIRE_OK(vfio_acknowledge(&user, event));
	CHECK(page->alive == event, "alive %#llx", page->alive);
	CHECK(pread(user.device, &alive, 8, offset + 8) == 8 && alive == event, "pread gives %#jx",
	      alive);

	/* a child sees the same page */
	ret = fork();
	if (!ret) {
		CHECK(WAIT_FOR(page->alive == MDR_NOT_ALIVE, SETTLE_MS), "the child sees nothing");
		_exit(0);
	}
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	waitpid(ret, NULL, 0);

	/* the mapping keeps neither the device nor the mdev */
	vfio_user_close(&user);
	status = vfio_status_look(page);
	CHECK(page->alive == MDR_NOT_ALIVE && (status.flags & MDR_STATUS_CLOSED),
	      "flags %#x after the close", status.flags);
	REQUIRE_OK(vfio_user_open(&other, s.uuid));
	third = vfio_status_map(&other);
	REQUIRE(third, "%s", strerror(errno));
	CHECK(third->alive == status.event, "the next user's is not alive: %#llx", third->alive);
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	CHECK(page->alive == MDR_NOT_ALIVE && vfio_status_look(page).event == status.event &&
	      (vfio_status_look(page).flags & MDR_STATUS_CLOSED),
	      "the page tells of the next user");
	vfio_user_close(&other);
	REQUIRE_OK(sysfs_write("1", "/sys/bus/mdev/devices/%s/remove", s.uuid));
	CHECK(vfio_status_look(second).flags & MDR_STATUS_CLOSED, "no sign of the removal");
}

/* The user's reset fails the group, by the parent driver's restore hook. */
static void lose_in_reset(const struct shim *s)
{
	REQUIRE_OK(shim_test_set("restore_error", "-5"));
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	CHECK(shim_is(s->group, "failed"), "not failed");
	REQUIRE_OK(shim_test_set("restore_error", "0"));
}

SCENARIO(api_reset_fails,
	 "a user's reset fails the group: after recover the page has a new id, for a neighbour too")
{
	const struct mdr_status_page *page;
	struct shim s[2];
	uint64_t before;

	REQUIRE_OK(shim_bind_test(&s[0], "rp_e1000e", 0));
	REQUIRE_OK(shim_bind(&s[1], "rp_e1000e", 1));
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_create(&s[i], "resume"));
	REQUIRE_OK(vfio_user_open(&user, s[0].uuid));
	REQUIRE_OK(vfio_user_open_in(&other, s[1].uuid, user.space));
	page = vfio_status_map(&other);
	REQUIRE(page, "%s", strerror(errno));
	REQUIRE_OK(strike(&s[0], "rp_e1000e", "DLP", "open"));
	for (int by_user = 0; by_user < 2; by_user++) {
		before = page->alive;
		CHECK(before == shim_number(s[0].group, "event"), "alive %#jx", before);
		lose_in_reset(&s[0]);
		CHECK(page->alive == MDR_NOT_ALIVE, "alive %#llx", page->alive);
		CHECK(vfio_status_look(page).cause == MDR_CAUSE_USER_RESET, "cause %u",
		      vfio_status_look(page).cause);
		if (by_user)
			REQUIRE_OK(vfio_user_reset(&user));
		else
			REQUIRE_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", s[0].group));
		CHECK(shim_is(s[0].group, "open"), "not open");
		CHECK(page->alive > before && page->alive != MDR_NOT_ALIVE,
		      "alive %#llx, was %#jx", page->alive, before);
	}
}

SCENARIO(api_reset_fails_hold,
	 "the same with type hold: the user has to answer once more, and is told so")
{
	struct mdr_status status;
	uint64_t event;
	struct shim s;

	start(&s, "hold");
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	event = shim_number(s.group, "event");
	REQUIRE_OK(vfio_acknowledge(&user, event));
	lose_in_reset(&s);
	REQUIRE_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group));
	CHECK(shim_is(s.group, "holding"), "not holding");
	status = status_of(&user);
	CHECK(status.next == MDR_NEXT_RESET && status.event > event, "next %u, event %llu",
	      status.next, status.event);
	CHECK_ERRNO(vfio_acknowledge(&user, event), ESTALE);
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(shim_is(s.group, "open"), "not open");
}

static int remove_mdev(const char *uuid)
{
	return sysfs_write("1", "/sys/bus/mdev/devices/%s/remove", uuid);
}

SCENARIO(api_removing, "an mdev that is removed under its user: the page says release, at once")
{
	const struct mdr_status_page *page;
	int told = eventfd(0, EFD_NONBLOCK);
	struct background remover = { .call = remove_mdev };
	struct shim s;

	start(&s, "resume");
	page = vfio_status_map(&user);
	REQUIRE(page, "%s", strerror(errno));
	REQUIRE_OK(vfio_status_eventfd(&user, told));
	remover.name = s.uuid;
	background_start(&remover);
	CHECK(changes(told, SETTLE_MS), "not told");
	CHECK(vfio_status_look(page).next == MDR_NEXT_RELEASE &&
	      (vfio_status_look(page).flags & MDR_STATUS_REMOVING), "next %u",
	      vfio_status_look(page).next);
	vfio_user_close(&user);
	background_ms(&remover, SETTLE_MS);
	CHECK_OK(remover.ret);
	CHECK(page->alive == MDR_NOT_ALIVE, "alive %#llx", page->alive);
}

/* A feature whose data would be in a page that is not there. */
static int feature_without_data(uint32_t flags, size_t size)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vfio_device_feature *feature;
	int ret;

	REQUIRE(pages != MAP_FAILED && !munmap(pages + 4096, 4096), "mmap");
	feature = (void *)(pages + 4096 - sizeof(*feature));
	feature->argsz = sizeof(*feature) + size;
	feature->flags = flags;
	ret = ioctl(user.device, VFIO_DEVICE_FEATURE, feature) < 0 ? -errno : 0;
	munmap(pages, 4096);
	return ret;
}

SCENARIO(api_bad_input, "malformed calls of each feature: the right errno, nothing changed")
{
	struct mdr_device_feature_acknowledge ack = {};
	struct mdr_device_feature_eventfd fd = { .fd = -1 };
	struct mdr_status status;
	int wrong = open("/proc/self/stat", O_RDONLY);
	uint64_t event, offset;
	struct shim s;

	start(&s, "hold");
	for (uint32_t f = MDR_DEVICE_FEATURE_STATUS; f <= MDR_DEVICE_FEATURE_ACKNOWLEDGE; f++) {
		uint32_t has = f == MDR_DEVICE_FEATURE_STATUS ? GET : SET;

		CHECK_OK(vfio_feature(&user, PROBE | has | f, NULL, 0));
		CHECK_ERRNO(vfio_feature(&user, PROBE | GET | SET | f, NULL, 0), EINVAL);
		CHECK_ERRNO(vfio_feature(&user, (has ^ GET ^ SET) | f, &status, sizeof(status)),
			    EINVAL);
		CHECK_ERRNO(vfio_feature(&user, f, &status, sizeof(status)), EINVAL);
		CHECK_ERRNO(vfio_feature(&user, has | f, &status, 4), EINVAL);
		CHECK_ERRNO(vfio_feature(&user, has | 1 << 20 | f, &status, sizeof(status)),
			    EINVAL);
	}
	CHECK_ERRNO(vfio_feature(&user, PROBE | GET | (MDR_DEVICE_FEATURE_ACKNOWLEDGE + 1), NULL,
				 0), ENOTTY);
	CHECK_ERRNO(feature_without_data(GET | MDR_DEVICE_FEATURE_STATUS, sizeof(status)), EFAULT);
	CHECK_ERRNO(feature_without_data(SET | MDR_DEVICE_FEATURE_EVENTFD, sizeof(fd)), EFAULT);
	CHECK_ERRNO(feature_without_data(SET | MDR_DEVICE_FEATURE_ACKNOWLEDGE, sizeof(ack)),
		    EFAULT);

	REQUIRE_OK(vfio_status_region(&user, NULL, &offset));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "0"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "holding"));
	/* not a dead access, which would succeed */
	CHECK(pwrite(user.device, &ack, 8, offset) < 0 && errno == EINVAL, "the page is written");
	CHECK_NUMBER(s.group, "stats/dead_accesses", 0);
	event = shim_number(s.group, "event");
	ack.event = event;
	ack.flags = 1;
	CHECK_ERRNO(vfio_feature(&user, SET | MDR_DEVICE_FEATURE_ACKNOWLEDGE, &ack, sizeof(ack)),
		    EINVAL);
	ack.flags = 0;
	ack.reserved = 1;
	CHECK_ERRNO(vfio_feature(&user, SET | MDR_DEVICE_FEATURE_ACKNOWLEDGE, &ack, sizeof(ack)),
		    EINVAL);
	CHECK(shim_is(s.group, "holding"), "not holding any more");

	CHECK_ERRNO(vfio_status_eventfd(&user, 999), EBADF);
	CHECK_ERRNO(vfio_status_eventfd(&user, wrong), EINVAL);
	CHECK_ERRNO(vfio_status_eventfd(&user, -2), EINVAL);
	fd.flags = 1;
	CHECK_ERRNO(vfio_feature(&user, SET | MDR_DEVICE_FEATURE_EVENTFD, &fd, sizeof(fd)), EINVAL);
	CHECK_OK(vfio_acknowledge(&user, event));
	CHECK(shim_is(s.group, "open"), "not open");
}

static void check_action(int fd, const char *state, const char *action)
{
	struct uevent event;
	const char *value;

	if (!CHECK(uevent_wait(fd, "MDR_STATE", state, SETTLE_MS, &event), "no uevent"))
		return;
	value = uevent_get(&event, "MDR_ACTION");
	CHECK(value && !strcmp(value, action), "%s: MDR_ACTION is %s", state, value);
}

SCENARIO(api_uevent_action, "uevents say what an administrator should do: release, recover, none")
{
	int fd = uevent_listen();
	struct shim s;

	REQUIRE_OK(fd);
	start(&s, "evict");
	REQUIRE_OK(strike(&s, PORT, "DLP", "evicting"));
	check_action(fd, "evicting", "release");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "500"));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&s, PORT, "DLP", "failed"));
	check_action(fd, "failed", "recover");
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	vfio_user_close(&user);
	REQUIRE_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group));
	check_action(fd, "open", "none");
}
