// SPDX-License-Identifier: GPL-2.0-only
/*
 * An interrupt is freed when nobody reads its files in /proc any more. vfio-pci-core waits
 * for that inside the gate, and writes COMMAND as it was before.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "nic_user.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "slow_page.h"
#include "strike.h"
#include "vfio_irq.h"
#include "vfio_user.h"

#define PORT "rp_igb2"
#define SETTLE_MS 5000

static struct vfio_user user;
static struct shim shim;
static struct slow_page slow;

/* The number of the kernel for the function's first interrupt, or -1. */
static int irq_number(const char *addr)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char line[1024];
	int irq = -1;

	REQUIRE(f, "no /proc/interrupts");
	while (irq < 0 && fgets(line, sizeof(line), f))
		if (strstr(line, "vfio-msix[0]") && strstr(line, addr))
			REQUIRE(sscanf(line, "%d:", &irq) == 1, "'%s'", line);
	fclose(f);
	return irq;
}

static void *read_slowly(void *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t ret = read(fd, slow.page, 64);

	close(fd);
	return (void *)(intptr_t)(ret > 0);
}

static int msix_off(const char *unused)
{
	(void)unused;
	return vfio_irq_disable(&user, VFIO_PCI_MSIX_IRQ_INDEX);
}

SCENARIO(withheld_irq,
	 "hold: SET_IRQS that outlasts the drain does not give the device bus mastering back")
{
	struct background off = { .call = msix_off };
	uint16_t command;
	pthread_t reader;
	char path[64];
	void *read_it;
	int fired;

	REQUIRE_OK(shim_make(&shim, PORT, 0, "hold"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	command = vfio_user_command(&user) | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	REQUIRE(vfio_user_pwrite(&user, VFIO_CONFIG, &command, 2, PCI_COMMAND) == 2,
		"COMMAND is not written");
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_MSIX_IRQ_INDEX, 1, &fired));
	snprintf(path, sizeof(path), "/proc/irq/%d/spurious", irq_number(shim.addr));
	REQUIRE_OK(slow_page_init(&slow));
	REQUIRE(!pthread_create(&reader, NULL, read_slowly, path), "no thread");
	REQUIRE(slow_page_touched(&slow, SETTLE_MS), "%s is not read", path);

	background_start(&off);
	REQUIRE(background_in(&off, "proc_entry_rundown", SETTLE_MS), "it waits for nobody");
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	CHECK_NUMBER(shim.group, "stats/drain_timeouts", 1);
	CHECK(!(pci_command(shim.addr) & PCI_COMMAND_MASTER), "a bus master while it is held");
	REQUIRE_OK(slow_page_release(&slow));
	background_ms(&off, SETTLE_MS);
	CHECK_OK(off.ret);
	CHECK(!(pci_command(shim.addr) & PCI_COMMAND_MASTER), "a bus master again");
	pthread_join(reader, &read_it);
	CHECK(read_it, "%s: nothing was read", path);
	CHECK_OK(vfio_user_reset(&user));
	CHECK(shim_is(shim.group, "open"), "not open after the reset");
}
