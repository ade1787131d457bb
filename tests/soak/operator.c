// SPDX-License-Identifier: GPL-2.0-only
/* The administrator: looks at everything, changes everything, recovers what is lost. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aer_thread.h"
#include "clock.h"
#include "klog.h"
#include "mdev.h"
#include "scenario.h"
#include "soak.h"
#include "sysfs.h"

#define LOOK_MS 20000
#define RECOVER_MS 60000
#define REMOVE_MS 90000
#define PAUSE_US 300000

static struct soak_function *any(struct soak_actor *a)
{
	return &soak->functions[random_below(&a->random, soak->nr_functions)];
}

/* Every file that can be read, of a folder and of those in it. */
static void read_all(const char *path, unsigned int depth)
{
	char file[512], text[4096];
	struct dirent *e;
	DIR *dir = opendir(path);

	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%.200s/%.200s", path, e->d_name);
		if (e->d_type == DT_REG)
			sysfs_read(text, sizeof(text), "%s", file);
		else if (e->d_type == DT_DIR && depth)
			read_all(file, depth - 1);
	}
	if (dir)
		closedir(dir);
}

static void look(struct soak_actor *a)
{
	static const char * const modules[] = {
		"mdev_recovery", "mdev_recovery_pci", "mdev_recovery_test",
	};
	struct soak_function *f = any(a);
	char path[128], text[4096];

	snprintf(path, sizeof(path), SHIM_CLASS "/group%d", f->s.group);
	read_all(path, 1);
	snprintf(path, sizeof(path), MDEV_DIR "/%s", f->s.uuid);
	read_all(path, 1);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/mdev_supported_types", f->s.addr);
	read_all(path, 1);
	sysfs_read(text, sizeof(text), SHIM_CLASS "/settings");
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		snprintf(path, sizeof(path), "/sys/module/%s", modules[i]);
		read_all(path, 1);
	}
}

static int recover(struct soak_function *f)
{
	return sysfs_write("1", SHIM_CLASS "/group%d/recover", f->s.group);
}

static void recover_failed(struct soak_actor *a)
{
	(void)a;
	for (unsigned int i = 0; i < soak->nr_functions; i++) {
		struct soak_function *f = &soak->functions[i];

		if (shim_is(f->s.group, "failed"))
			soak_say("recover group%d: %d", f->s.group, recover(f));
	}
}

/* Mostly nothing is lost, and it is refused. */
static void recover_any(struct soak_actor *a)
{
	struct soak_function *f = any(a);

	soak_say("recover group%d as it is: %d", f->s.group, recover(f));
}

static void reset(struct soak_actor *a)
{
	struct soak_function *f = any(a);

	soak_say("reset %s: %d", f->s.addr, pci_reset(f->s.addr));
}

static void tune(struct soak_actor *a)
{
	static const struct {
		const char *name;
		const char *values[4];
	} tunables[] = {
		{ "dead_access", { "ones", "ones", "fault", "fault" } },
		{ "nonfatal_action", { "continue", "reset", "continue", "reset" } },
		{ "reset_elision", { "never", "pristine", "pristine", "never" } },
		{ "stall_timeout_ms", { "0", "100", "1000", "1500" } },
		{ "hold_timeout_ms", { "0", "300", "2000", "5000" } },
		{ "recovery_timeout_ms", { "1000", "4000", "8000", "8000" } },
		{ "breaker_max", { "0", "0", "0", "3" } },
		{ "breaker_window_ms", { "1", "1000", "10000", "3600000" } },
		{ "revoke", { "kill", "kill", "wait", "wait" } },
		{ "revoke_timeout_ms", { "0", "100", "1000", "3000" } },
	};
	struct soak_function *f = any(a);
	unsigned int i = random_below(&a->random, sizeof(tunables) / sizeof(tunables[0]));
	const char *value = tunables[i].values[random_below(&a->random, 4)];

	if (!atomic_load(&f->there))
		return;
	shim_set(&f->s, tunables[i].name, value);
	if (random_one_in(&a->random, 8) &&
	    shim_set(&f->s, tunables[i].name, "nonsense") != -EINVAL)
		soak_fail("%s takes nonsense", tunables[i].name);
}

/* The recoveries of the tests' own driver go wrong in some way, for a while. */
static const struct {
	const char *name;
	const char *values[3];
} faults[] = {
	{ "restore_fails", { "1", "2", "4" } },
	{ "restore_ms", { "1", "20", "300" } },
	{ "restore_error", { "-5", "-11", "-110" } },
	{ "unhealthy", { "1", "1", "1" } },
	{ "prepare_ms", { "1", "20", "200" } },
	{ "slot_reset_ms", { "1", "50", "1500" } },
	{ "resume_ms", { "1", "50", "1500" } },
	{ "linger_ms", { "1", "50", "1500" } },
	{ "reset_done_ms", { "1", "50", "500" } },
};

#define NR_FAULTS (sizeof(faults) / sizeof(faults[0]))

void operator_behave(void)
{
	for (size_t i = 0; i < NR_FAULTS; i++)
		shim_test_set(faults[i].name, "0");
}

static void misbehave(struct soak_actor *a)
{
	unsigned int i = random_below(&a->random, NR_FAULTS);

	if (random_one_in(&a->random, 2)) {
		operator_behave();
		return;
	}
	shim_test_set(faults[i].name, faults[i].values[random_below(&a->random, 3)]);
}

static void remove_and_create(struct soak_actor *a)
{
	struct soak_function *f = any(a);
	const char *type = world_type(&a->random);
	int ret;

	if (atomic_load(&f->there)) {
		ret = world_remove(f);
		soak_say("remove the mdev of %s: %d", f->s.addr, ret);
		if (ret) {
			soak_fail("the mdev of %s cannot be removed: %s", f->s.addr,
				  strerror(-ret));
			return;
		}
	}
	random_sleep(&a->random, PAUSE_US);
	ret = world_create(f, type, &a->random);
	soak_say("create %s of %s: %d", type, f->s.addr, ret);
	if (ret)
		soak_fail("an mdev of %s cannot be created: %s", f->s.addr, strerror(-ret));
}

/*
 * No error is being recovered from, and none comes: what follows changes which functions
 * there are, or which have drivers, and the PCI core does not bear that in the middle of
 * a recovery (Documentation/testing.md).
 */
static bool calm_begin(void)
{
	pthread_mutex_lock(&soak->strike_lock);
	if (aer_wait_idle(LOOK_MS))
		return true;
	pthread_mutex_unlock(&soak->strike_lock);
	return false;
}

static void calm_end(void)
{
	pthread_mutex_unlock(&soak->strike_lock);
}

static void unbind_and_bind(struct soak_actor *a)
{
	struct soak_function *f = any(a);
	const char *type = world_type(&a->random);
	int ret;

	if (!calm_begin())
		return;
	world_count_recoveries(f);
	atomic_store(&f->there, false);
	f->event = 0;
	ret = world_unbind(f);
	soak_say("unbind %s: %d", f->s.addr, ret);
	random_sleep(&a->random, PAUSE_US);
	ret = ret ?: world_bind(f);
	soak_say("bind %s: %d", f->s.addr, ret);
	calm_end();
	ret = ret ?: world_create(f, type, &a->random);
	if (ret)
		soak_fail("%s cannot be bound again: %s", f->s.addr, strerror(-ret));
}

/* The host takes all VFs from their users, and gives them again. */
static void take_and_give(struct soak_actor *a)
{
	int ret;

	if (!calm_begin())
		return;
	ret = world_take_vfs();

	soak_say("take the VFs: %d", ret);
	random_sleep(&a->random, PAUSE_US);
	ret = ret ?: world_give_vfs(&a->random);
	soak_say("give VFs: %d", ret);
	calm_end();
	if (ret)
		soak_fail("VFs cannot be taken and given: %s", strerror(-ret));
}

/* Gone, without a word to its user. */
static void remove_and_rescan(struct soak_actor *a)
{
	struct soak_function *f = any(a);
	const char *type = world_type(&a->random);
	int ret = 0;

	if (f->vf)
		return;
	if (!calm_begin())
		return;
	world_count_recoveries(f);
	atomic_store(&f->there, false);
	f->event = 0;
	ret = pci_remove(f->s.addr);
	soak_say("hot-unplug %s: %d", f->s.addr, ret);
	random_sleep(&a->random, PAUSE_US);
	ret = ret ?: pci_rescan(f->port);
	if (!ret && !pci_wait_below(f->port, f->n + 1, LOOK_MS))
		ret = -ENODEV;
	ret = ret ?: world_bind(f);
	calm_end();
	soak_say("replug %s: %d", f->s.addr, ret);
	if (!ret)
		f->s.group = pci_iommu_group(f->s.addr);
	ret = ret ?: world_create(f, type, &a->random);
	if (ret)
		soak_fail("%s does not come back: %s", f->s.addr, strerror(-ret));
}

static const struct soak_operation operations[] = {
	{ "look", 20, LOOK_MS, look },
	{ "recover", 30, 8 * RECOVER_MS, recover_failed },
	{ "recover any", 10, RECOVER_MS, recover_any },
	{ "reset", 10, RECOVER_MS, reset },
	{ "tune", 20, LOOK_MS, tune },
	{ "misbehave", 10, LOOK_MS, misbehave },
	{ "remove and create", 6, REMOVE_MS, remove_and_create },
	{ "unbind and bind", 4, REMOVE_MS, unbind_and_bind },
	{ "take and give VFs", 4, 2 * REMOVE_MS, take_and_give },
	{ "hot-unplug", 4, 2 * REMOVE_MS, remove_and_rescan },
};

#define NR_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

void operator_run(struct soak_actor *a)
{
	while (!atomic_load(&soak->stop)) {
		if (atomic_load(&soak->rest)) {
			atomic_store(&a->parked, true);
			sleep_ms(5);
			continue;
		}
		atomic_store(&a->parked, false);
		actor_draw(a, operations, NR_OPERATIONS);
		random_sleep(&a->random, PAUSE_US);
	}
}

void operator_report(const struct soak_actor *a)
{
	actor_report(a, operations, NR_OPERATIONS);
}
