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

/* One pair of strings, without a null character that would hide what follows it. */
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

static bool is_number(const char *text, unsigned int low, unsigned int high)
{
	size_t digits = strspn(text, "0123456789"), zeros = strspn(text, "0");
	unsigned long number;

	if (!digits || text[digits] || digits - zeros > 9)
		return false;
	number = strtoul(text, NULL, 10);
	return number >= low && number <= high;
}

/* A newer module may have a setting that is not in the table: then it decides. */
static bool kernel_has(const struct call *call, const char *attribute)
{
	const char *name;
	struct mdr_mdev *mdev;
	bool has = false;

	if (strncmp(attribute, "recovery/", 9) || mdr_mdev_get(call->mdr, call->uuid, &mdev))
		return false;
	for (size_t i = 0; !has && (name = mdr_mdev_setting(mdev, i, NULL)); i++)
		has = !strcmp(name, attribute + 9);
	mdr_mdev_free(mdev);
	return has;
}

/* Says what is wrong with it. Return: whether it can be set. */
static bool check_one(const struct call *call, const char *name, const char *value)
{
	const struct setting *setting = setting_find(name);

	if (!setting) {
		if (kernel_has(call, name))
			return true;
		say("%s: no such attribute", *name ? name : "\"\"");
		return false;
	}
	if (setting->words[0]) {
		if (!strcmp(value, setting->words[0]) || !strcmp(value, setting->words[1]))
			return true;
		say("%s: '%s' is neither '%s' nor '%s'", name, value, setting->words[0],
		    setting->words[1]);
		return false;
	}
	if (is_number(value, setting->low, setting->high))
		return true;
	say("%s: '%s' is not a number from %u to %u", name, value, setting->low, setting->high);
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

void profile_check(const struct call *call)
{
	const char *name, *value;
	bool good = true;
	char names[1024];
	int at = 0;

	for (size_t i = 0; profile_attribute(call, i, &name, &value); i++) {
		if (!check_one(call, name, value))
			good = false;
		if (given_before(call, i, name))
			warn("%s is given more than once: the last value counts", name);
	}
	if (good)
		return;
	for (const struct setting *setting = settings; setting->name; setting++)
		at += snprintf(names + at, sizeof(names) - at, " recovery/%s", setting->name);
	refuse(call, "nothing was changed; there are:%s; see " PAGE, names);
}
