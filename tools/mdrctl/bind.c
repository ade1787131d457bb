// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl bind, mdrctl unbind: binds functions to the shim, and gives them back.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "disks.h"
#include "saved.h"
#include "users.h"

#define CLASS_BRIDGE 0x0604	/* PCI to PCI */
#define ADDRESS_SIZE 24
#define NEW_MS 3200		/* the last of the pauses, each twice as long as the one before */

/* Load the driver if necessary; the package's modprobe.d finds it by its name. */
static int need_driver(struct cli *cli, const char *driver)
{
	const char *const modprobe[] = { "modprobe", "-q", driver, NULL };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sys/bus/pci/drivers/%s", mdr_root(cli->mdr), driver);
	if (!access(path, F_OK))
		return END_OK;
	if (!*mdr_root(cli->mdr))
		run_program(cli->mdr, modprobe);
	if (!access(path, F_OK))
		return END_OK;
	if (geteuid())
		return fail(END_DENIED, driver, "run it as root",
			    "there is no such PCI driver, and this user may not load its module");
	return fail(END_FAILED, driver, "mdrctl doctor; see " MDR_DOC "/installation.md",
		    "there is no such PCI driver, and modprobe does not find one");
}

/* It becomes a part of a path, and an argument of modprobe. */
static bool is_driver_name(const char *name)
{
	return *name && !strchr(name, '/') && name[0] != '.' && name[0] != '-';
}

static int may_be_bound(const struct mdr_function *function)
{
	const char *address = mdr_function_address(function);

	if (mdr_function_class(function) >> 8 == CLASS_BRIDGE)
		return fail(END_FAILED, address, NULL,
			    "is a bridge: only an endpoint function can be assigned");
	if (mdr_function_group(function) < 0)
		return fail(END_FAILED, address,
			    "enable the IOMMU in the firmware, and for Intel's with intel_iommu=on",
			    "is in no IOMMU group");
	return END_OK;
}

/*
 * udevd tells of a new function before the kernel has scanned the rest of the bus, and no
 * driver can take it until then.
 */
static int bind_new(struct cli *cli, const char *address, const char *driver)
{
	int ret = mdr_function_bind(cli->mdr, address, driver);

	for (int ms = 100; ret == -ENODEV && ms <= NEW_MS; ms *= 2) {
		usleep(ms * 1000);
		ret = mdr_function_bind(cli->mdr, address, driver);
	}
	return ret;
}

/* Its old driver is asked to take it back, and may not do so either. */
static int fail_not_taken(struct cli *cli, const struct mdr_function *function, const char *driver)
{
	const char *address = mdr_function_address(function), *was = mdr_function_driver(function);
	struct mdr_function *now;
	char next[128];
	bool lost;

	if (mdr_function_get(cli->mdr, address, &now))
		return fail(END_FAILED, address, "the kernel log says why", "is gone");
	lost = was && !mdr_function_driver(now);
	mdr_function_free(now);
	if (!lost)
		return fail(END_FAILED, address, "the kernel log says why",
			    "%s did not take it; it is where it was", driver);
	snprintf(next, sizeof(next),
		 "the kernel log says why; if it answers again: mdrctl bind %s", address);
	return fail(END_FAILED, address, next,
		    "%s did not take it, and %s did not take it back: it has no driver now",
		    driver, was);
}

static int bind_to(struct cli *cli, const struct mdr_function *function, const char *driver)
{
	const char *address = mdr_function_address(function), *was = mdr_function_driver(function);
	int ret;

	if (cli_value(cli, "saved") && !was)
		ret = bind_new(cli, address, driver);
	else
		ret = mdr_function_bind(cli->mdr, address, driver);
	if (ret == -ENODEV)
		return fail_not_taken(cli, function, driver);
	if (ret)
		return fail_errno(ret, address, "the kernel log says why");
	if (was && !strcmp(was, driver))
		printf("%s: is bound to %s already\n", address, driver);
	else
		printf("%s: bound to %s, was bound to %s; group%d\n", address, driver,
		       was ? was : "nothing", mdr_function_group(function));
	return END_OK;
}

static int do_bind(struct cli *cli, const struct mdr_function *function, const char *driver)
{
	int ret;

	ret = may_be_bound(function);
	if (!ret)
		ret = need_driver(cli, driver);
	if (ret)
		return ret;
	/* between two drivers it has none */
	interrupts_hold();
	ret = bind_to(cli, function, driver);
	interrupts_end();
	return ret;
}

static int keep(struct cli *cli, const struct mdr_function *function, const char *driver)
{
	struct saved saved = {
		.vendor = mdr_function_vendor(function),
		.device = mdr_function_device(function),
	};
	int ret;

	if (strlen(driver) >= sizeof(saved.driver))
		return fail(END_USAGE, driver, NULL, "is too long for the name of a driver");
	snprintf(saved.driver, sizeof(saved.driver), "%s", driver);
	ret = saved_store(cli->mdr, mdr_function_address(function), &saved);
	if (ret)
		return fail_errno(ret, SAVED_DIR,
				  "the function is bound, but will not be after the next boot");
	printf("%s: will be bound at each boot\n", mdr_function_address(function));
	return END_OK;
}

/* An mdev may have a user, and its driver would wait for it. */
static int has_no_mdev(struct cli *cli, const struct mdr_group *group, const char *address)
{
	const char *uuid;
	char next[128];
	int ret = END_OK;

	for (size_t i = 0; !ret && (uuid = mdr_group_mdev(group, i)); i++) {
		struct mdr_mdev *mdev;

		if (mdr_mdev_get(cli->mdr, uuid, &mdev))
			continue;
		snprintf(next, sizeof(next), "mdrctl remove %s", uuid);
		if (!strcmp(mdr_mdev_function(mdev), address))
			ret = fail(END_FAILED, address, next,
				   "has the mdev %s: nothing was done", uuid);
		mdr_mdev_free(mdev);
	}
	return ret;
}

/* Its driver would ask a user to release it, and wait. */
static int has_no_user(struct cli *cli, const struct mdr_function *function)
{
	const char *address = mdr_function_address(function), *next;
	struct mdr_group *group;
	char users[USERS_SIZE], use[DISK_USE_SIZE];
	int ret = END_OK;

	if (disks_find(cli->mdr, function, use))
		return fail(END_FAILED, address, cli_value(cli, "saved") ? NULL :
			    "end that; --force takes it all the same",
			    "is in use through %s: its disk %s: nothing was done",
			    mdr_function_driver(function), use);
	next = cli_value(cli, "saved") ? NULL :
	       "detach it from the VM, or stop the program; --force takes it all the same";
	if (users_find(cli->mdr, function, users))
		return fail(END_FAILED, address, next,
			    "is in use through %s: %s has it, or its IOMMU group, open: nothing was done",
			    mdr_function_driver(function), users);
	if (!mdr_group_get(cli->mdr, address, &group)) {
		ret = has_no_mdev(cli, group, address);
		mdr_group_free(group);
	}
	return ret;
}

/* Bind it, if nobody loses it. */
static int take(struct cli *cli, const struct mdr_function *function, const char *driver)
{
	const char *was = mdr_function_driver(function);
	int ret = END_OK;

	if (was && strcmp(was, driver)) {
		if (!cli_value(cli, "force"))
			ret = has_no_user(cli, function);
		if (!ret)
			users_warn(cli->mdr, function);
	}
	return ret ? ret : do_bind(cli, function, driver);
}

static int bind_one(struct cli *cli, const char *address)
{
	const char *driver = cli_value(cli, "driver");
	struct mdr_function *function;
	int ret;

	if (!driver)
		driver = MDR_DRIVER;
	if (!is_driver_name(driver))
		return fail(END_USAGE, driver, NULL, "is not the name of a driver");
	ret = mdr_function_get(cli->mdr, address, &function);
	if (ret)
		return fail_function(ret, address);
	ret = take(cli, function, driver);
	if (!ret && cli_value(cli, "persistent"))
		ret = keep(cli, function, driver);
	mdr_function_free(function);
	return ret;
}

/* The address with its domain; as it is if it is none. */
static const char *address_full(const char *name, char full[ADDRESS_SIZE])
{
	if (strlen(name) < ADDRESS_SIZE - 5) {
		snprintf(full, ADDRESS_SIZE, "0000:%s", name);
		if (mdr_address_valid(full))
			return full;
	}
	return name;
}

/* As at boot: bind as saved for this function. */
static int bind_saved(const char *address, void *arg)
{
	struct mdr_function *function;
	struct cli *cli = arg;
	struct saved saved;
	int ret;

	ret = saved_load(cli->mdr, address, &saved);
	if (ret == -ENOENT)
		return fail(END_NOT_FOUND, address, "mdrctl bind --persistent makes it so",
			    "is not one of those that are bound at each boot");
	if (!ret && !is_driver_name(saved.driver))
		ret = -EINVAL;
	if (ret)
		return fail(END_FAILED, address, "bind it again with --persistent",
			    "cannot read " SAVED_DIR "/%s: %s", address,
			    ret == -EINVAL ? "it is damaged" : strerror(-ret));
	ret = mdr_function_get(cli->mdr, address, &function);
	if (ret)
		return fail_function(ret, address);
	if (mdr_function_vendor(function) != saved.vendor ||
	    mdr_function_device(function) != saved.device)
		ret = fail(END_FAILED, address,
			   "bind it with --persistent if it is to be bound at each boot",
			   "is another device (%04x:%04x) than the one that was saved (%04x:%04x)",
			   mdr_function_vendor(function), mdr_function_device(function),
			   (unsigned int)saved.vendor, (unsigned int)saved.device);
	else
		ret = take(cli, function, saved.driver);
	mdr_function_free(function);
	return ret;
}

int run_bind(struct cli *cli)
{
	bool saved = cli_value(cli, "saved");
	char full[ADDRESS_SIZE];
	int end = END_OK;

	if (saved && cli_value(cli, "force"))
		return fail(END_USAGE, "--force", NULL,
			    "is only for functions that are named without --saved");
	if (saved && !cli->argc) {
		end = saved_each(cli->mdr, bind_saved, cli);
		return end < 0 ? fail_errno(end, SAVED_DIR, NULL) : end;
	}
	if (!cli->argc)
		return fail(END_USAGE, "bind", "mdrctl bind --help", "ADDRESS is missing");
	for (int i = 0; i < cli->argc; i++) {
		int ret = saved ? bind_saved(address_full(cli->argv[i], full), cli) :
				  bind_one(cli, cli->argv[i]);

		end = end ? end : ret;
	}
	if (!end && cli_value(cli, "persistent") && !saved_service(cli->mdr))
		fail(END_OK, SAVED_SERVICE, SAVED_ENABLE, SAVED_OFF);
	return end;
}

static int may_be_unbound(struct cli *cli, const struct mdr_function *function)
{
	const char *address = mdr_function_address(function);
	struct mdr_group *group;
	int ret;

	if (mdr_group_get(cli->mdr, address, &group))
		return fail(END_FAILED, address, "mdrctl list shows what there is",
			    "is bound to %s, which is not a driver of mdev_recovery: nothing was done",
			    mdr_function_driver(function) ? mdr_function_driver(function) :
			    "nothing");
	ret = has_no_mdev(cli, group, address);
	mdr_group_free(group);
	return ret;
}

/* The function is away, or another driver has it: then only that it is saved can end. */
static bool forgotten(struct cli *cli, const char *address, int *ret)
{
	struct mdr_group *group;
	struct saved saved;

	if (!cli_value(cli, "persistent") || !mdr_address_valid(address) ||
	    saved_load(cli->mdr, address, &saved) == -ENOENT)
		return false;
	if (!mdr_group_get(cli->mdr, address, &group)) {
		mdr_group_free(group);
		return false;
	}
	*ret = saved_forget(cli->mdr, address);
	if (*ret)
		*ret = fail_errno(*ret, SAVED_DIR, NULL);
	else
		printf("%s: is not bound at boot any more\n", address);
	return true;
}

static int unbind_function(struct cli *cli, const char *address)
{
	struct mdr_function *after;
	struct saved saved;
	char next[96];
	int ret;

	ret = mdr_function_unbind(cli->mdr, address);
	if (ret)
		return fail_errno(ret, address, "the kernel log says why");
	if (!mdr_function_get(cli->mdr, address, &after)) {
		printf("%s: unbound, now bound to %s\n", address,
		       mdr_function_driver(after) ? mdr_function_driver(after) : "nothing");
		mdr_function_free(after);
	}
	if (cli_value(cli, "persistent")) {
		snprintf(next, sizeof(next),
			 "%s is unbound, but will be bound again at the next boot", address);
		ret = saved_forget(cli->mdr, address);
		if (ret)
			return fail_errno(ret, SAVED_DIR, next);
	} else if (!saved_load(cli->mdr, address, &saved)) {
		printf("%s: is bound again at the next boot; --persistent forgets it\n",
		       address);
	}
	return END_OK;
}

static int unbind_one(struct cli *cli, const char *name)
{
	struct mdr_function *function;
	char full[ADDRESS_SIZE];
	int ret;

	if (forgotten(cli, address_full(name, full), &ret))
		return ret;
	ret = mdr_function_get(cli->mdr, name, &function);
	if (ret)
		return fail_function(ret, name);
	ret = may_be_unbound(cli, function);
	if (!ret) {
		interrupts_hold();
		ret = unbind_function(cli, mdr_function_address(function));
		interrupts_end();
	}
	mdr_function_free(function);
	return ret;
}

int run_unbind(struct cli *cli)
{
	int end = END_OK;

	for (int i = 0; i < cli->argc; i++) {
		int ret = unbind_one(cli, cli->argv[i]);

		end = end ? end : ret;
	}
	return end;
}
