// SPDX-License-Identifier: GPL-2.0-only
/*
 * "make demo": the same fatal error strikes four times. The output tells the story to
 * a reader who does not know the project. Every line that states a fact is checked.
 */
#include <stdio.h>
#include <sys/utsname.h>

#include "access_log.h"
#include "clock.h"
#include "klog.h"
#include "mdev.h"
#include "monitor.h"
#include "nic_user.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "vfio_irq.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define RECOVERY_MS 10000
#define SIGNAL_MS 10000

static struct vfio_user user;

/* COMMAND of the user, before the error. */
static uint16_t command_before;

static struct access_log reader = {
	.u = &user, .kind = ACCESS_MAP_READ, .region = BAR0, .off = NIC_STATUS,
};

static void title(const char *number, const char *text)
{
	note(" ");
	note("%s  %s", number, text);
	note(" ");
}

/* The user opens the device and starts to read STATUS through its mapping. */
static void start_reading(const char *name)
{
	REQUIRE_OK(vfio_user_open(&user, name));
	REQUIRE_OK(vfio_user_bus_master(&user, true));
	reader.value = nic_status(&user);
	command_before = vfio_user_command(&user);
	REQUIRE_OK(access_start(&reader));
	note("   a user maps BAR 0 and reads STATUS in a loop: 0x%08x", reader.value);
}

static void strike(void)
{
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	note("   *  fatal error (Data Link Protocol) on root port %s",
	     pci_port_addr(PORT));
	REQUIRE(klog_wait("device recovery successful", RECOVERY_MS, NULL, 0),
		"the kernel does not say that it recovered the device");
	note("   kernel log: \"device recovery successful\"");
}

static void show_group(const struct shim *s)
{
	static const char * const files[] = {
		"state", "event", "cause", "policy", "functions",
		"stats/recoveries", "stats/stall_ns_max",
	};
	char value[64];

	note("   /sys/class/mdev_recovery/group%d/", s->group);
	for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		REQUIRE_OK(shim_status(s->group, files[i], value, sizeof(value)));
		note("       %-20s %s", files[i], value);
	}
}

/* driver_override, mdevctl define, mdevctl start, like an administrator. */
static void make_mdev(struct shim *s, const char *policy)
{
	REQUIRE_OK(shim_bind(s, PORT, 0));
	snprintf(s->uuid, sizeof(s->uuid), "6d64722d-0000-4000-8000-00000000%04x",
		 policy[0]);
	REQUIRE_OK(mdevctl("define --uuid %s --parent %s --type mdr-pci-%s",
			   s->uuid, s->addr, policy));
	REQUIRE_OK(mdevctl("start --uuid %s", s->uuid));
	note("   $ echo mdr-pci > /sys/bus/pci/devices/%s/driver_override   (and bind)",
	     s->addr);
	note("   $ mdevctl define --uuid %.8s... --parent %s --type mdr-pci-%s",
	     s->uuid, s->addr, policy);
	note("   $ mdevctl start --uuid %.8s...", s->uuid);
}

static void show_reads(uint32_t after, uint16_t command)
{
	note("   %ju reads, %ju of them wrong; longest wait %llu ms", reader.count,
	     reader.wrong + reader.ones, reader.longest_ns / NS_PER_MS);
	note("   STATUS   before 0x%08x   after 0x%08x", reader.value, after);
	note("   COMMAND  before 0x%04x       after 0x%04x", command_before, command);
}

static uint32_t mapped_status(void)
{
	return *(volatile uint32_t *)((char *)vfio_user_map(&user, BAR0) + NIC_STATUS);
}

SCENARIO(demo_vfio_pci, "vfio-pci loses the device", .demo = true)
{
	struct utsname kernel;
	char addr[PCI_ADDR_LEN];

	uname(&kernel);
	note("mdev-recovery, on Linux %s", kernel.release);
	note("A network function (igb) belongs to a user-space driver, as it would to");
	note("a virtual machine. Four times the same fatal PCIe error strikes.");

	title("1", "vfio-pci: what happens today");
	REQUIRE_OK(pci_below(PORT, 0, addr));
	REQUIRE_OK(pci_bind(addr, "vfio-pci"));
	start_reading(addr);
	strike();
	sleep_ms(50);
	access_stop(&reader);
	show_reads(mapped_status(), pci_command(addr));
	REQUIRE(reader.wrong + reader.ones, "no read went wrong");
	REQUIRE(mapped_status() != reader.value, "STATUS is right");
	REQUIRE(!pci_command(addr), "COMMAND is not 0");
	note("   => the user was let in during the reset, and has lost the device for good");
}

SCENARIO(demo_resume, "type resume: the user is held, then goes on", .demo = true)
{
	struct shim s;

	title("2", "mdr-pci-resume: the user waits, and goes on");
	make_mdev(&s, "resume");
	start_reading(s.uuid);
	strike();
	REQUIRE(shim_wait(s.group, "open", RECOVERY_MS), "the group does not open");
	sleep_ms(50);
	access_stop(&reader);
	show_reads(mapped_status(), vfio_user_command(&user));
	show_group(&s);
	REQUIRE(!reader.wrong && !reader.ones, "a read went wrong");
	REQUIRE(reader.longest_ns >= ACCESS_STALL_NS, "the user was not held");
	REQUIRE(mapped_status() == reader.value, "STATUS is wrong");
	REQUIRE(vfio_user_command(&user) == command_before, "COMMAND is wrong");
	note("   => no read went wrong; the user has the whole device back");
}

SCENARIO(demo_hold, "type hold: the user's reset opens the gate", .demo = true)
{
	uint32_t before;
	struct shim s;

	title("3", "mdr-pci-hold: closed until the user has reset the device");
	make_mdev(&s, "hold");
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "20000"));
	start_reading(s.uuid);
	strike();
	REQUIRE(shim_wait(s.group, "holding", RECOVERY_MS), "the group does not hold");
	before = access_count(&reader);
	sleep_ms(300);
	REQUIRE(access_count(&reader) == before, "the user was let in");
	note("   state %s: the host is done, the user still waits; 300 ms later: 0 reads",
	     "holding");
	REQUIRE_OK(vfio_user_reset(&user));
	REQUIRE(shim_wait(s.group, "open", RECOVERY_MS), "the group does not open");
	note("   another thread of the user: ioctl(VFIO_DEVICE_RESET) = 0");
	sleep_ms(50);
	access_stop(&reader);
	show_reads(mapped_status(), vfio_user_command(&user));
	show_group(&s);
	REQUIRE(!reader.wrong && !reader.ones, "a read went wrong");
	REQUIRE(mapped_status() == reader.value, "STATUS is wrong");
	REQUIRE(!(vfio_user_command(&user) & 4), "bus mastering is on");
	note("   => whole, reset by its user, bus mastering off until the user turns it on");
}

SCENARIO(demo_evict, "type evict: the device goes back to the pool, whole",
	 .demo = true)
{
	struct shim s;
	int req;

	title("4", "mdr-pci-evict: the user gives the device back, the next one gets it whole");
	make_mdev(&s, "evict");
	start_reading(s.uuid);
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_REQ_IRQ_INDEX, 1, &req));
	strike();
	REQUIRE(vfio_irq_wait(req, SIGNAL_MS, NULL), "the user is not asked to leave");
	note("   REQ interrupt: the user is asked to release the device, state %s",
	     shim_is(s.group, "evicting") ? "evicting" : "?");
	REQUIRE(shim_is(s.group, "evicting"), "the group is not evicting");
	access_stop(&reader);
	vfio_user_close(&user);
	REQUIRE(shim_wait(s.group, "open", RECOVERY_MS), "the group does not open");
	note("   its read waited %llu ms, the stall timeout, and then gave all-ones",
	     reader.longest_ns / NS_PER_MS);
	note("   the user closes the device, state open");
	show_group(&s);
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	note("   the next user opens it: STATUS 0x%08x",
	     vfio_user_read(&user, BAR0, NIC_STATUS, 4));
	REQUIRE(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == reader.value,
		"STATUS is wrong");
	note("   => a healthy device for the next user, without a reboot or a rebind");
}
