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
#define MDEVS "sys/bus/mdev/devices"

static int mdevctl(struct cli *cli, const char *const *argv)
{
	int ret = run_program(cli->mdr, argv);

	if (ret == -ENOENT)
		return fail(END_FAILED, "mdevctl", "install the package mdevctl",
			    "there is no such program");
	/* a signal ended it; if it was meant for us, too, that is said later */
	if (ret == -EINTR)
		return interrupted() ? END_FAILED :
		       fail(END_FAILED, "mdevctl", NULL, "was killed");
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

/* Of this function only: another one may have a definition of the same UUID. */
static int undefine(struct cli *cli, const char *parent, const char *uuid)
{
	const char *const argv[] = { "mdevctl", "undefine", "--uuid", uuid, "--parent", parent,
				     NULL };

	return mdevctl(cli, argv);
}

static bool is_defined(struct cli *cli, const char *parent, const char *uuid)
{
	return has_file(cli->mdr, "etc/mdevctl.d/%s/%s", parent, uuid);
}

static bool is_running(struct cli *cli, const char *address, const char *uuid)
{
	char running[MDR_UUID_SIZE];

	return has_mdev(cli, address, running) && !strcmp(running, uuid);
}

/* The mdev does not start, or a signal came before it had. */
static int take_back(struct cli *cli, const char *address, const char *uuid, bool made)
{
	const char *const stop[] = { "mdevctl", "stop", "--uuid", uuid, NULL };
	const char *cause = interrupted() ? "interrupted" : "the mdev does not start";
	const char *log = interrupted() ? NULL : "see above, and the kernel log";
	char next[192];

	interrupts_hold();
	/* some of its settings may be missing */
	if (interrupted() && is_running(cli, address, uuid))
		mdevctl(cli, stop);
	if (!made || !is_defined(cli, address, uuid))
		return fail(END_FAILED, address, log, "%s; nothing was made", cause);
	undefine(cli, address, uuid);
	if (!is_defined(cli, address, uuid))
		return fail(END_FAILED, address, log, "%s; its definition is gone again", cause);
	snprintf(next, sizeof(next), "mdevctl undefine --uuid %s --parent %s", uuid, address);
	return fail(END_FAILED, address, next, "%s; its definition stays", cause);
}

static int define_and_start(struct cli *cli, const char *address, const char *uuid,
			    const char *file)
{
	const char *const define[] = { "mdevctl", "define", "--uuid", uuid, "--parent", address,
				       "--jsonfile", file, NULL };
	const char *const manual[] = { "mdevctl", "modify", "--uuid", uuid, "--parent", address,
				       "--manual", NULL };
	const char *const start[] = { "mdevctl", "start", "--uuid", uuid, "--parent", address,
				      NULL };
	bool modify = cli_value(cli, "manual");
	const char *const *const steps[] = { define, modify ? manual : start, start };
	int count = modify ? 3 : 2, ret = END_OK;
	bool made = !is_defined(cli, address, uuid);

	interrupts_keep();
	wait_for_udev(cli);
	for (int i = 0; !ret && i < count; i++) {
		ret = interrupted() ? END_FAILED : mdevctl(cli, steps[i]);
		if (ret && steps[i] == define && !interrupted())
			return fail(ret, address, "see above",
				    "mdevctl does not define the mdev");
	}
	/* udev may have started it after all */
	if (!ret || (!interrupted() && is_running(cli, address, uuid)))
		return END_OK;
	return take_back(cli, address, uuid, made);
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
	if (ret)
		interrupts_end();
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

/* mdevctl's definitions of it, of all functions; to be freed. */
static void find_definitions(struct cli *cli, const char *uuid, glob_t *found)
{
	char pattern[PATH_MAX];

	*found = (glob_t) {};
	snprintf(pattern, sizeof(pattern), "%s/etc/mdevctl.d/*/%s", mdr_root(cli->mdr), uuid);
	if (glob(pattern, 0, NULL, found))
		found->gl_pathc = 0;
}

/* The parent that a definition is for: the last directory of its path. */
static const char *parent_of(const char *path, char parent[NAME_MAX + 1])
{
	const char *end = strrchr(path, '/'), *begin = end;

	while (begin > path && begin[-1] != '/')
		begin--;
	snprintf(parent, NAME_MAX + 1, "%.*s", (int)(end - begin), begin);
	return parent;
}

static bool any_is_ours(const glob_t *found)
{
	for (size_t i = 0; i < found->gl_pathc; i++)
		if (is_our_definition(found->gl_pathv[i]))
			return true;
	return false;
}

static int undefine_ours(struct cli *cli, const char *uuid, const glob_t *found)
{
	char parent[NAME_MAX + 1];
	int end = END_OK, ret;

	for (size_t i = 0; i < found->gl_pathc; i++) {
		if (!is_our_definition(found->gl_pathv[i]))
			continue;
		ret = undefine(cli, parent_of(found->gl_pathv[i], parent), uuid);
		end = end ? end : ret;
	}
	return end;
}

/* mdevctl would still start an mdev of this UUID from it. */
static void say_what_stays(const char *uuid, const glob_t *found)
{
	char parent[NAME_MAX + 1], next[NAME_MAX + 128];

	for (size_t i = 0; i < found->gl_pathc; i++) {
		const char *path = found->gl_pathv[i];
		struct json_object *tree;
		const char *type;

		if (access(path, F_OK))
			continue;
		tree = json_object_from_file(path);
		type = get_text(tree, "mdev_type");
		parent_of(path, parent);
		snprintf(next, sizeof(next), "if nobody needs it: mdevctl undefine -u %s -p %s",
			 uuid, parent);
		fail(END_OK, uuid, next, "a definition for %s stays, which is not ours: type %s",
		     parent, *type ? type : "unknown");
		json_object_put(tree);
	}
}

static int stop_and_undefine(struct cli *cli, const char *uuid, const struct mdr_mdev *mdev,
			     const glob_t *found)
{
	const char *const stop[] = { "mdevctl", "stop", "--uuid", uuid, NULL };
	int ret = mdev ? mdevctl(cli, stop) : END_OK;

	if (!ret && !cli_value(cli, "keep"))
		ret = undefine_ours(cli, uuid, found);
	if (ret)
		return fail(ret, uuid, "see above, and the kernel log", "is not removed");
	printf("%s: %s\n", uuid, cli_value(cli, "keep") ? "stopped" : "removed");
	if (!cli_value(cli, "keep"))
		say_what_stays(uuid, found);
	return END_OK;
}

static int remove_one(struct cli *cli, const char *uuid)
{
	struct mdr_mdev *mdev = NULL;
	glob_t found;
	int ret;

	if (!mdr_uuid_valid(uuid))
		return fail(END_USAGE, uuid, "mdrctl list shows what there is", "is not a UUID");
	ret = mdr_mdev_get(cli->mdr, uuid, &mdev);
	if (ret && ret != -ENOENT)
		return fail_errno(ret, uuid, NULL);
	find_definitions(cli, uuid, &found);
	if (!mdev && (!any_is_ours(&found) || has_file(cli->mdr, MDEVS "/%s", uuid)))
		ret = fail(END_NOT_FOUND, uuid, "mdrctl list shows what there is",
			   "mdev_recovery has no such mdev");
	else
		ret = stop_and_undefine(cli, uuid, mdev, &found);
	globfree(&found);
	mdr_mdev_free(mdev);
	return ret;
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
