// SPDX-License-Identifier: GPL-2.0-only
/*
 * A parent driver with a vfio driver of its own (module/mdev_recovery_vendor.c): the
 * gate is around its operations, its mappings and its migration, and its hooks are
 * called after every reset. The driver counts operations that the gate let through.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "access_log.h"
#include "background.h"
#include "clock.h"
#include "hot_reset.h"
#include "mdev.h"
#include "module.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "task.h"
#include "vendor_user.h"
#include "vfio_irq.h"
#include "waiter.h"

#define PAIR_PORT "rp_igb"
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define COMMAND 0x04
#define MEMORY 0x2
#define MASTER 0x4
#define WORD 0x40
#define VALUE 0x12345678
#define OWN_IOCTL _IO(VFIO_TYPE, VFIO_BASE + 200)
#define OWN_ANSWER 42
#define SETTLE_MS 3000
#define RESTORE "300"
#define RESTORE_MS 300
#define STALL "200"
#define STALL_MS 200
/* what a busy machine adds */
#define SLOW_MS 1500

static struct vfio_user user, second;

/* The register that only the hook writes. */
static void check_hooked(struct vfio_user *u, const char *after)
{
	uint32_t value = vfio_user_read(u, BAR0, NIC_SCRATCH, 4);

	CHECK(value == VENDOR_MAGIC, "after %s the register is %#x", after, value);
}

SCENARIO(vendor_region_waits,
	 "the parent driver's own region, read and mapped: access waits for the recovery")
{
	struct access_log logs[] = {
		{ .u = &user, .kind = ACCESS_PREAD, .region = VENDOR_REGION,
		  .value = VENDOR_MAGIC },
		{ .u = &user, .kind = ACCESS_MAP_READ, .region = VENDOR_REGION,
		  .value = VENDOR_MAGIC, .pause_us = 100 },
		{ .u = &user, .kind = ACCESS_PWRITE, .region = VENDOR_REGION, .off = WORD,
		  .value = VALUE },
	};
	struct shim s;

	vendor_start(&s, &user, "resume");
	CHECK(user.regions[VENDOR_REGION].size == 4096, "its size is %#jx",
	      (uintmax_t)user.regions[VENDOR_REGION].size);
	for (unsigned int i = 0; i < 3; i++)
		REQUIRE_OK(access_start(&logs[i]));
	REQUIRE_OK(shim_vendor_set("restore_ms", RESTORE));
	REQUIRE_OK(strike(&s, VENDOR_PORT, "DLP", "open"));
	for (unsigned int i = 0; i < 3; i++) {
		access_stop(&logs[i]);
		CHECK(!logs[i].wrong && !logs[i].ones && !logs[i].errors && !logs[i].faults,
		      "%u: %ju wrong, %ju ones, %ju errors, %ju faults", i, logs[i].wrong,
		      logs[i].ones, logs[i].errors, logs[i].faults);
		/* also the mapping, so it was taken away */
		CHECK(logs[i].longest_ns >= RESTORE_MS * NS_PER_MS,
		      "%u: the longest wait is %ju ns", i, (uintmax_t)logs[i].longest_ns);
	}
	CHECK(vfio_user_read(&user, VENDOR_REGION, WORD, 4) == VALUE, "the write is lost");
	check_hooked(&user, "the recovery");
	vendor_check_gated(&s);
}

SCENARIO(vendor_region_dead,
	 "the same for a device that stays dead: all-ones, and later the region again")
{
	volatile uint32_t *map;
	struct shim s;
	uint32_t word = VALUE;

	vendor_start(&s, &user, "resume");
	map = vfio_user_map(&user, VENDOR_REGION);
	REQUIRE(map && *map == VENDOR_MAGIC, "no mapping");
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "500"));
	REQUIRE_OK(shim_vendor_set("restore_error", "-5"));
	REQUIRE_OK(strike(&s, VENDOR_PORT, "DLP", "failed"));
	CHECK(vfio_user_read(&user, VENDOR_REGION, 0, 4) == UINT32_MAX, "it reads %#x",
	      vfio_user_read(&user, VENDOR_REGION, 0, 4));
	CHECK(*map == UINT32_MAX, "the mapping has %#x", *map);
	CHECK(vfio_user_pwrite(&user, VENDOR_REGION, &word, 4, 4096 - 4) == 4, "a write fails");
	CHECK_ERRNO(vfio_user_pwrite(&user, VENDOR_REGION, &word, 4, 4096), EINVAL);
	CHECK_ERRNO(ioctl(user.device, OWN_IOCTL) < 0 ? -errno : 0, EIO);
	vendor_check_gated(&s);

	REQUIRE_OK(shim_vendor_set("restore_error", "0"));
	REQUIRE_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group));
	CHECK(*map == VENDOR_MAGIC, "the mapping has %#x", *map);
	CHECK(vfio_user_read(&user, VENDOR_REGION, 4096 - 4, 4) == 0,
	      "a write to a dead device arrived");
	check_hooked(&user, "recover");
	vendor_check_gated(&s);
}

static int feature(uint32_t what, void *data, uint32_t size)
{
	struct {
		struct vfio_device_feature head;
		uint8_t data[64];
	} arg = {
		.head = { .argsz = sizeof(arg.head) + size, .flags = what },
	};
	int ret;

	memcpy(arg.data, data, size);
	ret = ioctl(user.device, VFIO_DEVICE_FEATURE, &arg);
	memcpy(data, arg.data, size);
	return ret < 0 ? -errno : 0;
}

/* The state; or the file with the data that comes with it, 0 if none does. */
static int migration_set(uint32_t state)
{
	struct vfio_device_feature_mig_state arg = { .device_state = state, .data_fd = -1 };
	int ret = feature(VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE | VFIO_DEVICE_FEATURE_SET,
			  &arg, sizeof(arg));

	return ret || arg.data_fd < 0 ? ret : arg.data_fd;
}

static int migration_get(void)
{
	struct vfio_device_feature_mig_state arg = {};
	int ret = feature(VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE | VFIO_DEVICE_FEATURE_GET,
			  &arg, sizeof(arg));

	return ret ? ret : (int)arg.device_state;
}

static int migration_size(const char *unused)
{
	struct vfio_device_feature_mig_data_size arg = {};

	(void)unused;
	return feature(VFIO_DEVICE_FEATURE_MIG_DATA_SIZE | VFIO_DEVICE_FEATURE_GET, &arg,
		       sizeof(arg));
}

static int log_stop(const char *unused)
{
	(void)unused;
	return feature(VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP | VFIO_DEVICE_FEATURE_SET, NULL, 0);
}

static int data_fd;

static int data_read(const char *unused)
{
	uint32_t value;
	int ret = read(data_fd, &value, sizeof(value));

	(void)unused;
	return ret < 0 ? -errno : value == UINT32_MAX ? -ENODATA : 0;
}

static int stop(const char *unused)
{
	(void)unused;
	return migration_set(VFIO_DEVICE_STATE_STOP);
}

static int get(const char *unused)
{
	(void)unused;
	return migration_get();
}

static int own_ioctl(const char *unused)
{
	int ret = ioctl(user.device, OWN_IOCTL);

	(void)unused;
	return ret < 0 ? -errno : ret == OWN_ANSWER ? 0 : -EBADMSG;
}

/* Each call that reaches the driver, and what it gives when the gate is open again. */
static const struct {
	const char *name;
	int (*call)(const char *unused);
	int result;
} calls[] = {
	{ "the state", get, VFIO_DEVICE_STATE_RUNNING },
	{ "a new state", stop, 0 },
	{ "the size", migration_size, 0 },
	{ "the data", data_read, 0 },
	{ "the log", log_stop, 0 },
	{ "the own ioctl", own_ioctl, 0 },
};

#define NR_CALLS (sizeof(calls) / sizeof(calls[0]))

SCENARIO(vendor_migration_waits,
	 "migration, its data, logging and an own ioctl wait for a recovery, which ends it")
{
	struct background b[NR_CALLS] = {};
	struct shim s;

	vendor_start(&s, &user, "resume");
	data_fd = migration_set(VFIO_DEVICE_STATE_STOP_COPY);
	REQUIRE(data_fd > 0, "no file: %s", strerror(-data_fd));
	CHECK(migration_get() == VFIO_DEVICE_STATE_STOP_COPY, "state %d", migration_get());
	CHECK(data_read(NULL) == 0, "no data");
	for (unsigned int i = 0; i < NR_CALLS; i++) {
		REQUIRE_OK(shim_vendor_set("restore_ms", "800"));
		REQUIRE_OK(aer_inject(VENDOR_PORT, "DLP"));
		REQUIRE(shim_wait(s.group, "recovering", SETTLE_MS), "not recovering");
		b[i].call = calls[i].call;
		background_start(&b[i]);
		CHECK(WAIT_FOR(task_at_gate(atomic_load(&b[i].task), 0), SETTLE_MS), "%s passes",
		      calls[i].name);
		CHECK(shim_wait(s.group, "open", SETTLE_MS), "not open");
		background_ms(&b[i], SETTLE_MS);
		CHECK(b[i].ret == calls[i].result, "%s gives %d", calls[i].name, b[i].ret);
		if (i == 1)
			CHECK(migration_get() == VFIO_DEVICE_STATE_STOP, "not stopped");
	}
	vendor_check_gated(&s);
}

SCENARIO(vendor_migration_dead, "the same at a gate that stays closed: EIO, and no call gets in")
{
	struct shim s;

	vendor_start(&s, &user, "hold");
	data_fd = migration_set(VFIO_DEVICE_STATE_STOP_COPY);
	REQUIRE(data_fd > 0, "no file: %s", strerror(-data_fd));
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", STALL));
	REQUIRE_OK(strike(&s, VENDOR_PORT, "DLP", "holding"));
	for (unsigned int i = 0; i < NR_CALLS; i++)
		CHECK(calls[i].call(NULL) == -EIO, "%s is let in", calls[i].name);
	vendor_check_gated(&s);

	CHECK_OK(vfio_user_reset(&user));
	REQUIRE(shim_wait(s.group, "open", SETTLE_MS), "not open");
	CHECK(migration_get() == VFIO_DEVICE_STATE_RUNNING, "state %d", migration_get());
	check_hooked(&user, "the reset");
}

SCENARIO(vendor_hook_after_reset,
	 "the hook is called after each reset, before any access: open, user, host, outside")
{
	long restores;
	struct shim s;

	vendor_start(&s, &user, "resume");
	check_hooked(&user, "open");
	CHECK(shim_vendor_count("restores") == 1, "%ld hooks at open",
	      shim_vendor_count("restores"));
	REQUIRE_OK(vfio_user_bus_master(&user, true));

	CHECK_OK(vfio_user_reset(&user));
	check_hooked(&user, "a reset by the user");
	CHECK(pci_command(s.addr) & 0x4, "the user's reset took bus mastering");
	CHECK(shim_vendor_count("restores") == 2, "%ld hooks", shim_vendor_count("restores"));

	CHECK_OK(pci_reset(s.addr));
	check_hooked(&user, "a reset from outside");
	CHECK(pci_command(s.addr) & 0x4, "the outside's reset took bus mastering");
	CHECK(shim_is(s.group, "open"), "not open");

	restores = shim_vendor_count("restores");
	REQUIRE_OK(strike(&s, VENDOR_PORT, "DLP", "open"));
	check_hooked(&user, "a recovery");
	CHECK(pci_command(s.addr) & 0x4, "the recovery took bus mastering");
	CHECK(shim_vendor_count("restores") == restores + 1, "%ld hooks in a recovery",
	      shim_vendor_count("restores") - restores);

	vfio_user_close(&user);
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	check_hooked(&user, "another open");
	CHECK(!(pci_command(s.addr) & 0x4), "a new user has the bus mastering of the one before");
	/* one that nobody has open */
	vfio_user_close(&user);
	restores = shim_vendor_count("restores");
	CHECK_OK(pci_reset(s.addr));
	CHECK(shim_vendor_count("restores") == restores + 1, "%ld hooks of a closed device",
	      shim_vendor_count("restores") - restores);
	vendor_check_gated(&s);
}

SCENARIO(vendor_hook_after_hot_reset, "the same for all that a hot reset hits, in other groups too")
{
	struct shim s[2];

	for (unsigned int i = 0; i < 2; i++) {
		REQUIRE_OK(shim_bind_vendor(&s[i], PAIR_PORT, i));
		REQUIRE_OK(shim_create(&s[i], "resume"));
	}
	REQUIRE_OK(vfio_user_open(&user, s[0].uuid));
	REQUIRE_OK(vfio_user_open_in(&second, s[1].uuid, user.space));
	for (unsigned int i = 0; i < 2; i++) {
		struct vfio_user *u = i ? &second : &user;

		REQUIRE_OK(vfio_user_write(u, BAR0, NIC_SCRATCH, 4, VALUE));
	}
	REQUIRE_OK(shim_vendor_set("restores", "0"));
	CHECK_OK(hot_reset(&user));
	check_hooked(&user, "a hot reset");
	check_hooked(&second, "a hot reset of another group");
	CHECK(shim_vendor_count("restores") == 2, "%ld hooks", shim_vendor_count("restores"));

	REQUIRE_OK(shim_set(&s[0], "recovery_timeout_ms", "300"));
	REQUIRE_OK(shim_set(&s[1], "recovery_timeout_ms", "300"));
	REQUIRE_OK(shim_vendor_set("restore_error", "-5"));
	CHECK_ERRNO(hot_reset(&user), EIO);
	for (unsigned int i = 0; i < 2; i++)
		CHECK(shim_is(s[i].group, "failed"), "group %u is not failed", i);
	REQUIRE_OK(shim_vendor_set("restore_error", "0"));
	for (unsigned int i = 0; i < 2; i++)
		CHECK_OK(vfio_user_reset(i ? &second : &user));
	check_hooked(&user, "another reset");
	check_hooked(&second, "another reset");
	for (unsigned int i = 0; i < 2; i++)
		CHECK(shim_is(s[i].group, "open"), "group %u is not open", i);
	vendor_check_gated(&s[0]);
}

SCENARIO(vendor_hook_fails,
	 "a hook that fails: the reset fails with it, or the open; the gate opens when it succeeds")
{
	struct vfio_user other;
	uint64_t begin;
	struct shim s;
	int err;

	vendor_start(&s, &user, "resume");
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_ERR_IRQ_INDEX, 1, &err));
	REQUIRE_OK(shim_set(&s, "recovery_timeout_ms", "1000"));

	/* it takes its time: so does the reset */
	REQUIRE_OK(shim_vendor_set("unhealthy", "4"));
	begin = now_ns();
	CHECK_OK(vfio_user_reset(&user));
	CHECK(now_ns() - begin > 100 * NS_PER_MS, "it did not wait");
	CHECK(shim_vendor_count("unhealthy") == 0, "not asked again");
	check_hooked(&user, "a slow reset");
	CHECK(shim_is(s.group, "open"), "not open");

	REQUIRE_OK(shim_vendor_set("restore_error", "-5"));
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	CHECK(shim_is(s.group, "failed"), "not failed");
	CHECK(vfio_irq_wait(err, SETTLE_MS, NULL), "ERR did not fire");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == UINT32_MAX, "it can be read");
	CHECK_ERRNO(vfio_user_reset(&user), EIO);
	CHECK(!vfio_irq_wait(err, 0, NULL), "ERR fired again");
	REQUIRE_OK(shim_vendor_set("restore_error", "0"));
	CHECK_OK(vfio_user_reset(&user));
	CHECK(shim_is(s.group, "open"), "not open");
	check_hooked(&user, "another reset");

	/* from outside: a recovery follows, and that gives up */
	REQUIRE_OK(shim_vendor_set("restore_error", "-5"));
	CHECK_OK(pci_reset(s.addr));
	CHECK(shim_wait(s.group, "failed", 2 * SETTLE_MS), "not failed");
	REQUIRE_OK(shim_vendor_set("restore_error", "0"));
	CHECK_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", s.group));
	check_hooked(&user, "recover");

	vfio_user_close(&user);
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", STALL));
	REQUIRE_OK(shim_vendor_set("restore_error", "-5"));
	CHECK_ERRNO(vfio_user_open(&other, s.uuid), EIO);
	REQUIRE_OK(shim_vendor_set("restore_error", "0"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	check_hooked(&user, "another open");
	vendor_check_gated(&s);
}

static int reset_user(const char *unused)
{
	(void)unused;
	return vfio_user_reset(&user);
}

SCENARIO(vendor_hook_and_error,
	 "an error before the hook of a reset has succeeded: its recovery calls the hook, too")
{
	struct background reset = { .call = reset_user };
	struct shim s;
	uint64_t seen;

	vendor_start(&s, &user, "resume");
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	seen = shim_number(s.group, "event");
	/* one that is called again */
	REQUIRE_OK(shim_vendor_set("restore_error", "-11"));
	background_start(&reset);
	REQUIRE(background_in(&reset, "mdr_hooks_call", SETTLE_MS), "it does not wait");
	/* by itself this one would need no reset */
	REQUIRE_OK(aer_inject(VENDOR_PORT, "POISON_TLP"));
	REQUIRE(WAIT_FOR(shim_number(s.group, "event") != seen, SETTLE_MS), "no error seen");
	MEASURE_BOUND("reset_ms", background_ms(&reset, SETTLE_MS), SLOW_MS);
	CHECK(!shim_is(s.group, "open"), "open without the hook");
	REQUIRE_OK(shim_vendor_set("restore_error", "0"));
	REQUIRE(shim_wait(s.group, "open", SETTLE_MS), "not open");
	check_hooked(&user, "the recovery");
	CHECK(pci_command(s.addr) & 0x4, "no bus mastering");
	vendor_check_gated(&s);
}

SCENARIO(vendor_hook_without_master,
	 "the hook of a recovery meets no bus mastering, though the function was bound with it")
{
	struct shim s;
	long before;

	REQUIRE_OK(pci_below(VENDOR_PORT, 0, s.addr));
	REQUIRE_OK(pci_config_write(s.addr, COMMAND, 2, MEMORY | MASTER));
	REQUIRE_OK(shim_bind_vendor(&s, VENDOR_PORT, 0));
	REQUIRE(pci_command(s.addr) & MASTER, "the bind ends bus mastering: nothing is shown");
	before = shim_vendor_count("restores");
	/* the hook fails if it finds bus mastering on */
	REQUIRE_OK(strike(&s, VENDOR_PORT, "DLP", "open"));
	CHECK(shim_vendor_count("restores") == before + 1, "%ld restores, were %ld",
	      shim_vendor_count("restores"), before);
	CHECK(!(pci_command(s.addr) & MASTER), "COMMAND is %#x", pci_command(s.addr));
}

SCENARIO(vendor_lifetime,
	 "its structure and ours do not touch; incomplete operations are refused; nothing is left")
{
	struct shim s;

	REQUIRE_OK(shim_bind_vendor(&s, VENDOR_PORT, 0));
	REQUIRE_OK(shim_vendor_set("migration", "2"));
	CHECK(shim_create(&s, "resume") < 0, "incomplete migration operations pass");
	for (unsigned int i = 0; i < 3; i++) {
		/* with all of it, without the log of what DMA has written, without any of it */
		static const char * const migration[] = { "1", "3", "0" };

		REQUIRE_OK(shim_vendor_set("migration", migration[i]));
		REQUIRE_OK(shim_create(&s, "resume"));
		REQUIRE_OK(vfio_user_open(&user, s.uuid));
		CHECK_ERRNO(module_unload("mdev_recovery_vendor"), EWOULDBLOCK);
		if (i == 2)
			CHECK_ERRNO(migration_get(), ENOTTY);
		else
			CHECK(migration_get() == VFIO_DEVICE_STATE_RUNNING, "no migration");
		REQUIRE_OK(strike(&s, VENDOR_PORT, "DLP", "open"));
		check_hooked(&user, "a recovery");
		vfio_user_close(&user);
		REQUIRE_OK(mdev_remove(s.uuid));
	}
	REQUIRE_OK(pci_unbind(s.addr));
	CHECK_OK(module_unload("mdev_recovery_vendor"));
}
