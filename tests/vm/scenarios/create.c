// SPDX-License-Identifier: GPL-2.0-only
/* The creation of an mdev that fails. */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "mdev.h"
#include "moment.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"
#include "task.h"

#define PORT "rp_e1000e"
#define TYPE "mdr-pci-resume"
#define SETTLE_MS 3000
/* time to open the device before its links fail */
#define LINK_MS "2000"

static struct vfio_user user;
static struct shim made;

/* 0 if it fails as it should. */
static int create(const char *uuid)
{
	int ret = mdev_create(made.addr, TYPE, uuid);

	return ret == -ENOMEM ? 0 : ret ? ret : -EEXIST;
}

/* For its user, and not for anything else. */
static bool waits(struct background *b)
{
	pid_t task = atomic_load(&b->task);

	return task_in(task, "mdr_device_revoke", 0) ||
	       task_in(task, "vfio_unregister_group_dev", 0);
}

SCENARIO(create_fails_opened,
	 "a create that fails when a process has the device open waits for it; the host does not")
{
	struct background b = { .call = create };
	struct shim other;
	int fd;

	REQUIRE_OK(shim_make(&other, PORT, 0, "resume"));
	REQUIRE_OK(shim_make(&made, PORT, 1, "resume"));
	REQUIRE(made.group == other.group, "two groups");
	REQUIRE_OK(mdev_remove(made.uuid));
	REQUIRE_OK(vfio_user_open(&user, other.uuid));

	REQUIRE_OK(moment_load());
	REQUIRE_OK(moment_set("link_ms", LINK_MS));
	b.name = made.uuid;
	background_start(&b);
	REQUIRE(WAIT_FOR(moment_count("links") == 1, SETTLE_MS), "no link is tried");
	fd = ioctl(user.own.groups[0].fd, VFIO_GROUP_GET_DEVICE_FD, made.uuid);
	REQUIRE(fd >= 0, "%m");
	REQUIRE(WAIT_FOR(waits(&b), 2 * SETTLE_MS), "it does not wait for its user");
	CHECK_OK(strike(&other, PORT, "DLP", "open"));
	CHECK(!atomic_load(&b.done), "it has not waited");
	close(fd);
	MEASURE("create_ms", "%ju", background_ms(&b, SETTLE_MS));
	CHECK(!sysfs_exists(MDEV_DIR "/%s", made.uuid), "the mdev is there");

	REQUIRE_OK(mdev_create(made.addr, TYPE, made.uuid));
	fd = ioctl(user.own.groups[0].fd, VFIO_GROUP_GET_DEVICE_FD, made.uuid);
	CHECK(fd >= 0, "%m");
}
