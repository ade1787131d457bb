// SPDX-License-Identifier: GPL-2.0-only
/* The modules stay loaded while they are in use, and can be unloaded afterwards. */
#include <errno.h>

#include "mdev.h"
#include "module.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "sysfs.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"

static struct vfio_user user;

/* They depend on the shim too, and other scenarios may have loaded them. */
static void unload_test_drivers(void)
{
	module_unload("mdev_recovery_test");
	module_unload("mdev_recovery_vendor");
}

SCENARIO(unload_not_while_in_use,
	 "no module can be unloaded under an open device; all can when all is undone")
{
	uint32_t status;
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	unload_test_drivers();
	CHECK_ERRNO(module_unload("mdev_recovery_pci"), EWOULDBLOCK);
	CHECK_ERRNO(module_unload("mdev_recovery"), EWOULDBLOCK);
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK_ERRNO(module_unload("mdev_recovery_pci"), EWOULDBLOCK);
	vfio_user_close(&user);
	REQUIRE_OK(mdev_remove(s.uuid));
	REQUIRE_OK(pci_unbind(s.addr));
	CHECK(!sysfs_exists(SHIM_CLASS "/group%d", s.group), "the group is still there");

	REQUIRE_OK(module_unload("mdev_recovery_pci"));
	REQUIRE_OK(module_unload("mdev_recovery"));
	CHECK(!module_loaded("mdev_recovery"), "it is still there");
	CHECK(!sysfs_exists(SHIM_CLASS), "its class is still there");

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

SCENARIO(unload_undoes_unused,
	 "unloading the parent driver takes back functions and mdevs that are not open")
{
	struct shim s[2];

	unload_test_drivers();
	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_make(&s[i], "rp_e1000e", i, "hold"));
	REQUIRE_OK(module_unload("mdev_recovery_pci"));
	for (int i = 0; i < 2; i++)
		CHECK(!sysfs_exists(MDEV_DIR "/%s", s[i].uuid), "mdev %d is still there", i);
	CHECK(!sysfs_exists(SHIM_CLASS "/group%d", s[0].group), "the group is still there");
	REQUIRE_OK(module_unload("mdev_recovery"));
	REQUIRE_OK(shim_load());
}
