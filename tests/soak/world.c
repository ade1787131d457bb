// SPDX-License-Identifier: GPL-2.0-only
/* The functions of the machine, and their mdevs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aer_thread.h"
#include "clock.h"
#include "mdev.h"
#include "module.h"
#include "scenario.h"
#include "soak.h"
#include "sriov.h"
#include "sysfs.h"

#define PF_PORT "rp_vf"
#define VFS 2

static const struct {
	const char *port;
	unsigned int n;
	bool test;
	bool vf;
	const char *below[4];
} places[] = {
	{ "rp_igb", 0, false, false, { "rp_igb" } },
	{ "rp_igb", 1, true, false, { "rp_igb" } },
	{ "rp_e1000e", 0, false, false, { "rp_e1000e" } },
	{ "rp_e1000e", 1, false, false, { "rp_e1000e" } },
	{ "sw_a", 0, true, false, { "rp_switch", "sw_a" } },
	{ "sw_deep", 0, false, false, { "rp_switch", "sw_b", "sw_deep" } },
	{ PF_PORT, 1, false, true, { PF_PORT } },
	{ PF_PORT, 2, true, true, { PF_PORT } },
};

const char *world_type(struct soak_random *r)
{
	static const char * const types[] = { "resume", "resume", "hold", "hold", "evict" };

	return types[random_below(r, 5)];
}

int world_bind(struct soak_function *f)
{
	struct shim *s = &f->s;
	int ret;

	if (f->test)
		ret = pci_bind(s->addr, "mdr-test");
	else
		ret = pci_bind(s->addr, "mdr-pci");
	return ret;
}

/*
 * Every wait of the driver gets a bound that the watcher knows, but that for a user to
 * leave: each of them leaves once it is asked, or is killed.
 */
static int set_bounds(struct shim *s, struct soak_random *r)
{
	char stall[16], recovery[16];
	int ret;

	snprintf(stall, sizeof(stall), "%u", patient_ms(SOAK_STALL_MS));
	snprintf(recovery, sizeof(recovery), "%u", patient_ms(SOAK_RECOVERY_MS));
	ret = shim_set(s, "stall_timeout_ms", stall);
	ret = ret ?: shim_set(s, "recovery_timeout_ms", recovery);
	ret = ret ?: shim_set(s, "hold_timeout_ms", "3000");
	ret = ret ?: shim_set(s, "revoke", random_one_in(r, 2) ? "kill" : "wait");
	return ret ?: shim_set(s, "revoke_timeout_ms", "1000");
}

int world_create(struct soak_function *f, const char *type, struct soak_random *r)
{
	int ret;

	f->type = type;
	ret = shim_create(&f->s, type);
	ret = ret ?: set_bounds(&f->s, r);
	if (ret)
		return ret;
	atomic_store(&f->there, true);
	return 0;
}

int world_remove(struct soak_function *f)
{
	atomic_store(&f->there, false);
	return mdev_remove(f->s.uuid);
}

void world_count_recoveries(struct soak_function *f)
{
	long number;

	/* the group's first function counts for all */
	if (f->n && !strcmp(f->port, "rp_e1000e"))
		return;
	number = sysfs_read_number(SHIM_CLASS "/group%d/stats/recoveries", f->s.group);
	if (number > 0)
		atomic_fetch_add(&soak->recoveries, number);
	number = sysfs_read_number(SHIM_CLASS "/group%d/stats/failures", f->s.group);
	if (number > 0)
		atomic_fetch_add(&soak->failures, number);
}

int world_unbind(struct soak_function *f)
{
	return pci_unbind(f->s.addr);
}

static void make_function(struct soak_function *f, struct soak_random *r)
{
	if (f->test)
		REQUIRE_OK(shim_bind_test(&f->s, f->port, f->n));
	else
		REQUIRE_OK(shim_bind(&f->s, f->port, f->n));
	REQUIRE_OK(world_create(f, world_type(r), r));
}

void world_make(struct soak_random *r)
{
	REQUIRE_OK(module_load("aer_inject"));
	REQUIRE_OK(sriov_start(PF_PORT, VFS));
	soak->nr_functions = sizeof(places) / sizeof(places[0]);
	for (unsigned int i = 0; i < soak->nr_functions; i++) {
		struct soak_function *f = &soak->functions[i];

		f->port = places[i].port;
		f->n = places[i].n;
		f->test = places[i].test;
		f->vf = places[i].vf;
		f->event = 0;
		memcpy(f->below, places[i].below, sizeof(f->below));
		make_function(f, r);
	}
}

int world_take_vfs(void)
{
	char pf[PCI_ADDR_LEN];
	int ret = pci_below(PF_PORT, 0, pf);

	for (unsigned int i = 0; i < soak->nr_functions; i++) {
		if (!soak->functions[i].vf)
			continue;
		atomic_store(&soak->functions[i].there, false);
		world_count_recoveries(&soak->functions[i]);
	}
	return ret ?: sriov_set(pf, 0);
}

int world_give_vfs(struct soak_random *r)
{
	char pf[PCI_ADDR_LEN];
	int ret = pci_below(PF_PORT, 0, pf);

	ret = ret ?: sriov_set(pf, VFS);
	if (!ret && !pci_wait_below(PF_PORT, VFS + 1, 5000))
		return -ENODEV;
	for (unsigned int i = 0; i < soak->nr_functions && !ret; i++) {
		struct soak_function *f = &soak->functions[i];

		if (!f->vf)
			continue;
		f->event = 0;
		ret = pci_below(f->port, f->n, f->s.addr);
		ret = ret ?: world_bind(f);
		if (!ret)
			f->s.group = pci_iommu_group(f->s.addr);
		ret = ret ?: world_create(f, f->type, r);
	}
	return ret;
}

void world_end(void)
{
	for (unsigned int i = 0; i < soak->nr_functions; i++) {
		struct soak_function *f = &soak->functions[i];

		world_count_recoveries(f);
		if (atomic_load(&f->there))
			CHECK_OK(world_remove(f));
	}
	for (unsigned int i = 0; i < soak->nr_functions; i++)
		CHECK_OK(world_unbind(&soak->functions[i]));
	CHECK(!shim_groups(), "%d groups are left", shim_groups());
	observer_end();
	CHECK(aer_wait_idle(30000), "the host does not come to an end");
	CHECK_OK(sriov_end());
	CHECK_OK(module_unload("mdev_recovery_test"));
	CHECK_OK(module_unload("mdev_recovery_pci"));
	CHECK_OK(module_unload("mdev_recovery"));
	CHECK_OK(module_unload("aer_inject"));
}
