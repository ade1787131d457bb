// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first rung: the guest is told of an event, once, if that is right, and what
 * happens then; also across a restart of the agent, and when uevents are lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "decide.h"
#include "fake_guests.h"
#include "log.h"
#include "route.h"
#include "store.h"

/* The guest is told when the host is done, and its reset ends the event. */
static void told_and_reset(void **state)
{
	(void)state;
	change("closing");
	change("recovering");
	assert_int_equal(libvirt.tells, 0);
	change("holding");
	assert_int_equal(libvirt.tells, 1);
	assert_string_equal(libvirt.port, "pci.1");
	assert_int_equal(libvirt.told, 8);
	change("resetting");
	assert_true(kept("told"));
	change("open");
	assert_true(at_rest());
	assert_int_equal(libvirt.tells, 1);
	assert_int_equal(libvirt.attaches, 0);
}

/* Told, and the guest has reset the device, which takes its addresses. */
static void told_and_reset_so_far(void)
{
	libvirt.used = false;
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 1);
	change("open");
	assert_int_equal(libvirt.asks, 1);
	assert_true(kept("reset"));
}

/* So much time passes, with a step after each second. */
static void seconds(int count)
{
	while (count--) {
		now += 1000;
		step();
	}
}

/* A driver takes a moment until it uses the device again. */
static void driver_takes_a_moment(void **state)
{
	(void)state;
	told_and_reset_so_far();
	step();
	assert_int_equal(libvirt.asks, 1);
	seconds(10);
	assert_true(libvirt.asks > 5 && libvirt.asks < 15);
	assert_true(kept("reset"));
	libvirt.used = true;
	seconds(2);
	assert_true(at_rest());
	seconds(UNUSED_MS / 1000);
	assert_int_equal(libvirt.detaches, 0);
}

/* One without error handlers never does: one rung down, also by an agent that is new. */
static void driver_does_not_use_it(void **state)
{
	(void)state;
	told_and_reset_so_far();
	seconds(10);
	restart();
	seconds(UNUSED_MS / 1000);
	assert_int_equal(libvirt.detaches, 0);
	seconds(3);
	assert_int_equal(libvirt.detaches, 1);
	assert_int_equal(libvirt.attaches, 1);
	assert_true(at_rest());
}

/* Nobody can say whether it does: that is logged, and all. */
static void nobody_knows(void **state)
{
	(void)state;
	libvirt.refuses_to_say = "no such device";
	libvirt.used = false;
	change("closing");
	change("holding");
	change("open");
	assert_true(at_rest());
	seconds(UNUSED_MS / 1000 + 3);
	assert_int_equal(libvirt.asks, 1);
	assert_int_equal(libvirt.detaches, 0);
}

/* libvirt refuses to detach it. */
static void driver_does_not_let_go(void **state)
{
	(void)state;
	libvirt.refuses = true;
	told_and_reset_so_far();
	seconds(UNUSED_MS / 1000 + 3);
	assert_int_equal(libvirt.detaches, 1);
	assert_true(at_rest());
	seconds(UNUSED_MS / 1000 + 3);
	assert_int_equal(libvirt.detaches, 1);
	assert_int_equal(libvirt.attaches, 0);
}

/* One more error while the driver is at it. */
static void error_before_it_is_used(void **state)
{
	(void)state;
	told_and_reset_so_far();
	seconds(UNUSED_MS / 2000);
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 2);
	assert_true(kept("told"));
	change("open");
	seconds(UNUSED_MS / 1000 - 2);
	assert_int_equal(libvirt.detaches, 0);
	seconds(4);
	assert_int_equal(libvirt.detaches, 1);
}

/* One more error while the guest is at it is told again. */
static void told_again(void **state)
{
	(void)state;
	change("closing");
	change("holding");
	event16++;
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 2);
	assert_int_equal(libvirt.told, 9);
	change("open");
	assert_int_equal(libvirt.tells, 2);
	change("holding");
	assert_int_equal(libvirt.tells, 3);
}

/* Killed at any point: the next one knows, and tells nothing twice. */
static void told_once(void **state)
{
	(void)state;
	libvirt.silent = true;
	change("holding");
	assert_int_equal(libvirt.tells, 1);
	restart();
	libvirt.silent = false;
	change("holding");
	assert_int_equal(libvirt.tells, 1);
	restart();
	change("open");
	assert_int_equal(libvirt.tells, 1);
	assert_true(at_rest());
}

/* The guest does not reset the device in time: one rung down. */
static void told_in_vain(void **state)
{
	(void)state;
	change("closing");
	change("holding");
	change("evicting");
	assert_true(kept("evicting"));
	libvirt.mdev = NULL;
	change("open");
	assert_int_equal(libvirt.attaches, 1);
	assert_int_equal(libvirt.tells, 1);
}

/* Likewise, and nobody has seen the eviction. */
static void told_in_vain_unseen(void **state)
{
	(void)state;
	change("closing");
	change("holding");
	fake_write("sys/class/mdev_recovery/group16/stats/hold_timeouts", "1\n");
	set_group16("evicting");
	set_group16("open");
	libvirt.mdev = NULL;
	step();
	assert_int_equal(libvirt.attaches, 1);
}

/* An administrator detaches the device meanwhile: it stays so. */
static void told_and_detached(void **state)
{
	(void)state;
	change("closing");
	change("holding");
	libvirt.mdev = NULL;
	step();
	assert_true(forgotten());
	change("open");
	assert_int_equal(libvirt.attaches, 0);
}

/* QEMU refuses: the same event is not tried again. */
static void cannot_be_told(void **state)
{
	(void)state;
	libvirt.refuses_to_tell = "no such device";
	change("closing");
	change("holding");
	for (int i = 0; i < 10; i++)
		step();
	assert_int_equal(libvirt.tells, 1);
	assert_true(kept("error"));
	restart();
	step();
	assert_ptr_equal(agent.records.first->said, route_told_before);
	assert_int_equal(libvirt.tells, 1);
	change("evicting");
	libvirt.mdev = NULL;
	change("open");
	assert_int_equal(libvirt.attaches, 1);
}

/* No uevent of the error arrives. */
static void told_without_uevents(void **state)
{
	(void)state;
	change_unseen("holding");
	assert_int_equal(libvirt.tells, 1);
	change_unseen("open");
	assert_true(at_rest());
}

/* The agent starts in the middle, and has no file. */
static void told_by_a_late_agent(void **state)
{
	(void)state;
	agent_free(&agent);
	unlink(fake_path(STORE_FILE));
	set_group16("holding");
	start();
	step();
	step();
	assert_int_equal(libvirt.tells, 1);
}

/* A paused guest is told when it runs again, if the group still waits. */
static void paused(void **state)
{
	(void)state;
	libvirt.halted = route_paused;
	step();
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 0);
	libvirt.halted = NULL;
	step();
	assert_int_equal(libvirt.tells, 1);
}

/* A guest that has crashed is not told, and keeps the device until it is destroyed. */
static void crashed(void **state)
{
	(void)state;
	change("closing");
	libvirt.halted = route_crashed;
	step();
	change("holding");
	assert_int_equal(libvirt.tells, 0);
	assert_ptr_equal(agent.records.first->said, route_crashed);
	change("evicting");
	assert_true(kept("evicting"));
	libvirt.id = 0;
	step();
	assert_true(forgotten());
	change("open");
	assert_int_equal(libvirt.attaches, 0);
}

/* On the guest's root bus there is no port to tell it at. */
static void no_port(void **state)
{
	(void)state;
	libvirt.bus = 0;
	step();
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 0);
	assert_non_null(strstr(agent.records.first->said, "below no port"));
	change("evicting");
	assert_true(kept("evicting"));
}

/* Two mdevs below one port, of two groups that meet the same error: told once. */
static void two_with_the_error(void **state)
{
	(void)state;
	libvirt.second = MDEV_B;
	libvirt.second_bus = 1;
	step();
	fake_group("group2", "closing", "hold", 8, MDEV_B);
	change("closing");
	change2("hold", "closing", 8);
	change("holding");
	/* the host is at work below that port */
	assert_int_equal(libvirt.tells, 0);
	assert_null(agent.records.first->said);
	change2("hold", "holding", 8);
	assert_int_equal(libvirt.tells, 1);
	change("open");
	change2("hold", "open", 8);
	assert_int_equal(libvirt.tells, 1);
	for (struct record *record = agent.records.first; record; record = record->next)
		assert_int_equal(record->phase, PHASE_ATTACHED);
}

#define MDEV_OF_16 "22222222-2222-4333-8444-55555555dddd"

/* Two functions of one device, of one group, in one slot of the guest: told once. */
static void two_of_one_group(void **state)
{
	(void)state;
	libvirt.second = MDEV_OF_16;
	libvirt.second_bus = 1;
	fake_group("group16", "open", "hold", 7, MDEV_OF_16);
	step();
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 1);
	for (struct record *record = agent.records.first; record; record = record->next)
		assert_int_equal(record->phase, PHASE_TOLD);
	change("open");
	assert_int_equal(libvirt.tells, 1);
	for (struct record *record = agent.records.first; record; record = record->next)
		assert_true(record->phase == PHASE_RESET || record->phase == PHASE_ATTACHED);
}

/* One of two has no error: the guest's reset would hit it, so it is not told. */
static void one_of_two(void **state)
{
	(void)state;
	libvirt.second = MDEV_B;
	libvirt.second_bus = 1;
	step();
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 0);
	assert_non_null(strstr(agent.records.first->said, "has no error"));
}

/* Below two ports they have nothing to do with each other. */
static void two_ports(void **state)
{
	(void)state;
	libvirt.second = MDEV_B;
	step();
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 1);
	assert_string_equal(libvirt.port, "pci.1");
}

/* An mdev that is not ours below the port. */
static void foreign_mdev(void **state)
{
	(void)state;
	libvirt.second = "99999999-2222-4333-8444-55555555cccc";
	libvirt.second_bus = 1;
	step();
	change("closing");
	change("holding");
	assert_int_equal(libvirt.tells, 0);
	assert_non_null(strstr(agent.records.first->said, "foreign mdev"));
}

/* The recovery fails: what is left is said, and the group is followed once it works. */
static void told_and_failed(void **state)
{
	(void)state;
	change("closing");
	change("failed");
	assert_non_null(strstr(agent.records.first->said, "recover"));
	change("holding");
	change("open");
	assert_true(at_rest());
	assert_int_equal(libvirt.tells, 1);
}

/* An administrator recovers a group of which the guest was never told. */
static void failed_and_told(void **state)
{
	(void)state;
	policy16 = "resume";
	change("recovering");
	policy16 = "hold";
	change("failed");
	assert_int_equal(libvirt.tells, 0);
	change("holding");
	assert_int_equal(libvirt.tells, 1);
}

/* The fields of a message in the journal. */
static void journal_fields(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct log_about about = { .domain = "a\nMDR_GROUP=b" };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[8192];
	ssize_t got;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake_path("journal"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	log_to_journal(address.sun_path);
	change("holding");
	got = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(got > 0);
	text[got] = 0;
	assert_non_null(strstr(text, "MDR_GROUP=group16\n"));
	assert_non_null(strstr(text, "MDR_EVENT=8\n"));
	assert_non_null(strstr(text, "MDR_UUID=" MDEV_A "\n"));
	assert_non_null(strstr(text, "MDR_DOMAIN=guest\n"));
	assert_non_null(strstr(text, "MDR_DOMAIN_UUID=" DOMAIN_A "\n"));
	assert_non_null(strstr(text, "PRIORITY=6\n"));
	assert_non_null(strstr(text, "\nMESSAGE=mdev " MDEV_A ": "));
	/* a domain of plain QEMU has the name that its owner gave it */
	log_about(LOG_LEVEL_INFO, &about, "said");
	got = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(got > 0);
	text[got] = 0;
	assert_non_null(strstr(text, "\nMDR_DOMAIN=a MDR_GROUP=b\n"));
	close(fd);
	/* and without the journal the message is not lost, but on stderr */
	unlink(address.sun_path);
	change("open");
}

#define HOLD(name_) cmocka_unit_test_setup_teardown(name_, guests_setup_hold, guests_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOLD(told_and_reset), HOLD(told_again), HOLD(told_once),
		HOLD(driver_takes_a_moment), HOLD(driver_does_not_use_it),
		HOLD(nobody_knows), HOLD(driver_does_not_let_go),
		HOLD(error_before_it_is_used), HOLD(told_in_vain),
		HOLD(told_in_vain_unseen), HOLD(told_and_detached), HOLD(cannot_be_told),
		HOLD(told_without_uevents), HOLD(told_by_a_late_agent), HOLD(paused), HOLD(crashed),
		HOLD(no_port), HOLD(two_with_the_error), HOLD(two_of_one_group),
		HOLD(one_of_two), HOLD(two_ports),
		HOLD(foreign_mdev), HOLD(told_and_failed), HOLD(failed_and_told),
		HOLD(journal_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
