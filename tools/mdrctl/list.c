// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl list, status, recover, reset.
 */
#include <errno.h>
#include <string.h>

#include "mdrctl.h"

int run_list(struct cli *cli)
{
	struct json_object *groups = json_object_new_array();
	int ret = view_groups(cli->mdr, groups);

	if (ret) {
		json_object_put(groups);
		return fail_group(ret, "list");
	}
	if (cli->json) {
		json_print(tree_new("groups", groups));
		return END_OK;
	}
	if (json_object_array_length(groups))
		print_table(stdout, cli, groups);
	else
		puts("There is no group yet: bind a function (mdrctl bind ADDRESS).");
	json_object_put(groups);
	return END_OK;
}

/* Adds the group, unless it is there already. */
static int add_named(struct cli *cli, struct json_object *groups, const char *name)
{
	struct mdr_group *group;
	int ret;

	ret = mdr_group_get(cli->mdr, name, &group);
	if (ret)
		return fail_group(ret, name);
	for (size_t i = 0; i < json_object_array_length(groups); i++)
		if (!strcmp(get_text(json_object_array_get_idx(groups, i), "name"),
			    mdr_group_name(group))) {
			mdr_group_free(group);
			return END_OK;
		}
	json_object_array_add(groups, view_group(cli->mdr, group));
	mdr_group_free(group);
	return END_OK;
}

int run_status(struct cli *cli)
{
	struct json_object *groups = json_object_new_array();
	int ret = END_OK;

	if (!cli->argc) {
		ret = view_groups(cli->mdr, groups);
		if (ret)
			ret = fail_group(ret, "status");
	}
	for (int i = 0; !ret && i < cli->argc; i++)
		ret = add_named(cli, groups, cli->argv[i]);
	if (ret) {
		json_object_put(groups);
		return ret;
	}
	for (size_t i = 0; i < json_object_array_length(groups); i++) {
		struct json_object *group = json_object_array_get_idx(groups, i);

		if (!cli->json)
			print_group(cli, group);
		if (mdr_group_state_parse(get_text(group, "state")) == MDR_GROUP_FAILED)
			ret = END_UNWELL;
	}
	if (cli->json)
		json_print(tree_new("groups", groups));
	else
		json_object_put(groups);
	return ret;
}

static const struct {
	int error;
	const char *cause, *next;
} recover_errors[] = {
	{ EBUSY, "an access hangs in the device, or another task holds a function or a bridge",
	  "try again; if that does not help, stop the VM" },
	{ EAGAIN, "a new error came meanwhile, or another task holds a bridge",
	  "look at it again: mdrctl status" },
	{ ENODEV, "the device, or a bridge above it, does not answer within recovery_timeout_ms",
	  "suspect the hardware: reseat it, or power-cycle it" },
	{ ENOLINK, "the link to the device is down", "is the slot powered?" },
	{ ENXIO, "the kernel takes the device for removed", "remove it and rescan the bus" },
	{ EIO, "it did not answer before its reset, or a bridge above it cannot be restored",
	  "see the kernel log" },
};

static int fail_recover(const char *name, int error)
{
	if (error == -EACCES || error == -EPERM)
		return fail_errno(error, name, NULL);
	for (size_t i = 0; i < sizeof(recover_errors) / sizeof(*recover_errors); i++)
		if (error == -recover_errors[i].error)
			return fail(END_FAILED, name, recover_errors[i].next, "not recovered: %s",
				    recover_errors[i].cause);
	return fail(END_FAILED, name, "see the kernel log, which names the function",
		    "not recovered: %s", strerror(-error));
}

static int recover_one(struct cli *cli, const char *name)
{
	struct mdr_group *group, *after;
	const char *of;
	int ret;

	ret = mdr_group_get(cli->mdr, name, &group);
	if (ret)
		return fail_group(ret, name);
	of = mdr_group_name(group);
	if (mdr_group_state(group) != MDR_GROUP_FAILED) {
		ret = fail(END_FAILED, of, "mdrctl status says what to do",
			   "is %s, and not failed: nothing was done", mdr_group_state_name(group));
		mdr_group_free(group);
		return ret;
	}
	ret = mdr_group_recover(cli->mdr, group);
	if (ret) {
		ret = fail_recover(of, ret);
	} else if (!mdr_group_get(cli->mdr, of, &after)) {
		printf("%s: recovered, %s\n", of, mdr_group_state_name(after));
		mdr_group_free(after);
	}
	mdr_group_free(group);
	return ret;
}

/* Tries all of them; returns the first failure. */
int run_recover(struct cli *cli)
{
	int end = END_OK;

	for (int i = 0; i < cli->argc; i++) {
		int ret = recover_one(cli, cli->argv[i]);

		end = end ? end : ret;
	}
	return end;
}

static int reset_function(struct cli *cli, const char *name)
{
	struct mdr_group *group;
	int ret;

	ret = mdr_group_get(cli->mdr, name, &group);
	if (ret)
		return fail_group(ret, name);
	ret = mdr_function_reset(cli->mdr, name);
	if (ret == -ENOENT)
		ret = fail(END_FAILED, name, "mdrctl doctor says how it can be reset",
			   "cannot be reset by itself");
	else if (ret)
		ret = fail_errno(ret, name, "see the kernel log");
	else
		printf("%s: reset; it is in %s\n", name, mdr_group_name(group));
	mdr_group_free(group);
	return ret;
}

static int reset_one(struct cli *cli, const char *name)
{
	struct mdr_function *function;
	int ret;

	ret = mdr_function_get(cli->mdr, name, &function);
	if (ret)
		return fail_function(ret, name);
	/* the address as sysfs has it */
	ret = reset_function(cli, mdr_function_address(function));
	mdr_function_free(function);
	return ret;
}

int run_reset(struct cli *cli)
{
	int end = END_OK;

	for (int i = 0; i < cli->argc; i++) {
		int ret = reset_one(cli, cli->argv[i]);

		end = end ? end : ret;
	}
	return end;
}
