// SPDX-License-Identifier: GPL-2.0-only
/*
 * A switch that loses its power, and is not removed, while functions behind it are
 * recovered. The kernel itself waits for it, for two minutes with the locks of all
 * functions below; the users do not wait for that, and nothing of ours adds to it.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "background.h"
#include "client.h"
#include "clock.h"
#include "hot_reset.h"
#include "klog.h"
#include "nic_user.h"
#include "part.h"
#include "scenario.h"
#include "slot.h"
#include "sysfs.h"
#include "vfio_irq.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define SETTLE_MS 5000
/* of a call that waits for nothing, on a busy machine */
#define SOON_MS 1500
#define TIMEOUT_MS 3000
#define WATCH_MS 2000
/* how long recover waits for a lock that the host holds */
#define LOCK_MS 10000
#define HOST_MS 40000
/* the kernel says it now and then while it waits for a function that it has reset */
#define LOOKED "not ready"
#define HOST_LOOKS 1
/* in config space */
#define COMMAND 0x04
#define SERR 0x100
#define CACHE_LINE 0x0c
#define LINE_BYTES 0x10
#define BASE_ADDRESS 0x10
#define CAP_LIST 0x34
#define CAP_EXPRESS 0x10
#define DEVCTL 0x08
#define DEVCTL2 0x28
#define BLOCK_PREFIXES 0x8000
#define AER 0x100
#define ECAP_AER 0x0001
#define UNCOR_MASK 0x08
/* in two bytes: Unsupported Request, Completion Timeout */
#define MASKED 0x00104000

static struct client a = { .port = "sw_a" }, b = { .port = "sw_b" };

/* Takes the lock of the function for a moment, as an unbind does. */
static int touch_lock(const char *addr)
{
	return sysfs_write("mdr-test", "/sys/bus/pci/devices/%s/driver_override", addr);
}

static void check_lock_free(struct client *c)
{
	struct background touch = { .call = touch_lock, .name = c->s.addr };
	bool done;

	background_start(&touch);
	done = WAIT_FOR(atomic_load(&touch.done), SETTLE_MS);
	REQUIRE(done, "%s: another task holds its lock", c->port);
	CHECK_OK(touch.ret);
}

static int recover(struct client *c)
{
	return sysfs_write("1", SHIM_CLASS "/group%d/recover", c->s.group);
}

/* The switch is without power before the error, or from its first moments on. */
static void lose_power(bool before)
{
	struct shim parked;
	unsigned int looked;
	uint64_t begin;

	a.test = true;
	client_start(&a);
	client_start(&b);
	client_park("sw_c", &parked);
	REQUIRE_OK(shim_set(&a.s, "recovery_timeout_ms", "3000"));
	REQUIRE_OK(shim_set(&b.s, "recovery_timeout_ms", "3000"));
	begin = now_ms();
	/* between the word of the error and the reset there is time for it */
	REQUIRE_OK(shim_test_set("prepare_ms", before ? "0" : "1000"));
	if (before)
		REQUIRE_OK(slot_power("rp_switch", false));
	client_strike(&a, "rp_switch", "DLP");
	if (!before)
		REQUIRE_OK(slot_power("rp_switch", false));
	CHECK(pci_command(pci_port_addr("sw_up")) == 0xffff, "the switch answers");
	client_check_lost(&a, TIMEOUT_MS + SETTLE_MS);
	client_check_lost(&b, TIMEOUT_MS + SETTLE_MS);
	MEASURE_BOUND("failed_after_ms", now_ms() - begin, TIMEOUT_MS + SETTLE_MS);
	/* without power it may read as anything until the error is known */
	access_stop(&a.log);
	access_stop(&b.log);

	looked = klog_count(LOOKED);
	sleep_ms(WATCH_MS);
	CHECK(klog_count(LOOKED) - looked <= HOST_LOOKS, "%u waits for a device that is gone",
	      klog_count(LOOKED) - looked);
	CHECK(shim_is(a.s.group, "failed"), "not failed any more");
	CHECK(!vfio_irq_wait(a.err, 0, NULL), "ERR fired more than once");
	begin = now_ms();
	CHECK(sysfs_write("1", SHIM_CLASS "/group%d/recover", a.s.group) < 0,
	      "a device without power was recovered");
	MEASURE_BOUND("recover_ms", now_ms() - begin, LOCK_MS + SETTLE_MS);

	/* with power the host comes to its end, and then nobody holds anything */
	REQUIRE_OK(slot_power("rp_switch", true));
	REQUIRE(klog_wait("device recovery ", HOST_MS, NULL, 0), "the host is not done");
	check_lock_free(&a);
	check_lock_free(&b);
	CHECK(WAIT_FOR(shim_is(a.s.group, "open") || !recover(&a), SETTLE_MS), "a is not back");
	CHECK(WAIT_FOR(shim_is(b.s.group, "open") || !recover(&b), SETTLE_MS), "b is not back");
}

SCENARIO(power_lost_switch,
	 "a switch without power: failed in time, ERR once; with power, all come back",
	 .limit_s = 180)
{
	lose_power(true);
}

SCENARIO(power_lost_in_recovery,
	 "a switch that loses its power in the recovery: the same",
	 .limit_s = 180)
{
	lose_power(false);
}

SCENARIO(power_lost_neighbour,
	 "a switch loses its power unnoticed: behind it a reset fails soon, and later restores",
	 .limit_s = 90)
{
	uint64_t begin;

	client_start(&a);
	client_start(&b);
	REQUIRE_OK(slot_power("rp_switch", false));
	access_stop(&a.log);
	access_stop(&b.log);
	CHECK(vfio_user_read(&b.u, BAR0, NIC_STATUS, 4) != b.log.value, "the device answers");
	begin = now_ms();
	CHECK_ERRNO(vfio_user_reset(&b.u), EIO);
	MEASURE_BOUND("refused_ms", now_ms() - begin, SOON_MS);
	begin = now_ms();
	CHECK_ERRNO(hot_reset(&b.u), EIO);
	MEASURE_BOUND("hot_refused_ms", now_ms() - begin, SOON_MS);
	CHECK(shim_is(b.s.group, "open"), "somebody noticed");
	CHECK(shim_number(b.s.group, "event") == 0, "event is %ju",
	      shim_number(b.s.group, "event"));

	REQUIRE_OK(slot_power("rp_switch", true));
	CHECK(WAIT_FOR(!vfio_user_reset(&b.u), SETTLE_MS), "no reset brings it back");
	client_check_whole(&b, SETTLE_MS);
	/* the bridges are back for the other one as well; its config space is its own affair */
	CHECK_OK(vfio_user_reset(&a.u));
	client_check_whole(&a, SETTLE_MS);
}

/*
 * A function alone in its slot loses its power and has it back, and no error is
 * reported. Returns with the group open on a blank function.
 */
static void power_cycle(struct client *c)
{
	access_stop(&c->log);
	REQUIRE_OK(slot_power("rp_igb2", false));
	CHECK(pci_command(c->s.addr) == 0xffff, "the device answers");
	REQUIRE_OK(slot_power("rp_igb2", true));
	CHECK(pci_command(c->s.addr) == 0, "COMMAND is %#x", pci_command(c->s.addr));
	CHECK(shim_is(c->s.group, "open"), "somebody noticed");
	CHECK_NUMBER(c->s.group, "event", 0);
}

static void lose_and_return(struct client *c)
{
	client_start(c);
	power_cycle(c);
}

static struct client alone = { .port = "rp_igb2" };

SCENARIO(power_back_user_reset,
	 "power lost and back without an error: the user's reset brings everything back")
{
	lose_and_return(&alone);
	REQUIRE_OK(vfio_user_reset(&alone.u));
	client_check_whole(&alone, 0);
}

/*
 * A VMM stops a device before it resets it. At that write to COMMAND vfio-pci-core puts
 * the BARs back, and nothing else.
 */
SCENARIO(power_back_stopped,
	 "the same after a write to COMMAND, which brings back only the BARs: all comes back")
{
	client_start(&alone);
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, CACHE_LINE, 1, LINE_BYTES));
	power_cycle(&alone);
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, COMMAND, 2, 0));
	CHECK(pci_config_read(alone.s.addr, BASE_ADDRESS, 4), "no BAR is back");
	CHECK(!pci_config_read(alone.s.addr, CACHE_LINE, 1), "not blank any more");
	REQUIRE_OK(vfio_user_reset(&alone.u));
	CHECK(pci_config_read(alone.s.addr, CACHE_LINE, 1) == LINE_BYTES,
	      "the cache line size is %#x", pci_config_read(alone.s.addr, CACHE_LINE, 1));
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, COMMAND, 2, alone.command));
	client_check_whole(&alone, 0);
}

SCENARIO(power_back_half_stopped,
	 "the same if it writes only the first byte of COMMAND: SERR comes back, too")
{
	unsigned int command;

	client_start(&alone);
	command = alone.command | SERR;
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, COMMAND, 2, command));
	REQUIRE(pci_command(alone.s.addr) & SERR, "COMMAND is %#x",
		pci_command(alone.s.addr));
	power_cycle(&alone);
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, COMMAND, 1, command & 0xff));
	CHECK(pci_config_read(alone.s.addr, BASE_ADDRESS, 4), "no BAR is back");
	CHECK(!(pci_command(alone.s.addr) & SERR), "COMMAND is %#x",
	      pci_command(alone.s.addr));
	REQUIRE_OK(vfio_user_reset(&alone.u));
	CHECK(pci_command(alone.s.addr) & SERR, "SERR is lost: COMMAND is %#x",
	      pci_command(alone.s.addr));
}

/* Where its PCI Express capability begins. */
static unsigned int express(const char *addr)
{
	unsigned int at = pci_config_read(addr, CAP_LIST, 1);

	while (at && pci_config_read(addr, at, 1) != CAP_EXPRESS)
		at = pci_config_read(addr, at + 1, 1);
	REQUIRE(at, "not PCI Express");
	return at;
}

SCENARIO(power_back_told,
	 "Device Control 2 comes back, too, if the user asks for GET_INFO of the blank device")
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	unsigned int control, noted;

	client_start(&alone);
	control = express(alone.s.addr) + DEVCTL2;
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, control, 2, BLOCK_PREFIXES));
	noted = pci_config_read(alone.s.addr, control, 2);
	REQUIRE(noted & BLOCK_PREFIXES, "Device Control 2 is %#x", noted);
	power_cycle(&alone);
	REQUIRE_OK(pci_config_write(alone.s.addr, control, 2, 0));
	REQUIRE(!ioctl(alone.u.device, VFIO_DEVICE_GET_INFO, &info), "GET_INFO fails");
	REQUIRE_OK(vfio_user_reset(&alone.u));
	client_check_whole(&alone, 0);
	CHECK(pci_config_read(alone.s.addr, control, 2) == noted,
	      "Device Control 2 is %#x, was %#x",
	      pci_config_read(alone.s.addr, control, 2), noted);
}

SCENARIO(power_back_payload,
	 "Max_Payload_Size comes back, too, if the user writes Device Control of the blank device")
{
	unsigned int control, value;

	REQUIRE_OK(part_load());
	REQUIRE_OK(pci_below(alone.port, 0, alone.s.addr));
	REQUIRE_OK(part_set("payload", alone.s.addr, 1));
	client_start(&alone);
	control = express(alone.s.addr) + DEVCTL;
	power_cycle(&alone);
	REQUIRE_OK(part_set("payload", alone.s.addr, 0));
	value = vfio_user_read(&alone.u, VFIO_CONFIG, control, 2);
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, control, 2, value));
	REQUIRE_OK(vfio_user_reset(&alone.u));
	client_check_whole(&alone, 0);
	CHECK(part_get("payload") == 1, "it is %ld", part_get("payload"));
	REQUIRE_OK(part_end("payload"));
}

SCENARIO(power_serr_missing,
	 "a function that can have no SERR, as a VF, and whose user sets it, is not taken for lost")
{
	REQUIRE_OK(part_load());
	REQUIRE_OK(pci_below(alone.port, 0, alone.s.addr));
	REQUIRE_OK(part_set("serr", alone.s.addr, 0));
	client_start(&alone);
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, COMMAND, 2, alone.command | SERR));
	REQUIRE_OK(vfio_user_reset(&alone.u));
	CHECK(!klog_count("config space was lost"), "SERR was missed");
	client_stop(&alone);
	REQUIRE_OK(part_end("serr"));
}

/* Max_Read_Request_Size of 4096 bytes */
#define READRQ 0x7000
#define READRQ_4096 5

SCENARIO(power_back_read_request,
	 "Max_Read_Request_Size comes back, too, if the user writes that register once more")
{
	unsigned int control, value;

	REQUIRE_OK(part_load());
	REQUIRE_OK(pci_below(alone.port, 0, alone.s.addr));
	REQUIRE_OK(part_set("read_request", alone.s.addr, 0));
	client_start(&alone);
	control = express(alone.s.addr) + DEVCTL;
	value = vfio_user_read(&alone.u, VFIO_CONFIG, control, 2) & ~READRQ;
	value |= READRQ_4096 << 12;
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, control, 2, value));
	REQUIRE(part_get("read_request") == READRQ_4096, "it is %ld",
		part_get("read_request"));
	power_cycle(&alone);
	REQUIRE_OK(part_set("read_request", alone.s.addr, 0));
	/* vfio-pci-core takes it for no change */
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, control, 2, value));
	REQUIRE(!part_get("read_request"), "it is back: nothing is shown");
	REQUIRE_OK(vfio_user_reset(&alone.u));
	client_check_whole(&alone, 0);
	CHECK(part_get("read_request") == READRQ_4096, "it is %ld",
	      part_get("read_request"));
	REQUIRE_OK(part_end("read_request"));
}

SCENARIO(power_back_written_in_part,
	 "the same if it writes one byte of the register: the others come back, too")
{
	unsigned int mask;

	client_start(&alone);
	mask = AER + UNCOR_MASK;
	REQUIRE(pci_config_read(alone.s.addr, AER, 2) == ECAP_AER, "no AER");
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, mask, 4, MASKED));
	REQUIRE(pci_config_read(alone.s.addr, mask, 4) == MASKED, "the mask is %#x",
		pci_config_read(alone.s.addr, mask, 4));
	power_cycle(&alone);
	REQUIRE_OK(pci_config_write(alone.s.addr, mask, 4, 0));
	REQUIRE_OK(vfio_user_write(&alone.u, VFIO_CONFIG, mask + 1, 1, MASKED >> 8 & 0xff));
	REQUIRE_OK(vfio_user_reset(&alone.u));
	client_check_whole(&alone, 0);
	CHECK(pci_config_read(alone.s.addr, mask, 4) == MASKED, "the mask is %#x",
	      pci_config_read(alone.s.addr, mask, 4));
}

SCENARIO(power_back_host_reset,
	 "the same: a reset through sysfs brings it back, and is told of as an event")
{
	char cause[32];

	lose_and_return(&alone);
	REQUIRE_OK(pci_reset(alone.s.addr));
	client_check_whole(&alone, SETTLE_MS);
	CHECK(shim_number(alone.s.group, "event"), "no event");
	shim_status(alone.s.group, "cause", cause, sizeof(cause));
	CHECK(!strcmp(cause, "host_reset"), "cause is %s", cause);
	CHECK(klog_count("not usable after a reset from outside") == 1, "nobody said so");
}

SCENARIO(power_back_reopened,
	 "the same: closed and opened again it is whole, and not opened without power")
{
	lose_and_return(&alone);
	vfio_user_close(&alone.u);
	REQUIRE_OK(slot_power("rp_igb2", false));
	CHECK_ERRNO(vfio_user_open(&alone.u, alone.s.uuid), EIO);
	REQUIRE_OK(slot_power("rp_igb2", true));
	REQUIRE_OK(vfio_user_open(&alone.u, alone.s.uuid));
	CHECK(vfio_user_read(&alone.u, BAR0, NIC_STATUS, 4) == alone.log.value,
	      "STATUS is %#x, was %#x", vfio_user_read(&alone.u, BAR0, NIC_STATUS, 4),
	      alone.log.value);
}
