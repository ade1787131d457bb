// SPDX-License-Identifier: GPL-2.0-only
/* Runs the harness for real hardware (counter.h) in the virtual machine. */
#include <string.h>

#include "bench.h"
#include "counter.h"
#include "nic_user.h"
#include "scenario.h"

#define PORT "rp_igb2"

static void say(const char *line)
{
	note("bench %s", line);
}

static void measure(const char *name)
{
	static struct bench_side side;
	struct counter counter;

	bench_open(&side, name, PORT, 0);
	counter_open(&counter);
	if (counter.fd < 0)
		note("no counter of instructions: %s", strerror(counter.error));
	REQUIRE_OK(counter_measure(&counter, &side.user, name,
				   VFIO_PCI_BAR0_REGION_INDEX, NIC_SCRATCH, say));
	vfio_user_close(&side.user);
}

SCENARIO(hardware_vfio_pci, "the harness for hardware measures vfio_pci")
{
	measure("vfio_pci");
}

SCENARIO(hardware_resume, "the harness for hardware measures resume")
{
	measure("resume");
}
