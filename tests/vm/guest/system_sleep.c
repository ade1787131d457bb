// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "pci.h"
#include "sysfs.h"
#include "system_sleep.h"

#define PCIEHP "/sys/bus/pci_express/drivers/pciehp"
#define CLOCK "/sys/class/rtc/rtc0/wakealarm"
#define MAX_SLOTS PCI_MAX_PORTS
/*
 * Until the clock wakes the machine, if the host has not done so before (tests/lib/machines.sh).
 * If it rings too early, the kernel does not sleep.
 */
#define NAP "+12"
/* how long a test stays where it is, in a loop */
#define TEST_S "2"

/*
 * What QEMU's machine does not do after S3. It forgets where the registers of ACPI are,
 * without which it could not be turned off; and its e1000e looks like another one, which
 * pciehp takes away.
 */
#define ISA_BRIDGE "0000:00:1f.0"
#define PM_BASE 0x40
#define ACPI_CONTROL 0x44

struct machine {
	uint32_t pm_base, acpi_control;
	unsigned int nr_slots;
	char slots[MAX_SLOTS][40];
};

static void slots_release(struct machine *m)
{
	DIR *dir = opendir(PCIEHP);
	struct dirent *entry;

	m->nr_slots = 0;
	while (dir && (entry = readdir(dir)) && m->nr_slots < MAX_SLOTS)
		if (strstr(entry->d_name, ":pcie"))
			snprintf(m->slots[m->nr_slots++], sizeof(m->slots[0]), "%.39s",
				 entry->d_name);
	if (dir)
		closedir(dir);
	for (unsigned int i = 0; i < m->nr_slots; i++)
		sysfs_write(m->slots[i], PCIEHP "/unbind");
}

static void machine_keep(struct machine *m)
{
	m->pm_base = pci_config_read(ISA_BRIDGE, PM_BASE, 4);
	m->acpi_control = pci_config_read(ISA_BRIDGE, ACPI_CONTROL, 1);
	slots_release(m);
}

static void machine_give_back(const struct machine *m)
{
	pci_config_write(ISA_BRIDGE, PM_BASE, 4, m->pm_base);
	pci_config_write(ISA_BRIDGE, ACPI_CONTROL, 1, m->acpi_control);
	for (unsigned int i = 0; i < m->nr_slots; i++)
		sysfs_write(m->slots[i], PCIEHP "/bind");
}

/* With a count of wakeups the clock counts also if it rings too early. */
static int arm(void)
{
	char count[32];
	int ret;

	ret = sysfs_write("deep", "/sys/power/mem_sleep");
	if (ret >= 0)
		ret = sysfs_write("0", CLOCK);
	if (ret >= 0)
		ret = sysfs_read(count, sizeof(count), "/sys/power/wakeup_count");
	if (ret >= 0)
		ret = sysfs_write(count, "/sys/power/wakeup_count");
	return ret < 0 ? ret : sysfs_write(NAP, CLOCK);
}

static int sleep_really(const char *state)
{
	struct machine machine;
	int ret;

	machine_keep(&machine);
	ret = arm();
	if (ret >= 0)
		ret = sysfs_write(state, "/sys/power/state");
	sysfs_write("0", CLOCK);
	machine_give_back(&machine);
	return ret;
}

int system_sleep(const char *state, const char *depth)
{
	int ret = sysfs_write(depth, "/sys/power/pm_test");

	if (ret < 0)
		return ret;
	if (!strcmp(depth, "none"))
		return sleep_really(state);
	sysfs_write(TEST_S, "/sys/module/suspend/parameters/pm_test_delay");
	ret = sysfs_write(state, "/sys/power/state");
	sysfs_write("none", "/sys/power/pm_test");
	return ret;
}
