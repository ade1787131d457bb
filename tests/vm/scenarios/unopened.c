// SPDX-License-Identifier: GPL-2.0-only
/* Errors of functions that no user has open: they recover like all others. */
#include <stdio.h>

#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "took.h"
#include "vfio_user.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
/* two functions, one group */
#define PAIR_PORT "rp_e1000e"
#define CONFIG_SIZE 256
#define STATUS_REGISTER 0x06

static struct vfio_user user;

static void read_config(const struct shim *s, uint16_t words[CONFIG_SIZE / 2])
{
	for (unsigned int i = 0; i < CONFIG_SIZE / 2; i++)
		words[i] = pci_config_read(s->addr, 2 * i, 2);
	REQUIRE(words[0] != 0xffff, "%s does not answer", s->addr);
}

/* The number of words that differ; where lists them. */
static unsigned int compare_config(const uint16_t *a, const uint16_t *b, char *where,
				   size_t size)
{
	unsigned int differ = 0;
	size_t at = 0;

	where[0] = 0;
	for (unsigned int i = 0; i < CONFIG_SIZE / 2; i++) {
		if (a[i] == b[i] || 2 * i == STATUS_REGISTER)
			continue;
		differ++;
		if (at < size)
			at += snprintf(where + at, size - at, " %#x:%#x->%#x", 2 * i,
				       a[i], b[i]);
	}
	return differ;
}

SCENARIO(unopened_without_mdev,
	 "after an error of a bound function without an mdev its config space is as before")
{
	uint16_t before[CONFIG_SIZE / 2], after[CONFIG_SIZE / 2];
	unsigned int differ;
	char where[300];
	struct shim s;

	REQUIRE_OK(shim_bind(&s, PORT, 0));
	read_config(&s, before);
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	read_config(&s, after);
	differ = compare_config(before, after, where, sizeof(where));
	CHECK(!differ, "%u words differ:%s", differ, where);
	CHECK(shim_number(s.group, "stats/recoveries") == 1, "no recovery");

	REQUIRE_OK(shim_create(&s, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	nic_status(&user);
	MEASURE("words_differ", "%u", differ);
	MEASURE_RECOVERY("recovery_ms", &s);
}

static void unopened_mdev(const char *policy)
{
	uint16_t command;
	uint32_t status;
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, policy));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	command = vfio_user_command(&user);
	vfio_user_close(&user);

	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS is %#x, was %#x",
	      vfio_user_read(&user, BAR0, NIC_STATUS, 4), status);
	CHECK(vfio_user_command(&user) == command, "COMMAND is %#x, was %#x",
	      vfio_user_command(&user), command);
	MEASURE_RECOVERY("recovery_ms", &s);
}

SCENARIO(unopened_mdev_resume, "after an error the next open of an mdev that was not open works")
{
	unopened_mdev("resume");
}

SCENARIO(unopened_mdev_hold,
	 "an mdev of type hold that is not open is not held")
{
	unopened_mdev("hold");
}

SCENARIO(unopened_hold_beside_resume,
	 "an mdev of type hold that is not open does not hold the group of an open one")
{
	uint32_t status;
	struct shim s[2];

	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_make(&s[i], PAIR_PORT, i, i ? "hold" : "resume"));
	REQUIRE(s[0].group == s[1].group, "groups %d and %d", s[0].group, s[1].group);
	REQUIRE_OK(vfio_user_open(&user, s[0].uuid));
	status = nic_status(&user);
	REQUIRE_OK(strike(&s[0], PAIR_PORT, "DLP", "open"));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	CHECK(pci_command(s[0].addr) & 0x2, "COMMAND is %#x", pci_command(s[0].addr));
}
