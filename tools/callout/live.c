// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads and changes the settings of a running mdev.
 */
#include <stdio.h>
#include <string.h>

#include "callout.h"

#define CHANGES_MOST 64

struct change {
	const char *name, *was;
};

/* The value of a running mdev's setting; NULL: the kernel has no such setting. */
static const char *value_of(const struct mdr_mdev *mdev, const char *setting)
{
	const char *name, *value;

	for (size_t i = 0; (name = mdr_mdev_setting(mdev, i, &value)); i++)
		if (!strcmp(name, setting))
			return value;
	return NULL;
}

/* The value in the profile; the last one counts. */
static const char *value_wanted(const struct call *call, const char *setting, const char *normal)
{
	const char *name, *value, *wanted = normal;

	for (size_t i = 0; profile_attribute(call, i, &name, &value); i++)
		if (!strcmp(setting_name(name), setting))
			wanted = value;
	return wanted;
}

static void put_back(const struct call *call, const struct change *changes, size_t count)
{
	while (count--)
		if (mdr_mdev_set(call->mdr, call->uuid, changes[count].name, changes[count].was))
			say("recovery/%s could not be put back", changes[count].name);
}

struct changes {
	struct change all[CHANGES_MOST];
	size_t count;
};

/* Sets one and keeps its old value; if the kernel refuses it, restores all of them. */
static void change_one(const struct call *call, const struct mdr_mdev *mdev, const char *setting,
		       const char *wanted, struct changes *changes)
{
	const char *was = value_of(mdev, setting);

	if (was && !strcmp(was, wanted))
		return;
	if (mdr_mdev_set(call->mdr, call->uuid, setting, wanted)) {
		put_back(call, changes->all, changes->count);
		refuse(call, "the kernel refuses recovery/%s=%s (see dmesg); nothing was changed",
		       setting, wanted);
	}
	if (was && changes->count < CHANGES_MOST)
		changes->all[changes->count++] = (struct change) { setting, was };
}

/*
 * Same result as a stop and a start: settings that the profile does not name get their
 * defaults, if the module lists them. Changes all settings or none.
 */
void live_change(const struct call *call)
{
	const struct mdr_setting *setting;
	struct changes changes = {};
	const char *name, *value;
	struct mdr_mdev *mdev;

	if (mdr_mdev_get(call->mdr, call->uuid, &mdev))
		refuse(call, "mdev %s is not there any more", call->uuid);
	for (size_t i = 0; call->settings && (setting = mdr_settings_at(call->settings, i)); i++) {
		name = mdr_setting_name(setting);
		change_one(call, mdev, name,
			   value_wanted(call, name, mdr_setting_default(setting)), &changes);
	}
	/* the defaults are not known: change only what the profile names */
	for (size_t i = 0; !call->settings && profile_attribute(call, i, &name, &value); i++) {
		name = setting_name(name);
		change_one(call, mdev, name, value_wanted(call, name, value), &changes);
	}
	mdr_mdev_free(mdev);
	log_line(call, "info", "live modify", "done");
}

static void print_one(const char *name, const char *value, bool *first)
{
	struct json_object *pair = json_object_new_object();
	char attribute[128];

	snprintf(attribute, sizeof(attribute), "recovery/%s", name);
	json_object_object_add(pair, attribute, json_object_new_string(value));
	printf("%s%s", *first ? "" : ",",
	       json_object_to_json_string_ext(pair, JSON_C_TO_STRING_PLAIN |
					      JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(pair);
	*first = false;
}

/* In the order of the table, then those that are not in it. */
void live_read_back(const struct call *call)
{
	const struct mdr_setting *setting;
	const char *name, *value;
	struct mdr_mdev *mdev;
	bool first = true;

	putchar('[');
	if (!mdr_mdev_get(call->mdr, call->uuid, &mdev)) {
		for (size_t i = 0; call->settings &&
		     (setting = mdr_settings_at(call->settings, i)); i++) {
			name = mdr_setting_name(setting);
			value = value_of(mdev, name);
			if (value)
				print_one(name, value, &first);
		}
		for (size_t i = 0; (name = mdr_mdev_setting(mdev, i, &value)); i++)
			if (!call->settings || !mdr_settings_find(call->settings, name))
				print_one(name, value, &first);
		mdr_mdev_free(mdev);
	}
	puts("]");
}
