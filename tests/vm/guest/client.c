// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "client.h"
#include "monitor.h"
#include "nic_user.h"
#include "scenario.h"
#include "vfio_irq.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define TOLD_MS 5000
#define ENABLED 0x6 /* memory, bus mastering */

void client_start(struct client *c)
{
	struct shim *s = &c->s;
	int ret;

	REQUIRE_OK(c->test ? shim_bind_test(s, c->port, c->n) : shim_bind(s, c->port, c->n));
	REQUIRE_OK(shim_create(s, "resume"));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "60000"));
	REQUIRE_OK(vfio_user_open_in(&c->u, s->uuid, c->with ? c->with->u.space : NULL));
	ret = vfio_irq_enable(&c->u, VFIO_PCI_ERR_IRQ_INDEX, 1, &c->err);
	/* conventional PCI has no such interrupt with every kernel */
	if (ret == -EINVAL)
		c->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	REQUIRE(!ret || ret == -EINVAL, "no ERR: %s", strerror(-ret));
	REQUIRE_OK(vfio_user_bus_master(&c->u, true));
	c->command = pci_command(s->addr);
	c->log = (struct access_log) {
		.u = &c->u, .kind = ACCESS_MAP_READ, .region = BAR0,
		.off = NIC_STATUS, .pause_us = 1000,
		.value = vfio_user_read(&c->u, BAR0, NIC_STATUS, 4),
	};
	REQUIRE(c->log.value && c->log.value != ~0u, "%s: STATUS is %#x", c->port,
		c->log.value);
	REQUIRE_OK(access_start(&c->log));
}

void client_stop_lost(struct client *c)
{
	access_stop(&c->log);
	CHECK(!c->log.wrong && !c->log.faults, "%s: of %ju reads %ju wrong (last %#x), %ju faults",
	      c->port, c->log.count, c->log.wrong, c->log.last_wrong, c->log.faults);
}

void client_stop(struct client *c)
{
	client_stop_lost(c);
	CHECK(!c->log.ones, "%s: of %ju reads %ju gave all-ones", c->port, c->log.count,
	      c->log.ones);
}

void client_strike(struct client *c, const char *port, const char *status)
{
	uint64_t event = shim_number(c->s.group, "event");
	bool told;

	REQUIRE_OK(aer_inject(port, status));
	told = WAIT_FOR(shim_number(c->s.group, "event") != event, TOLD_MS);
	REQUIRE(told, "%s hears nothing of an error at %s", c->port, port);
}

static void check_device(struct client *c)
{
	uint32_t status = vfio_user_read(&c->u, BAR0, NIC_STATUS, 4);
	uint16_t command = pci_command(c->s.addr);

	CHECK(status == c->log.value, "%s: STATUS is %#x, was %#x", c->port, status,
	      c->log.value);
	CHECK((command & ENABLED) == (c->command & ENABLED), "%s: COMMAND is %#x, was %#x",
	      c->port, command, c->command);
}

void client_check_whole(struct client *c, unsigned int ms)
{
	char state[32], cause[32];
	bool open = shim_wait(c->s.group, "open", ms);

	shim_status(c->s.group, "state", state, sizeof(state));
	shim_status(c->s.group, "cause", cause, sizeof(cause));
	CHECK(open, "%s: state is %s, cause %s", c->port, state, cause);
	CHECK(!vfio_irq_wait(c->err, 0, NULL), "%s: ERR fired", c->port);
	CHECK(shim_number(c->s.group, "stats/failures") == 0, "%s: failures is %ju", c->port,
	      shim_number(c->s.group, "stats/failures"));
	if (open)
		check_device(c);
}

void client_check_lost(struct client *c, unsigned int ms)
{
	uint64_t fired = 0;

	CHECK(shim_wait(c->s.group, "failed", ms), "%s: is not failed", c->port);
	CHECK(vfio_irq_wait(c->err, 1000, &fired), "%s: ERR did not fire", c->port);
	sleep_ms(50);
	CHECK(fired == 1 && !vfio_irq_wait(c->err, 0, NULL), "%s: ERR fired more than once",
	      c->port);
}

uint64_t client_stall_ms(const struct client *c)
{
	return c->log.longest_ns / NS_PER_MS;
}

void client_park(const char *port, struct shim *s)
{
	REQUIRE_OK(shim_bind(s, port, 0));
}
