// SPDX-License-Identifier: GPL-2.0-only
/*
 * The configuration: a type, and a list of objects with one string each. Every wrong
 * setting is reported, not just the first.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callout.h"

#define PAGE "/usr/share/doc/mdev-recovery/Documentation/ABI/testing/sysfs-bus-mdev-recovery"

/* A pair of strings; a null character in the value would hide the rest. */
static bool is_pair(struct json_object *object)
{
	if (!json_object_is_type(object, json_type_object) ||
	    json_object_object_length(object) != 1)
		return false;
	json_object_object_foreach(object, name, value) {
		(void)name;
		if (!json_object_is_type(value, json_type_string) ||
		    strlen(json_object_get_string(value)) !=
		    (size_t)json_object_get_string_len(value))
			return false;
	}
	return true;
}

static struct json_object *read_stdin(void)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *tree = NULL;
	char text[4096];
	size_t got;

	while (tokener && !tree && (got = fread(text, 1, sizeof(text), stdin))) {
		tree = json_tokener_parse_ex(tokener, text, got);
		if (!tree && json_tokener_get_error(tokener) != json_tokener_continue)
			break;
	}
	if (tokener)
		json_tokener_free(tokener);
	return tree;
}

void profile_read(struct call *call)
{
	bool good;

	call->config = read_stdin();
	good = json_object_is_type(call->config, json_type_object);
	if (good)
		call->attrs = json_object_object_get(call->config, "attrs");
	if (call->attrs)
		good = json_object_is_type(call->attrs, json_type_array);
	for (size_t i = 0; good && call->attrs && i < json_object_array_length(call->attrs); i++)
		good = is_pair(json_object_array_get_idx(call->attrs, i));
	if (!good)
		refuse(call, "the list of attributes is not one of pairs of strings");
}

bool profile_attribute(const struct call *call, size_t index, const char **name,
		       const char **value)
{
	if (!call->attrs || index >= json_object_array_length(call->attrs))
		return false;
	json_object_object_foreach(json_object_array_get_idx(call->attrs, index), key, val) {
		*name = key;
		*value = json_object_get_string(val);
	}
	return true;
}

const char *setting_name(const char *attribute)
{
	static const char prefix[] = "recovery/";

	return strncmp(attribute, prefix, sizeof(prefix) - 1) ? NULL :
		attribute + sizeof(prefix) - 1;
}

/* Without the module's table: does the running mdev have such a file? */
static bool kernel_has(const struct call *call, const char *wanted)
{
	const char *name;
	struct mdr_mdev *mdev;
	bool has = false;

	if (mdr_mdev_get(call->mdr, call->uuid, &mdev))
		return !strcmp(call->event, "pre") && *wanted &&
		       !wanted[strspn(wanted, "abcdefghijklmnopqrstuvwxyz0123456789_")];
	for (size_t i = 0; !has && (name = mdr_mdev_setting(mdev, i, NULL)); i++)
		has = !strcmp(name, wanted);
	mdr_mdev_free(mdev);
	return has;
}

static void say_allowed(const struct mdr_setting *setting, const char *name, const char *value)
{
	const char *unit = mdr_setting_unit(setting), *word;
	uint64_t low, high;
	char words[256] = "";

	if (mdr_setting_range(setting, &low, &high)) {
		say("%s: '%s' is not a number from %llu to %llu%s%s", name, value,
		    (unsigned long long)low, (unsigned long long)high, unit ? " " : "",
		    unit ? unit : "");
		return;
	}
	for (size_t i = 0; (word = mdr_setting_word(setting, i)); i++)
		snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s'%s'",
			 !i ? "" : mdr_setting_word(setting, i + 1) ? ", " : " or ", word);
	say("%s: '%s' is not %s", name, value, words);
}

/* Says what is wrong. Returns whether the attribute can be set. */
static bool check_one(const struct call *call, const char *attribute, const char *value)
{
	const char *name = setting_name(attribute);
	const struct mdr_setting *setting = NULL;

	if (name && !call->settings && kernel_has(call, name))
		return true;
	if (name && call->settings)
		setting = mdr_settings_find(call->settings, name);
	if (!setting)
		say("%s: no such attribute", *attribute ? attribute : "\"\"");
	else if (!mdr_setting_allows(setting, value))
		say_allowed(setting, attribute, value);
	else
		return true;
	return false;
}

static bool given_before(const struct call *call, size_t index, const char *name)
{
	const char *other, *value;

	for (size_t i = 0; i < index; i++)
		if (profile_attribute(call, i, &other, &value) && !strcmp(other, name))
			return true;
	return false;
}

static void refuse_all(const struct call *call)
{
	const struct mdr_setting *setting;
	char names[1024] = "";

	for (size_t i = 0; call->settings && (setting = mdr_settings_at(call->settings, i)); i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), " recovery/%s",
			 mdr_setting_name(setting));
	refuse(call, "nothing was changed%s%s; see " PAGE, *names ? "; there are:" : "", names);
}

void profile_check(const struct call *call)
{
	const char *name, *value;
	bool good = true;

	for (size_t i = 0; profile_attribute(call, i, &name, &value); i++) {
		if (!check_one(call, name, value))
			good = false;
		if (given_before(call, i, name))
			warn("%s is given more than once: the last value counts", name);
	}
	if (!good)
		refuse_all(call);
	if (!call->settings && profile_attribute(call, 0, &name, &value))
		warn("the module mdev_recovery %s: the kernel checks the settings later",
		     mdr_module_version(call->mdr, NULL, 0) ? "is not loaded" :
		     "is old and does not say what can be set");
}
