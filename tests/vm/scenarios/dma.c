// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA by a real controller across a fatal error: to memory mapped before the error and
 * after it, with completions through the interrupt that was set up before it.
 */
#include "clock.h"
#include "nvme_user.h"
#include "scenario.h"
#include "strike.h"

#define PORT "rp_nvme"
#define IRQ_MS 2000
/* to start the controller and make one command: as long as without an error */
#define DMA_MS 500

static struct vfio_user user;
static struct shim shim;
static struct nvme_user nvme;

static void start(void)
{
	struct nvme_identity id;

	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(nvme_user_start(&nvme, &user));
	REQUIRE_OK(nvme_user_identify(&nvme, &id, IRQ_MS));
}

static void identify(const char *what)
{
	struct nvme_identity id;
	uint64_t start_ns = now_ns();

	REQUIRE_OK(nvme_user_restart(&nvme));
	REQUIRE_OK(nvme_user_identify(&nvme, &id, IRQ_MS));
	CHECK(!strcmp(id.serial, "mdr-nvme-0"), "serial is '%s'", id.serial);
	MEASURE_BOUND(what, (now_ns() - start_ns) / NS_PER_MS, DMA_MS);
}

SCENARIO(dma_across_fatal,
	 "nvme does DMA with memory mapped before a fatal error, then with memory mapped after it")
{
	struct vfio_dma before, after;
	uint16_t command;

	start();
	command = vfio_user_command(&user);
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	CHECK(vfio_user_command(&user) == command, "COMMAND is %#x, was %#x",
	      vfio_user_command(&user), command);
	CHECK(pci_command(shim.addr) & 0x4, "bus mastering is off");
	identify("old_memory_ms");

	before = nvme.dma;
	REQUIRE_OK(vfio_user_dma_map(&user, &after, before.size));
	REQUIRE_OK(vfio_user_dma_unmap(&user, &before));
	nvme.dma = after;
	identify("new_memory_ms");
	nvme_user_stop(&nvme);
}

SCENARIO(dma_across_many, "nvme does DMA after each of five fatal and non-fatal errors")
{
	static const char * const status[] = {
		"DLP", "POISON_TLP", "DLP", "POISON_TLP", "DLP",
	};

	start();
	for (unsigned int i = 0; i < 5; i++) {
		REQUIRE_OK(strike(&shim, PORT, status[i], "open"));
		identify("dma_ms");
	}
	CHECK_NUMBER(shim.group, "stats/recoveries", 5);
	nvme_user_stop(&nvme);
}
