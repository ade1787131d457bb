// SPDX-License-Identifier: GPL-2.0-only
/*
 * What makes a device, opens it and takes it away, with an allocation of the kernel that
 * fails. What must not fail, does not. debug_no_leak looks for lost memory afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail_nth.h"
#include "holder.h"
#include "mdev.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "sweep.h"
#include "sysfs.h"
#include "vfio_cdev.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define PAIR_PORT "rp_e1000e"
#define DRIVER "/sys/bus/pci/drivers/mdr-pci"
#define TYPE "mdr-pci-resume"

static struct shim shim;
static struct vfio_user user;
static uint32_t status;

static int file = -1;

static int file_open(const char *path)
{
	file = open(path, O_WRONLY | O_CLOEXEC);
	return file < 0 ? -errno : 0;
}

static int file_write(const char *text)
{
	return pwrite(file, text, strlen(text), 0) < 0 ? -errno : 0;
}

/* The kernel copies what is written before anything else, and may have no memory for that. */
static int file_write_again(const char *text)
{
	int ret = file_write(text);

	return ret == -ENOMEM ? file_write(text) : ret;
}

static void file_close(void)
{
	close(file);
	file = -1;
}

static int bind_before(void)
{
	return file_open(DRIVER "/bind");
}

static int bind_call(void)
{
	int ret = file_write(shim.addr);

	file_close();
	return ret;
}

static int bind_after(void)
{
	return sysfs_write(shim.addr, DRIVER "/unbind");
}

static int unbind_before(void)
{
	int ret = sysfs_write(shim.addr, DRIVER "/bind");

	return ret ? ret : file_open(DRIVER "/unbind");
}

static int unbind_call(void)
{
	int ret = file_write_again(shim.addr);

	file_close();
	return ret;
}

SCENARIO(fail_nth_bind, "a function is bound and unbound, whatever allocation fails",
	 .debug = true, .limit_s = 120)
{
	static const struct step steps[] = {
		{ "bind", bind_before, bind_call, bind_after, false },
		{ "unbind", unbind_before, unbind_call, NULL, true },
	};

	REQUIRE_OK(shim_bind(&shim, PORT, 0));
	REQUIRE_OK(bind_after());
	REQUIRE_OK(fail_nth_init(FAIL_NTH_NOT_ACPI));
	SWEEP(steps);
}

static int create_before(void)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/mdev_supported_types/" TYPE "/create",
		 shim.addr);
	return file_open(path);
}

static int create_call(void)
{
	int ret = file_write(shim.uuid);

	file_close();
	return ret;
}

static int create_after(void)
{
	return mdev_remove(shim.uuid);
}

static int remove_before(void)
{
	char path[128];
	int ret = mdev_create(shim.addr, TYPE, shim.uuid);

	snprintf(path, sizeof(path), MDEV_DIR "/%s/remove", shim.uuid);
	return ret ? ret : file_open(path);
}

static int remove_call(void)
{
	int ret = file_write_again("1");

	file_close();
	return ret;
}

/* The parent goes with the mdev on it. */
static int parent_before(void)
{
	int ret = unbind_before();

	return ret ? ret : mdev_create(shim.addr, TYPE, shim.uuid);
}

SCENARIO(fail_nth_mdev, "an mdev is created and removed, whatever allocation fails",
	 .debug = true, .limit_s = 90)
{
	static const struct step steps[] = {
		{ "create", create_before, create_call, create_after, false },
		{ "remove", remove_before, remove_call, NULL, true },
	};
	static const struct step parent[] = {
		{ "unbind", parent_before, unbind_call, NULL, true },
	};

	struct shim other;

	/*
	 * The other function keeps vfio's group: when vfio has no memory for a group, it loses
	 * a reference on the IOMMU group, and warns.
	 */
	REQUIRE_OK(shim_make(&other, PAIR_PORT, 1, "resume"));
	REQUIRE_OK(shim_make(&shim, PAIR_PORT, 0, "resume"));
	REQUIRE_OK(mdev_remove(shim.uuid));
	REQUIRE_OK(fail_nth_init(FAIL_NTH_NOT_ACPI));
	SWEEP(steps);
	REQUIRE_OK(bind_after());
	SWEEP(parent);
}

static pid_t holder;

static int revoke_before(void)
{
	int ret = remove_before();

	if (!ret)
		ret = shim_set(&shim, "revoke", "kill");
	if (!ret)
		ret = shim_set(&shim, "revoke_timeout_ms", "0");
	if (!ret)
		holder = holder_fork(GRIP_MAPPING, shim.uuid);
	return ret;
}

static int revoke_call(void)
{
	int ret = remove_call();

	/* it is gone: nothing else would end the removal */
	if (!ret)
		waitpid(holder, NULL, 0);
	return ret;
}

SCENARIO(fail_nth_revoke, "a user is killed for the removal, whatever allocation fails",
	 .debug = true, .limit_s = 120)
{
	static const struct step steps[] = {
		{ "revoke", revoke_before, revoke_call, NULL, true },
	};

	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(mdev_remove(shim.uuid));
	REQUIRE_OK(fail_nth_init(FAIL_NTH_NOT_ACPI));
	SWEEP(steps);
}

static void start(void)
{
	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	status = nic_status(&user);
	REQUIRE_OK(fail_nth_init(FAIL_NTH_NOT_ACPI));
}

static int open_call(void)
{
	user.device = ioctl(user.own.groups[0].fd, VFIO_GROUP_GET_DEVICE_FD, shim.uuid);
	return user.device < 0 ? -errno : 0;
}

static int open_after(void)
{
	int ret = 0;

	if (vfio_user_read(&user, VFIO_CONFIG, 0, 4) != pci_config_read(shim.addr, 0, 4))
		ret = -EIO;
	close(user.device);
	return ret;
}

SCENARIO(fail_nth_open, "a device is opened, whatever allocation fails",
	 .debug = true, .limit_s = 90)
{
	static const struct step steps[] = {
		{ "open", NULL, open_call, open_after, false },
	};

	start();
	close(user.device);
	SWEEP(steps);
	REQUIRE_OK(open_call());
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

static int cdev_before(void)
{
	user.device = vfio_cdev_open(shim.uuid);
	return user.device < 0 ? user.device : 0;
}

static int cdev_bind(void)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind), .iommufd = user.own.iommufd,
	};
	int ret = ioctl(user.device, VFIO_DEVICE_BIND_IOMMUFD, &bind) ? -errno : 0;

	if (ret)
		close(user.device);
	return ret;
}

static int cdev_after(void)
{
	return close(user.device) ? -errno : 0;
}

static int cdev_attach(void)
{
	return vfio_cdev_attach(user.device, user.own.ioas);
}

static int cdev_detach(void)
{
	return vfio_cdev_detach(user.device);
}

SCENARIO(fail_nth_iommufd,
	 "a device is bound to an iommufd, attached and detached, whatever allocation fails",
	 .debug = true, .limit_s = 90)
{
	static const struct step bind[] = {
		{ "bind", cdev_before, cdev_bind, cdev_after, false },
	};
	static const struct step attach[] = {
		{ "attach", NULL, cdev_attach, cdev_detach, false },
		{ "detach", cdev_attach, cdev_detach, NULL, true },
	};

	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(vfio_cdev_user_open(&user, shim.uuid));
	status = nic_status(&user);
	REQUIRE_OK(fail_nth_init(FAIL_NTH_NOT_ACPI));
	REQUIRE_OK(cdev_detach());
	SWEEP(attach);
	close(user.device);
	SWEEP(bind);
	REQUIRE_OK(cdev_before());
	REQUIRE_OK(cdev_bind());
	REQUIRE_OK(cdev_attach());
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}
