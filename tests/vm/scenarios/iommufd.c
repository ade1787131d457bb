// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same promises to a user of /dev/vfio/devices and an iommufd, like newer VMMs.
 * There a file can be open without being bound to anything: it gives no access, and
 * must not block anything.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access_log.h"
#include "background.h"
#include "clock.h"
#include "hot_reset.h"
#include "klog.h"
#include "mdev.h"
#include "monitor.h"
#include "nic_user.h"
#include "nvme_user.h"
#include "scenario.h"
#include "shim.h"
#include "slow.h"
#include "strike.h"
#include "took.h"
#include "vfio_cdev.h"
#include "vfio_irq.h"
#include "waiter.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define SETTLE_MS 3000
#define IRQ_MS 2000
#define REVOKE_MS 300
#define ATTACHING_MS 1500
#define SLOW_MS 4000
#define HELD "5000"
#define HELD_MS 5000

static struct vfio_user user, other;
static struct shim shim;

static void start(const char *port, const char *policy)
{
	REQUIRE_OK(shim_make(&shim, port, 0, policy));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
}

static void identify(struct nvme_user *nvme, const char *what)
{
	struct nvme_identity id;
	uint64_t begin = now_ns();

	REQUIRE_OK(nvme_user_restart(nvme));
	REQUIRE_OK(nvme_user_identify(nvme, &id, IRQ_MS));
	CHECK(!strcmp(id.serial, "mdr-nvme-0"), "serial is '%s'", id.serial);
	MEASURE_BOUND(what, (now_ns() - begin) / NS_PER_MS, 2 * IRQ_MS);
}

SCENARIO(iommufd_dma_across_fatal,
	 "nvme does DMA through an iommufd before a fatal error and after it, with old and new memory",
	 .debug = true)
{
	struct nvme_user nvme = { 0 };
	struct vfio_dma before, after;

	start("rp_nvme", "resume");
	REQUIRE_OK(nvme_user_start(&nvme, &user));
	identify(&nvme, "before_ms");
	REQUIRE_OK(strike(&shim, "rp_nvme", "DLP", "open"));
	identify(&nvme, "old_memory_ms");

	before = nvme.dma;
	REQUIRE_OK(vfio_user_dma_map(&user, &after, before.size));
	REQUIRE_OK(vfio_user_dma_unmap(&user, &before));
	nvme.dma = after;
	identify(&nvme, "new_memory_ms");
	nvme_user_stop(&nvme);
}

SCENARIO(iommufd_bar_across_fatal,
	 "a user of an iommufd that reads its mapped BAR waits, and then reads the right value",
	 .debug = true)
{
	struct access_log log = {
		.u = &user, .kind = ACCESS_MAP_READ, .region = BAR0, .off = NIC_STATUS,
	};

	start(PORT, "resume");
	log.value = nic_status(&user);
	REQUIRE_OK(access_start(&log));
	for (int i = 0; i < 3; i++)
		REQUIRE_OK(strike(&shim, PORT, i == 1 ? "POISON_TLP" : "DLP", "open"));
	access_stop(&log);
	CHECK(!log.wrong && !log.ones && !log.faults, "%ju wrong, %ju ones, %ju faults",
	      log.wrong, log.ones, log.faults);
	CHECK(shim_number(shim.group, "stats/recoveries") == 3, "not three recoveries");
	MEASURE("reads", "%ju", log.count);
	MEASURE_STALL("stall_ms", log.longest_ns);
}

SCENARIO(iommufd_hold, "type hold under an iommufd: closed until the user's reset", .debug = true)
{
	struct waiter w = { .u = &user, .kind = WAITER_LOAD, .region = BAR0, .off = NIC_STATUS };
	uint32_t status;

	start(PORT, "hold");
	status = nic_status(&user);
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	REQUIRE_OK(waiter_start(&w));
	CHECK(waiter_waits(&w, SETTLE_MS), "a load does not wait while holding");
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(shim_is(shim.group, "open"), "not open after the reset");
	REQUIRE(waiter_ended(&w, SETTLE_MS), "the load does not end");
	CHECK(!w.error && w.value == status, "error %d, STATUS %#x", w.error, w.value);
}

SCENARIO(iommufd_evict,
	 "type evict under an iommufd: REQ, and once it is closed the next user gets it whole",
	 .debug = true)
{
	uint32_t status;
	int req;

	start(PORT, "evict");
	status = nic_status(&user);
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_REQ_IRQ_INDEX, 1, &req));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "evicting"));
	CHECK(vfio_irq_wait(req, SETTLE_MS, NULL), "REQ did not fire");
	vfio_user_close(&user);
	CHECK(shim_wait(shim.group, "open", SETTLE_MS), "not open after the close");
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

SCENARIO(iommufd_bind_during_recovery,
	 "to bind a device during its recovery waits for the end, and then works",
	 .debug = true)
{
	uint32_t status;
	uint64_t begin;

	REQUIRE_OK(shim_bind_test(&shim, PORT, 0));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
	status = nic_status(&user);
	vfio_user_close(&user);
	REQUIRE_OK(strike_slow(&shim, PORT, "600"));
	begin = now_ns();
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
	CHECK(now_ns() - begin >= 300 * NS_PER_MS, "it did not wait");
	CHECK(shim_is(shim.group, "open"), "bound while the group is closed");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

struct attacher {
	pthread_t thread;
	atomic_bool stop;
	unsigned int done;
	unsigned int refused;
	int error;
};

static void *attach_again(void *arg)
{
	struct attacher *a = arg;
	int ret;

	while (!atomic_load(&a->stop) && !a->error) {
		ret = vfio_cdev_detach(user.device);
		if (!ret)
			ret = vfio_cdev_attach(user.device, user.own.ioas);
		/* the kernel may refuse it in the middle of a reset */
		for (; ret == -EBUSY && !atomic_load(&a->stop); a->refused++) {
			sleep_ms(1);
			ret = vfio_cdev_attach(user.device, user.own.ioas);
		}
		a->done += !ret;
		a->error = ret == -EBUSY ? 0 : ret;
	}
	return NULL;
}

SCENARIO(iommufd_attach_during_recovery,
	 "the address space attached and detached all through errors: each ends, and DMA works",
	 .debug = true)
{
	struct nvme_user nvme = { 0 };
	struct attacher a = { 0 };
	unsigned int errors = 0;
	uint64_t end;
	int ret;

	start("rp_nvme", "resume");
	end = now_ms() + patient_ms(ATTACHING_MS);
	pthread_create(&a.thread, NULL, attach_again, &a);
	while (now_ms() < end && errors < 5) {
		REQUIRE_OK(strike(&shim, "rp_nvme", "DLP", "open"));
		errors++;
	}
	atomic_store(&a.stop, true);
	pthread_join(a.thread, NULL);
	CHECK(!a.error, "%s", strerror(-a.error));
	CHECK(a.done && errors, "%u attached, %u errors", a.done, errors);
	/* it may have been stopped while it was refused */
	ret = vfio_cdev_attach(user.device, user.own.ioas);
	CHECK(!ret || ret == -EINVAL, "attach: %s", strerror(-ret));
	REQUIRE_OK(nvme_user_start(&nvme, &user));
	identify(&nvme, "identify_ms");
	nvme_user_stop(&nvme);
	MEASURE("errors", "%u", errors);
	MEASURE("attached", "%u", a.done);
	MEASURE("refused", "%u", a.refused);
}

static int attach(const char *name)
{
	(void)name;
	return vfio_cdev_attach(user.device, user.own.ioas);
}

static int detach(const char *name)
{
	(void)name;
	return vfio_cdev_detach(user.device);
}

SCENARIO(iommufd_attach_waits,
	 "to attach and to detach the address space waits for the host, to attach not for ever",
	 .debug = true)
{
	struct background calls[] = { { .call = detach }, { .call = attach } };

	REQUIRE_OK(shim_bind_test(&shim, PORT, 0));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(strike_slow(&shim, PORT, "600"));
		background_start(&calls[i]);
		CHECK(background_in(&calls[i], i ? "mdr_group_wait_recovered" :
						   "mdr_device_enter_recovered",
				    SETTLE_MS), "call %d does not wait", i);
		CHECK(!atomic_load(&calls[i].done), "call %d has ended", i);
		background_ms(&calls[i], 2 * SETTLE_MS);
		CHECK_OK(calls[i].ret);
		CHECK(shim_wait(shim.group, "open", SETTLE_MS), "group is not open");
	}

	/* but not for longer than the user may be stalled */
	CHECK_OK(detach(NULL));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "200"));
	REQUIRE_OK(strike_slow(&shim, PORT, "3000"));
	CHECK_ERRNO(attach(NULL), EIO);
	CHECK(!shim_is(shim.group, "open"), "it waited for the host");
	CHECK(shim_wait(shim.group, "open", 2 * SETTLE_MS), "group is not open");
	CHECK_OK(attach(NULL));
}

#define HURRY_EVERY_MS 700

static struct {
	pthread_t thread;
	atomic_bool stop;
} hurries;

/* Closes have to hurry for a moment, again and again: an mdev elsewhere comes and goes. */
static void *make_hurries(void *unused)
{
	struct shim far;

	REQUIRE_OK(shim_bind(&far, "rp_nvme", 0));
	while (!atomic_load(&hurries.stop)) {
		CHECK_OK(shim_create(&far, "resume"));
		CHECK_OK(mdev_remove(far.uuid));
		sleep_ms(HURRY_EVERY_MS);
	}
	return unused;
}

SCENARIO(iommufd_attach_deadline,
	 "to attach waits for no longer than that however often closes have to hurry meanwhile",
	 .debug = true, .limit_s = 90)
{
	REQUIRE_OK(shim_bind_test(&shim, PORT, 0));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
	CHECK_OK(detach(NULL));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "2000"));
	REQUIRE_OK(strike_slow(&shim, PORT, "15000"));
	pthread_create(&hurries.thread, NULL, make_hurries, NULL);
	CHECK_ERRNO(attach(NULL), EIO);
	CHECK(!shim_is(shim.group, "open"), "it waited for the host");
	atomic_store(&hurries.stop, true);
	pthread_join(hurries.thread, NULL);
	CHECK(shim_wait(shim.group, "open", 20000), "group is not open");
	CHECK_OK(attach(NULL));
}

SCENARIO(iommufd_attach_held,
	 "no address space is attached to a held device until its reset; it can be detached",
	 .debug = true)
{
	start(PORT, "hold");
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	CHECK_OK(detach(NULL));
	CHECK_ERRNO(attach(NULL), EBUSY);
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK_OK(attach(NULL));
}

SCENARIO(iommufd_hot_reset,
	 "a hot reset with no file: run if all it hits is bound to one's own iommufd, else refused",
	 .debug = true)
{
	uint32_t status;
	struct shim s[2];

	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_make(&s[i], "rp_igb", i, "resume"));
	REQUIRE_OK(vfio_cdev_user_open(&user, s[0].uuid));
	REQUIRE_OK(vfio_cdev_user_open(&other, s[1].uuid));
	status = nic_status(&user);
	REQUIRE_OK(vfio_user_write(&other, BAR0, NIC_SCRATCH, 4, 0x55));
	CHECK_ERRNO(hot_reset(&user), EPERM);
	CHECK(vfio_user_read(&other, BAR0, NIC_SCRATCH, 4) == 0x55, "the other was reset");
	CHECK(shim_is(s[0].group, "open") && shim_is(s[1].group, "open"), "not open");

	vfio_user_close(&other);
	REQUIRE_OK(vfio_cdev_user_open_in(&other, s[1].uuid, user.space));
	REQUIRE_OK(vfio_user_write(&other, BAR0, NIC_SCRATCH, 4, 0x55));
	CHECK_OK(hot_reset(&user));
	CHECK(!vfio_user_read(&other, BAR0, NIC_SCRATCH, 4), "the other was not reset");
	CHECK(shim_is(s[0].group, "open") && shim_is(s[1].group, "open"), "not open");

	/* vfio's rule: a device of another group that is not bound is not the caller's */
	vfio_user_close(&other);
	REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, 0x66));
	CHECK_ERRNO(hot_reset(&user), EPERM);
	CHECK(vfio_user_read(&user, BAR0, NIC_SCRATCH, 4) == 0x66, "refused, and yet reset");
	CHECK(shim_is(s[0].group, "open") && shim_is(s[1].group, "open"), "not open");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

static int hot_reset_refused(const char *name)
{
	int ret = hot_reset(&user);

	(void)name;
	return ret == -EPERM ? 0 : ret ?: -EINVAL;
}

SCENARIO(iommufd_hot_reset_changes_hands,
	 "a hot reset that has waited asks again for the proof: a neighbour may have a new user",
	 .debug = true)
{
	struct background resetting = { .call = hot_reset_refused };
	struct shim s[2];

	/* the kernel does not wait for the second function: the neighbour is open before */
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_make(&s[i], "rp_igb", i, "resume"));
	REQUIRE_OK(shim_set(&s[1], "stall_timeout_ms", "30000"));
	REQUIRE_OK(vfio_cdev_user_open(&user, s[1].uuid));
	REQUIRE_OK(vfio_cdev_user_open_in(&other, s[0].uuid, user.space));
	REQUIRE_OK(slow_function(s[1].addr, "ones", SLOW_MS));
	REQUIRE_OK(aer_inject("rp_igb", "DLP"));
	REQUIRE(WAIT_FOR(!shim_is(s[1].group, "open"), SETTLE_MS), "no error seen");
	background_start(&resetting);
	REQUIRE(background_in(&resetting, "mdr_group_wait_settled", SETTLE_MS),
		"the hot reset does not wait");
	REQUIRE(shim_wait(s[0].group, "open", SETTLE_MS), "the neighbour waits, too");
	vfio_user_close(&other);
	REQUIRE_OK(vfio_cdev_user_open(&other, s[0].uuid));
	REQUIRE(!resetting.done, "it has waited for too short a time");
	REQUIRE_OK(vfio_user_write(&other, BAR0, NIC_SCRATCH, 4, 0x55));
	background_ms(&resetting, SETTLE_MS + SLOW_MS);
	CHECK_OK(resetting.ret);
	CHECK(vfio_user_read(&other, BAR0, NIC_SCRATCH, 4) == 0x55, "the other was reset");
	CHECK(shim_wait(s[1].group, "open", SETTLE_MS), "not open");
	REQUIRE_OK(slow_end());
}

/* A hot reset that the first user asks for. Was its device reset? */
static int hot_reset_of_both(const struct shim s[2], bool *was_reset)
{
	int ret;

	REQUIRE_OK(vfio_user_write(&user, BAR0, NIC_SCRATCH, 4, 0x77));
	ret = hot_reset(&user);
	*was_reset = !vfio_user_read(&user, BAR0, NIC_SCRATCH, 4);
	CHECK(shim_is(s[0].group, "open") && shim_is(s[1].group, "open"), "not open");
	return ret;
}

SCENARIO(iommufd_hot_reset_group,
	 "groups in an iommufd: files prove a hot reset, for an unused group and two iommufds",
	 .debug = true)
{
	bool was_reset;
	struct shim s[2];

	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_make(&s[i], "rp_igb", i, "resume"));
	REQUIRE_OK(vfio_user_open_compat(&user, s[0].uuid));
	CHECK_ERRNO(hot_reset_of_both(s, &was_reset), EPERM);
	CHECK(!was_reset, "refused, and yet reset");

	/* the group stays in the iommufd, and nobody uses its device */
	REQUIRE_OK(vfio_user_open_in(&other, s[1].uuid, user.space));
	vfio_user_close(&other);
	CHECK_OK(hot_reset_of_both(s, &was_reset));
	CHECK(was_reset, "not reset");

	/* each group in an iommufd of its own */
	close(user.space->groups[1].fd);
	user.space->nr_groups = 1;
	REQUIRE_OK(vfio_user_open_compat(&other, s[1].uuid));
	CHECK_ERRNO(hot_reset_of_both(s, &was_reset), EPERM);
	CHECK(!was_reset, "refused, and yet reset");
	user.space->groups[user.space->nr_groups++] = other.space->groups[0];
	REQUIRE_OK(vfio_user_write(&other, BAR0, NIC_SCRATCH, 4, 0x55));
	CHECK_OK(hot_reset_of_both(s, &was_reset));
	CHECK(was_reset, "not reset");
	CHECK(!vfio_user_read(&other, BAR0, NIC_SCRATCH, 4), "the other was not reset");
	user.space->nr_groups = 1;
}

SCENARIO(iommufd_unbound,
	 "a file that is bound to nothing gives no access, and sees no error; then it can be bound",
	 .debug = true)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint32_t value;
	int device;

	start(PORT, "hold");
	value = nic_status(&user);
	vfio_user_close(&user);
	device = vfio_cdev_open(shim.uuid);
	REQUIRE_OK(device);
	CHECK(ioctl(device, VFIO_DEVICE_GET_INFO, &info) && errno == EINVAL, "an ioctl");
	CHECK(ioctl(device, VFIO_DEVICE_RESET) && errno == EINVAL, "a reset");
	CHECK(pread(device, &value, 4, 0) == -1 && errno == EINVAL, "a read");
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, device, 0) == MAP_FAILED &&
	      errno == EINVAL, "a mapping");
	/* it has no user, so it is not held */
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	close(device);
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == value, "STATUS changed");
}

/* Starts a child that opens the device, binds it or not, and keeps it. */
static pid_t fork_holder(const char *uuid, bool bound)
{
	atomic_int *ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	int ret;

	if (!pid) {
		ret = bound ? vfio_cdev_user_open(&user, uuid) : vfio_cdev_open(uuid);
		if (!ret && !vfio_user_map(&user, BAR0))
			ret = -errno;
		atomic_store(ready, ret < 0 ? ret : 1);
		for (;;)
			pause();
	}
	REQUIRE(WAIT_FOR(atomic_load(ready), SETTLE_MS), "no user");
	REQUIRE_OK(atomic_load(ready));
	return pid;
}

/* Removes the mdev under a user that keeps it; the neighbour recovers meanwhile. */
static void remove_under(bool bound)
{
	struct shim neighbour;
	struct background waits = { .call = mdev_remove, .name = shim.uuid };
	struct background kills = { .call = mdev_remove, .name = shim.uuid };
	uint64_t ms;
	int status;
	pid_t pid;

	REQUIRE_OK(shim_make(&shim, "rp_igb", 0, "resume"));
	REQUIRE_OK(shim_make(&neighbour, "rp_igb", 1, "resume"));
	pid = fork_holder(shim.uuid, bound);

	/* revoke=wait: the removal waits, but the host does not */
	background_start(&waits);
	CHECK(background_in(&waits, "mdr_device_revoke", SETTLE_MS), "the removal does not wait");
	REQUIRE_OK(strike(&neighbour, "rp_igb", "DLP", "open"));
	CHECK(shim_wait(shim.group, "open", SETTLE_MS), "its own group does not recover");
	CHECK(!atomic_load(&waits.done), "the removal did not wait");
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid, "the user stays");
	background_ms(&waits, SETTLE_MS);

	/* revoke=kill: bounded */
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(shim_set(&shim, "revoke", "kill"));
	REQUIRE_OK(shim_set(&shim, "revoke_timeout_ms", "300"));
	pid = fork_holder(shim.uuid, bound);
	background_start(&kills);
	ms = background_ms(&kills, REVOKE_MS + SETTLE_MS);
	MEASURE_BOUND("removed_ms", ms, REVOKE_MS + SETTLE_MS);
	CHECK(ms >= REVOKE_MS, "the user had no time to leave");
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	      WTERMSIG(status) == SIGKILL, "status %#x", status);
}

SCENARIO(iommufd_remove,
	 "an mdev is removed under a user of an iommufd: within the bound, and delays no neighbour",
	 .debug = true)
{
	remove_under(true);
}

SCENARIO(iommufd_remove_unbound,
	 "the same under a user that opened the device and bound it to nothing",
	 .debug = true)
{
	remove_under(false);
}

SCENARIO(iommufd_remove_opened_late,
	 "a process opens the device while its removal waits for the host: it delays no neighbour",
	 .debug = true)
{
	struct background removal = { .call = mdev_remove }, reset = { .call = pci_reset };
	struct shim neighbour;
	int device;

	REQUIRE_OK(shim_make(&neighbour, "rp_igb", 1, "resume"));
	REQUIRE_OK(shim_bind_test(&shim, "rp_igb", 0));
	REQUIRE_OK(shim_create(&shim, "resume"));
	/* a reset from outside has the function, and the gate is still open */
	REQUIRE_OK(shim_test_set("reset_prepare_ms", HELD));
	reset.name = shim.addr;
	background_start(&reset);
	REQUIRE(background_in(&reset, "test_reset_prepare", SETTLE_MS), "no reset");
	removal.name = shim.uuid;
	background_start(&removal);
	REQUIRE(background_in(&removal, "mdr_function_lock", SETTLE_MS), "it does not wait");
	device = vfio_cdev_open(shim.addr);
	REQUIRE_OK(device);
	CHECK(!atomic_load(&reset.done), "the reset was faster: nothing is shown");
	background_ms(&reset, HELD_MS + SETTLE_MS);
	CHECK(background_in(&removal, "mdr_device_revoke", SETTLE_MS),
	      "it waits for the process with the lock of the function");
	REQUIRE_OK(strike(&neighbour, "rp_igb", "DLP", "open"));
	CHECK(!atomic_load(&removal.done), "the removal did not wait");
	close(device);
	background_ms(&removal, SETTLE_MS);
}
