// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of settings that the loaded module shows in
 * /sys/class/mdev_recovery/settings, one setting a line:
 *
 *   NAME number DEFAULT LOW HIGH UNIT
 *   NAME word DEFAULT WORD WORD...
 *
 * Of an unknown kind only the name and the default are used; the kernel knows the rest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

enum { FIELD_NAME, FIELD_KIND, FIELD_DEFAULT, FIELD_MORE };

struct mdr_setting {
	struct mdr_list fields;
	bool is_number, has_words;
	uint64_t low, high;
};

struct mdr_settings {
	struct mdr_setting *all;
	size_t count;
};

void mdr_settings_free(struct mdr_settings *settings)
{
	if (!settings)
		return;
	for (size_t i = 0; i < settings->count; i++)
		mdr_list_free(&settings->all[i].fields);
	free(settings->all);
	free(settings);
}

static bool parse_number(const char *text, uint64_t *number)
{
	size_t digits = text ? strspn(text, "0123456789") : 0;

	if (!digits || text[digits] || digits - strspn(text, "0") > 18)
		return false;
	*number = strtoull(text, NULL, 10);
	return true;
}

/* A line without a name, a kind and a default is ignored. */
static int parse_line(struct mdr_settings *settings, char *line)
{
	struct mdr_setting *setting = &settings->all[settings->count];
	struct mdr_list *fields = &setting->fields;
	char *rest, *field;
	int ret = 0;

	field = strtok_r(line, " ", &rest);
	for (; field && !ret; field = strtok_r(NULL, " ", &rest))
		ret = mdr_list_add(fields, field);
	if (ret || fields->count <= FIELD_DEFAULT) {
		mdr_list_free(fields);
		return ret;
	}
	setting->is_number = !strcmp(fields->items[FIELD_KIND], "number") &&
		parse_number(mdr_list_at(fields, FIELD_MORE), &setting->low) &&
		parse_number(mdr_list_at(fields, FIELD_MORE + 1), &setting->high);
	setting->has_words = !strcmp(fields->items[FIELD_KIND], "word");
	settings->count++;
	return 0;
}

int mdr_settings_get(struct mdr *mdr, struct mdr_settings **result)
{
	struct mdr_settings *settings;
	struct mdr_list lines = {};
	int ret;

	if (!mdr_exists(mdr, MDR_CLASS))
		return -EUNATCH;
	if (!mdr_exists(mdr, MDR_CLASS "/settings"))
		return -ENOENT;
	settings = calloc(1, sizeof(*settings));
	if (!settings)
		return -ENOMEM;
	ret = mdr_read_lines(mdr, &lines, MDR_CLASS "/settings");
	if (!ret) {
		settings->all = calloc(lines.count + 1, sizeof(*settings->all));
		ret = settings->all ? 0 : -ENOMEM;
	}
	for (size_t i = 0; !ret && i < lines.count; i++)
		ret = parse_line(settings, lines.items[i]);
	mdr_list_free(&lines);
	if (ret)
		mdr_settings_free(settings);
	else
		*result = settings;
	return ret;
}

const struct mdr_setting *mdr_settings_at(const struct mdr_settings *settings, size_t index)
{
	return index < settings->count ? &settings->all[index] : NULL;
}

const struct mdr_setting *mdr_settings_find(const struct mdr_settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->count; i++)
		if (!strcmp(mdr_setting_name(&settings->all[i]), name))
			return &settings->all[i];
	return NULL;
}

const char *mdr_setting_name(const struct mdr_setting *setting)
{
	return setting->fields.items[FIELD_NAME];
}

const char *mdr_setting_default(const struct mdr_setting *setting)
{
	return setting->fields.items[FIELD_DEFAULT];
}

bool mdr_setting_range(const struct mdr_setting *setting, uint64_t *low, uint64_t *high)
{
	if (setting->is_number) {
		*low = setting->low;
		*high = setting->high;
	}
	return setting->is_number;
}

const char *mdr_setting_unit(const struct mdr_setting *setting)
{
	return setting->is_number ? mdr_list_at(&setting->fields, FIELD_MORE + 2) : NULL;
}

const char *mdr_setting_word(const struct mdr_setting *setting, size_t index)
{
	return setting->has_words ? mdr_list_at(&setting->fields, FIELD_MORE + index) : NULL;
}

bool mdr_setting_allows(const struct mdr_setting *setting, const char *value)
{
	const char *word;
	uint64_t number;

	if (setting->is_number)
		return parse_number(value, &number) && number >= setting->low &&
		       number <= setting->high;
	for (size_t i = 0; (word = mdr_setting_word(setting, i)); i++)
		if (!strcmp(word, value))
			return true;
	return !setting->has_words;
}
