// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that asks the IOMMU for translations and keeps them (ATS). Newer kernels, 7.3
 * among them, take such a function out of its address space while they reset it, and put
 * it back afterwards. So after each kind of recovery and reset it must do DMA again, in
 * the address space that it had, with ATS on.
 */
#include <errno.h>

#include "clock.h"
#include "hot_reset.h"
#include "resets.h"
#include "rng_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "vfio_cdev.h"

#define PORT "rp_ats"
#define IRQ_MS 2000
#define SETTLE_MS 5000
/* of a recovery or a reset that the tests' driver draws out */
#define SLOW "2400"

/* PCI Express 6.0, 7.8.9 (ATS), and the header of extended capabilities, 7.6.3 */
#define EXTENDED 0x100
#define ATS 0x000f
#define ATS_CONTROL 6
#define ATS_ENABLE 0x8000

static struct vfio_user user;
static struct shim shim;
static struct rng_user rng;

static unsigned int ats_control_at(void)
{
	unsigned int at = EXTENDED;
	uint32_t header;

	while (at) {
		header = pci_config_read(shim.addr, at, 4);
		if ((header & 0xffff) == ATS)
			return at + ATS_CONTROL;
		at = header >> 20;
	}
	REQUIRE(at, "the function has no ATS");
	return 0;
}

static bool ats_is_on(void)
{
	return pci_config_read(shim.addr, ats_control_at(), 2) & ATS_ENABLE;
}

/* The function bound; its user has had DMA done. */
static void use(void)
{
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(rng_user_start(&rng, &user));
	REQUIRE_OK(rng_user_fill(&rng, IRQ_MS));
	REQUIRE(ats_is_on(), "ATS is off: nothing is shown");
}

static void start(void)
{
	REQUIRE_OK(shim_bind(&shim, PORT, 0));
	use();
}

static void start_slow(void)
{
	REQUIRE_OK(shim_bind_test(&shim, PORT, 0));
	use();
}

/* With the memory that it had before, and with other memory. */
static void check_dma(const char *after)
{
	struct vfio_dma old = rng.dma, new;

	CHECK(ats_is_on(), "after %s ATS is off", after);
	REQUIRE_OK(rng_user_restart(&rng));
	CHECK(!rng_user_fill(&rng, IRQ_MS), "after %s no DMA", after);
	REQUIRE_OK(vfio_user_dma_map(&user, &new, old.size));
	REQUIRE_OK(vfio_user_dma_unmap(&user, &old));
	rng.dma = new;
	REQUIRE_OK(rng_user_restart(&rng));
	CHECK(!rng_user_fill(&rng, IRQ_MS), "after %s no DMA with new memory", after);
}

SCENARIO(ats_errors, "a function with ATS does DMA after fatal and non-fatal errors")
{
	start();
	for (unsigned int i = 0; i < 2; i++) {
		REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
		check_dma("a fatal error");
		REQUIRE_OK(strike(&shim, PORT, "POISON_TLP", "open"));
		check_dma("a non-fatal error");
	}
	CHECK_NUMBER(shim.group, "stats/recoveries", 4);
}

SCENARIO(ats_restored,
	 "ATS that a reset has turned off in the function is on again after the recovery")
{
	long resets;

	start_slow();
	resets = shim_test_count("slot_resets");
	REQUIRE_OK(strike_slow(&shim, PORT, SLOW));
	/* QEMU's function keeps it across a reset of the link */
	CHECK(WAIT_FOR(shim_test_count("slot_resets") > resets, SETTLE_MS),
	      "the link was not reset");
	REQUIRE_OK(pci_config_write(shim.addr, ats_control_at(), 2, 0));
	REQUIRE(!ats_is_on(), "ATS cannot be turned off");
	REQUIRE(shim_wait(shim.group, "open", SETTLE_MS), "not open");
	check_dma("a fatal error");
}

SCENARIO(ats_resets,
	 "a function with ATS does DMA after resets by its user and by the administrator")
{
	static const char * const methods[] = { "flr", "bus" };

	start();
	for (unsigned int i = 0; i < 2; i++) {
		REQUIRE_OK(sysfs_write(methods[i], "/sys/bus/pci/devices/%s/reset_method",
				       shim.addr));
		check_dma("a choice of the method");
		REQUIRE_OK(vfio_user_reset(&user));
		check_dma(i ? "the user's reset of the bus" : "the user's FLR");
		REQUIRE_OK(pci_reset(shim.addr));
		check_dma(i ? "a reset of the bus" : "an FLR");
	}
	REQUIRE_OK(sysfs_write("default", "/sys/bus/pci/devices/%s/reset_method", shim.addr));
	REQUIRE_OK(hot_reset(&user));
	check_dma("a hot reset");
	CHECK(shim_is(shim.group, "open"), "not open");
}

/* Failed, since it does not get well; then well again, and recovered by a method of reset. */
static void fail_and_recover(const char *method)
{
	long flrs, buses;

	REQUIRE_OK(sysfs_write(method, "/sys/bus/pci/devices/%s/reset_method", shim.addr));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "failed"));
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
	flrs = resets_seen("flrs");
	buses = resets_seen("resets");
	REQUIRE_OK(sysfs_write("1", SHIM_CLASS "/group%d/recover", shim.group));
	CHECK(shim_is(shim.group, "open"), "not open after recover");
	CHECK(resets_seen("flrs") + resets_seen("resets") > flrs + buses,
	      "no reset was made");
	check_dma(method);
}

SCENARIO(ats_recover, "a function with ATS does DMA after recover, by an FLR or a reset of the bus")
{
	REQUIRE_OK(resets_load());
	start_slow();
	REQUIRE_OK(shim_set(&shim, "recovery_timeout_ms", "1000"));
	fail_and_recover("flr");
	fail_and_recover("bus");
	REQUIRE_OK(sysfs_write("default", "/sys/bus/pci/devices/%s/reset_method", shim.addr));
}

SCENARIO(ats_next_user,
	 "the user of a function with ATS leaves during a recovery; another comes, and does DMA")
{
	start_slow();
	REQUIRE_OK(strike_slow(&shim, PORT, SLOW));
	vfio_user_close(&user);
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	CHECK(shim_is(shim.group, "open"), "the open did not wait");
	REQUIRE_OK(rng_user_start(&rng, &user));
	CHECK_OK(rng_user_fill(&rng, IRQ_MS));
	REQUIRE_OK(shim_test_set("slot_reset_ms", "0"));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	check_dma("a fatal error");
}

SCENARIO(ats_iommufd,
	 "through an iommufd, too: attached anew during a recovery it does DMA after it",
	 .debug = true)
{
	REQUIRE_OK(shim_bind_test(&shim, PORT, 0));
	REQUIRE_OK(shim_create(&shim, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
	REQUIRE_OK(rng_user_start(&rng, &user));
	REQUIRE_OK(rng_user_fill(&rng, IRQ_MS));
	REQUIRE(ats_is_on(), "ATS is off: nothing is shown");
	REQUIRE_OK(vfio_cdev_detach(user.device));
	REQUIRE_OK(strike_slow(&shim, PORT, SLOW));
	REQUIRE_OK(vfio_cdev_attach(user.device, user.space->ioas));
	CHECK(shim_wait(shim.group, "open", SETTLE_MS), "not open");
	check_dma("a fatal error");
	REQUIRE_OK(vfio_user_reset(&user));
	check_dma("the user's reset");
}
