// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl settings and set: the settings that the loaded module has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mdrctl.h"

static int get_settings(struct cli *cli, struct mdr_settings **settings)
{
	int ret = mdr_settings_get(cli->mdr, settings);

	if (ret == -EUNATCH)
		return fail_group(ret, "settings");
	if (ret == -ENOENT)
		return fail(END_NOT_FOUND, "settings", "reboot, or reload the module",
			    "the loaded module is old, and does not say what can be set");
	return ret ? fail_errno(ret, "settings", NULL) : END_OK;
}

static int get_mdev(struct cli *cli, const char *uuid, struct mdr_mdev **mdev)
{
	int ret = mdr_mdev_get(cli->mdr, uuid, mdev);

	if (ret == -EINVAL)
		return fail(END_USAGE, uuid, "mdrctl list shows what there is", "is not a UUID");
	if (ret == -ENOENT)
		return fail(END_NOT_FOUND, uuid, "mdrctl list shows what there is",
			    "mdev_recovery has no such mdev");
	return ret ? fail_errno(ret, uuid, NULL) : END_OK;
}

static const char *value_of(const struct mdr_mdev *mdev, const char *wanted)
{
	const char *name, *value;

	for (size_t i = 0; mdev && (name = mdr_mdev_setting(mdev, i, &value)); i++)
		if (!strcmp(name, wanted))
			return value;
	return NULL;
}

static struct json_object *view_setting(const struct mdr_setting *setting,
					const struct mdr_mdev *mdev)
{
	struct json_object *tree = json_object_new_object(), *words = json_object_new_array();
	const char *word;
	uint64_t low, high;

	add_text(tree, "name", mdr_setting_name(setting));
	add_text(tree, "value", value_of(mdev, mdr_setting_name(setting)));
	add_text(tree, "default", mdr_setting_default(setting));
	if (mdr_setting_range(setting, &low, &high)) {
		add_number(tree, "low", low);
		add_number(tree, "high", high);
		add_text(tree, "unit", mdr_setting_unit(setting));
	}
	for (size_t i = 0; (word = mdr_setting_word(setting, i)); i++)
		json_object_array_add(words, json_object_new_string(word));
	if (json_object_array_length(words))
		json_object_object_add(tree, "words", words);
	else
		json_object_put(words);
	return tree;
}

/* "0 to 3600000 ms", "ones, fault" */
static void print_allowed(struct json_object *setting)
{
	struct json_object *words = get_list(setting, "words");

	if (get_list(setting, "high"))
		printf("%s to %s %s", get_text(setting, "low"), get_text(setting, "high"),
		       get_text(setting, "unit"));
	for (size_t i = 0; words && i < json_object_array_length(words); i++)
		printf("%s%s", i ? ", " : "",
		       json_object_get_string(json_object_array_get_idx(words, i)));
	puts(get_list(setting, "high") || words ? "" : "what the module takes");
}

static void print_settings(const struct cli *cli, struct json_object *settings)
{
	bool values = cli->argc;

	printf("%-20s %s%-9s ALLOWED\n", "NAME", values ? "VALUE     " : "", "DEFAULT");
	for (size_t i = 0; i < json_object_array_length(settings); i++) {
		struct json_object *setting = json_object_array_get_idx(settings, i);

		printf("%-20s ", get_text(setting, "name"));
		if (values)
			printf("%-9s ", get_text(setting, "value"));
		printf("%-9s ", get_text(setting, "default"));
		print_allowed(setting);
	}
}

int run_settings(struct cli *cli)
{
	struct json_object *list = json_object_new_array();
	const struct mdr_setting *setting;
	struct mdr_settings *settings = NULL;
	struct mdr_mdev *mdev = NULL;
	int ret;

	ret = get_settings(cli, &settings);
	if (!ret && cli->argc)
		ret = get_mdev(cli, cli->argv[0], &mdev);
	for (size_t i = 0; !ret && (setting = mdr_settings_at(settings, i)); i++)
		json_object_array_add(list, view_setting(setting, mdev));
	mdr_settings_free(settings);
	mdr_mdev_free(mdev);
	if (!ret && cli->json) {
		json_print(tree_new("settings", list));
		return END_OK;
	}
	if (!ret)
		print_settings(cli, list);
	json_object_put(list);
	return ret;
}

/* Splits "NAME=VALUE"; the second part goes to *value. */
static char *split(const char *argument, const char **value)
{
	size_t len = strcspn(argument, "=");

	*value = argument[len] ? argument + len + 1 : NULL;
	return strndup(argument, len);
}

static int check_one(const struct mdr_settings *settings, const char *argument)
{
	const struct mdr_setting *setting;
	const char *value;
	char *name = split(argument, &value);
	int ret = END_OK;

	setting = name ? mdr_settings_find(settings, name) : NULL;
	if (!value)
		ret = fail(END_USAGE, argument, "mdrctl settings shows what there is",
			   "is not NAME=VALUE: nothing was changed");
	else if (!setting)
		ret = fail(END_NOT_FOUND, name, "mdrctl settings shows what there is",
			   "there is no such setting: nothing was changed");
	else if (!mdr_setting_allows(setting, value))
		ret = fail(END_USAGE, name, "mdrctl settings shows what is allowed",
			   "'%s' is not allowed: nothing was changed", value);
	free(name);
	return ret;
}

static int set_one(struct cli *cli, const char *uuid, const char *argument)
{
	const char *value;
	char *name = split(argument, &value);
	int ret = name ? mdr_mdev_set(cli->mdr, uuid, name, value) : -ENOMEM;

	if (ret)
		ret = fail_errno(ret, argument, "see the kernel log");
	else
		printf("%s: %s is %s\n", uuid, name, value);
	free(name);
	return ret;
}

/* Checks all arguments before it sets the first one. */
int run_set(struct cli *cli)
{
	struct mdr_settings *settings = NULL;
	struct mdr_mdev *mdev = NULL;
	int ret;

	ret = get_mdev(cli, cli->argv[0], &mdev);
	if (!ret)
		ret = get_settings(cli, &settings);
	for (int i = 1; !ret && i < cli->argc; i++)
		ret = check_one(settings, cli->argv[i]);
	for (int i = 1; !ret && i < cli->argc; i++)
		ret = set_one(cli, cli->argv[0], cli->argv[i]);
	mdr_settings_free(settings);
	mdr_mdev_free(mdev);
	return ret;
}
