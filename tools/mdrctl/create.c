// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl create, mdrctl remove: defines, starts and removes mdevs through mdevctl.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "mdrctl.h"

#define PROFILES "/usr/share/mdev-recovery/profiles"

static int mdevctl(struct cli *cli, const char *const *argv)
{
	int ret = run_program(cli->mdr, argv);

	if (ret == -ENOENT)
		return fail(END_FAILED, "mdevctl", "install the package mdevctl",
			    "there is no such program");
	if (ret < 0)
		return fail_errno(ret, "mdevctl", NULL);
	return ret ? END_FAILED : END_OK;
}

/* What suits most users of such a device, see profiles.md. */
static const char *usual_profile(const struct mdr_function *function)
{
	if (mdr_function_class(function) >> 8 == 0x0108)
		return "nvme";
	if (mdr_function_class(function) >> 16 == 0x02)
		return "network";
	return "resume";
}

static int find_profile(struct cli *cli, const char *name, char path[PATH_MAX])
{
	if (strchr(name, '/'))
		snprintf(path, PATH_MAX, "%s", name);
	else
		snprintf(path, PATH_MAX, "%s" PROFILES "/%s.json", mdr_root(cli->mdr), name);
	if (!access(path, R_OK))
		return END_OK;
	return fail(END_NOT_FOUND, name, "ls " PROFILES,
		    "there is no such profile; a file of your own has a slash in its name");
}

static int choose_uuid(struct cli *cli, char uuid[MDR_UUID_SIZE])
{
	const char *given = cli_value(cli, "uuid");
	FILE *f;
	bool got;

	if (given) {
		if (!mdr_uuid_valid(given))
			return fail(END_USAGE, given, "uuidgen makes one",
				    "is not a UUID in lower case");
		memcpy(uuid, given, MDR_UUID_SIZE);
		return END_OK;
	}
	f = fopen("/proc/sys/kernel/random/uuid", "re");
	got = f && fgets(uuid, MDR_UUID_SIZE, f);
	if (f)
		fclose(f);
	return got ? END_OK : fail(END_FAILED, "create", "give one with --uuid",
				   "cannot make a UUID");
}

/* Puts the function's mdev into uuid; false if it has none. */
static bool has_mdev(struct cli *cli, const char *address, char uuid[MDR_UUID_SIZE])
{
	struct mdr_group *group;
	const char *one;
	bool has = false;

	if (mdr_group_get(cli->mdr, address, &group))
		return false;
	for (size_t i = 0; !has && (one = mdr_group_mdev(group, i)); i++) {
		struct mdr_mdev *mdev;

		if (mdr_mdev_get(cli->mdr, one, &mdev))
			continue;
		has = !strcmp(mdr_mdev_function(mdev), address);
		if (has)
			memcpy(uuid, one, MDR_UUID_SIZE);
		mdr_mdev_free(mdev);
	}
	mdr_group_free(group);
	return has;
}

static int may_have_mdev(struct cli *cli, const char *address)
{
	char uuid[MDR_UUID_SIZE], next[128];
	struct mdr_group *group;

	if (mdr_group_get(cli->mdr, address, &group)) {
		snprintf(next, sizeof(next), "mdrctl bind %s", address);
		return fail(END_FAILED, address, next, "is not bound to a driver of mdev_recovery");
	}
	mdr_group_free(group);
	if (!has_mdev(cli, address, uuid))
		return END_OK;
	snprintf(next, sizeof(next), "mdrctl remove %s, if nobody needs it", uuid);
	return fail(END_FAILED, address, next, "has the mdev %s already, and can have only one",
		    uuid);
}

/*
 * A function that was bound just now may have events that udev is yet to handle. It would
 * start the mdev as soon as there is a definition, and then mdevctl could not.
 */
static void wait_for_udev(const struct cli *cli)
{
	const char *const settle[] = { "udevadm", "settle", "--timeout=10", NULL };

	if (!*mdr_root(cli->mdr))
		run_program(cli->mdr, settle);
}

static int define_and_start(struct cli *cli, const char *address, const char *uuid,
			    const char *file)
{
	const char *const define[] = { "mdevctl", "define", "--uuid", uuid, "--parent", address,
				       "--jsonfile", file, NULL };
	const char *const manual[] = { "mdevctl", "modify", "--uuid", uuid, "--manual", NULL };
	const char *const start[] = { "mdevctl", "start", "--uuid", uuid, NULL };
	const char *const undefine[] = { "mdevctl", "undefine", "--uuid", uuid, NULL };
	char running[MDR_UUID_SIZE];
	int ret;

	wait_for_udev(cli);
	ret = mdevctl(cli, define);
	if (ret)
		return fail(ret, address, "see above", "mdevctl does not define the mdev");
	if (cli_value(cli, "manual"))
		ret = mdevctl(cli, manual);
	if (!ret)
		ret = mdevctl(cli, start);
	/* udev may have started it after all */
	if (!ret || (has_mdev(cli, address, running) && !strcmp(running, uuid)))
		return END_OK;
	mdevctl(cli, undefine);
	return fail(ret, address, "see above, and the kernel log",
		    "the mdev does not start; its definition is gone again");
}

int run_create(struct cli *cli)
{
	const char *name = cli_value(cli, "profile"), *address;
	char uuid[MDR_UUID_SIZE], path[PATH_MAX];
	struct mdr_function *function;
	int ret;

	ret = mdr_function_get(cli->mdr, cli->argv[0], &function);
	if (ret == -EINVAL || ret == -ENOENT)
		return fail(ret == -EINVAL ? END_USAGE : END_NOT_FOUND, cli->argv[0],
			    "lspci -D lists them", "is not a PCI function of this host");
	if (ret)
		return fail_errno(ret, cli->argv[0], NULL);
	address = mdr_function_address(function);
	if (!name)
		name = usual_profile(function);
	ret = may_have_mdev(cli, address);
	if (!ret)
		ret = find_profile(cli, name, path);
	if (!ret)
		ret = choose_uuid(cli, uuid);
	if (!ret)
		ret = define_and_start(cli, address, uuid, path);
	if (!ret)
		printf("%s: created on %s with profile %s\n", uuid, address, name);
	mdr_function_free(function);
	return ret;
}

/* Is it a definition of one of our types? The drivers' names differ, the last words do not. */
static bool is_our_definition(const char *path)
{
	static const char * const words[] = { "-resume", "-hold", "-evict" };
	struct json_object *tree = json_object_from_file(path);
	const char *type = get_text(tree, "mdev_type"), *last = strrchr(type, '-');
	bool ours = false;

	for (size_t i = 0; last && i < sizeof(words) / sizeof(*words); i++)
		ours |= !strcmp(last, words[i]);
	json_object_put(tree);
	return ours;
}

/* Does mdevctl have definitions of it, and are all of them ours? */
static bool is_defined(struct cli *cli, const char *uuid)
{
	char pattern[PATH_MAX];
	glob_t found = {};
	bool ours;

	snprintf(pattern, sizeof(pattern), "%s/etc/mdevctl.d/*/%s", mdr_root(cli->mdr), uuid);
	ours = !glob(pattern, 0, NULL, &found);
	for (size_t i = 0; ours && i < found.gl_pathc; i++)
		ours = is_our_definition(found.gl_pathv[i]);
	globfree(&found);
	return ours;
}

static int remove_one(struct cli *cli, const char *uuid)
{
	const char *const stop[] = { "mdevctl", "stop", "--uuid", uuid, NULL };
	const char *const undefine[] = { "mdevctl", "undefine", "--uuid", uuid, NULL };
	struct mdr_mdev *mdev = NULL;
	bool defined;
	int ret;

	if (!mdr_uuid_valid(uuid))
		return fail(END_USAGE, uuid, "mdrctl list shows what there is", "is not a UUID");
	ret = mdr_mdev_get(cli->mdr, uuid, &mdev);
	if (ret && ret != -ENOENT)
		return fail_errno(ret, uuid, NULL);
	defined = is_defined(cli, uuid);
	if (!mdev && (!defined || has_file(cli->mdr, "sys/bus/mdev/devices/%s", uuid)))
		return fail(END_NOT_FOUND, uuid, "mdrctl list shows what there is",
			    "mdev_recovery has no such mdev");
	ret = mdev ? mdevctl(cli, stop) : END_OK;
	if (!ret && defined && !cli_value(cli, "keep"))
		ret = mdevctl(cli, undefine);
	mdr_mdev_free(mdev);
	if (ret)
		return fail(ret, uuid, "see above, and the kernel log", "is not removed");
	printf("%s: %s\n", uuid, cli_value(cli, "keep") ? "stopped" : "removed");
	return END_OK;
}

int run_remove(struct cli *cli)
{
	int end = END_OK;

	for (int i = 0; i < cli->argc; i++) {
		int ret = remove_one(cli, cli->argv[i]);

		end = end ? end : ret;
	}
	return end;
}
