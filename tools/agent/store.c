// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "store.h"

#define STORE_VERSION	2
#define STORE_MOST	(4 << 20)	/* bytes, far more than any valid file */

static const struct {
	enum phase phase;
	const char *name;
} phases[] = {
	{ PHASE_ATTACHED, "attached" },
	{ PHASE_ERROR, "error" },
	{ PHASE_TOLD, "told" },
	{ PHASE_RESET, "reset" },
	{ PHASE_EVICTING, "evicting" },
	{ PHASE_DETACHED, "detached" },
	{ PHASE_GIVEN_UP, "given up" },
};

static const char *get_string(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static bool get_number(struct json_object *object, const char *key, int64_t most,
		       int64_t *number)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_int))
		return false;
	*number = json_object_get_int64(value);
	return *number >= 0 && *number <= most;
}

static enum phase phase_parse(const char *name)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (!strcmp(name, phases[i].name))
			return phases[i].phase;
	return 0;
}

static const char *phase_name(enum phase phase)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (phase == phases[i].phase)
			return phases[i].name;
	return "";
}

/* Version 1 knew neither told nor hold_timeouts. */
static int load_record(struct json_object *object, int64_t version, struct records *records)
{
	const char *mdev = get_string(object, "mdev"), *domain = get_string(object, "domain");
	const char *name = get_string(object, "name"), *xml = get_string(object, "xml");
	const char *phase = get_string(object, "phase");
	int64_t id, event, told = 0, hold_timeouts = 0;
	struct record *record;

	if (!mdev || !uuid_valid(mdev) || !domain || !uuid_valid(domain) || !name || !xml ||
	    !phase || !phase_parse(phase) || !get_number(object, "id", INT_MAX, &id) ||
	    !get_number(object, "event", INT64_MAX, &event))
		return -EINVAL;
	if (version > 1 && (!get_number(object, "told", INT64_MAX, &told) ||
			    !get_number(object, "hold_timeouts", INT64_MAX, &hold_timeouts)))
		return -EINVAL;

	record = record_get(records, mdev, domain);
	if (!record)
		return -ENOMEM;
	record->phase = phase_parse(phase);
	record->event = event;
	record->told = told;
	record->hold_timeouts = hold_timeouts;
	return record_set(record, name, id, xml);
}

static int load_all(struct json_object *root, const char *boot, struct records *records)
{
	struct json_object *list;
	const char *of_boot;
	int64_t version;
	int ret = 0;

	if (!json_object_is_type(root, json_type_object) ||
	    !get_number(root, "version", INT_MAX, &version) ||
	    version < 1 || version > STORE_VERSION)
		return -EINVAL;
	of_boot = get_string(root, "boot");
	if (!of_boot ||
	    !json_object_object_get_ex(root, version > 1 ? "devices" : "evicted", &list) ||
	    !json_object_is_type(list, json_type_array))
		return -EINVAL;
	if (strcmp(of_boot, boot))
		return 0;
	for (size_t i = 0; !ret && i < json_object_array_length(list); i++)
		ret = load_record(json_object_array_get_idx(list, i), version, records);
	return ret;
}

static int read_file(const char *path, char **text)
{
	struct stat st;
	ssize_t got;
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fstat(fd, &st) ? -errno : 0;
	if (!ret && (!S_ISREG(st.st_mode) || st.st_size > STORE_MOST))
		ret = -EINVAL;
	if (!ret) {
		*text = calloc(1, st.st_size + 1);
		got = *text ? read(fd, *text, st.st_size) : 0;
		if (!*text)
			ret = -ENOMEM;
		else if (got < 0)
			ret = -errno;
		if (ret)
			free(*text);
	}
	close(fd);
	return ret;
}

int store_load(const char *dir, const char *boot, struct records *records)
{
	struct records loaded = { NULL };
	struct record **last = &records->first;
	struct json_object *root;
	char path[PATH_MAX], *text = NULL;
	int ret;

	snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE);
	ret = read_file(path, &text);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	root = json_tokener_parse(text);
	free(text);
	if (!root)
		return -EINVAL;
	ret = load_all(root, boot, &loaded);
	json_object_put(root);
	if (ret) {
		records_free(&loaded);
		return ret;
	}
	while (*last)
		last = &(*last)->next;
	*last = loaded.first;
	return 0;
}

static struct json_object *save_record(const struct record *record)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "mdev", json_object_new_string(record->mdev));
	json_object_object_add(object, "domain", json_object_new_string(record->domain));
	json_object_object_add(object, "name", json_object_new_string(record->name));
	json_object_object_add(object, "id", json_object_new_int(record->id));
	json_object_object_add(object, "phase",
			       json_object_new_string(phase_name(record->phase)));
	json_object_object_add(object, "event", json_object_new_int64(record->event));
	json_object_object_add(object, "told", json_object_new_int64(record->told));
	json_object_object_add(object, "hold_timeouts",
			       json_object_new_int64(record->hold_timeouts));
	json_object_object_add(object, "xml", json_object_new_string(record->xml));
	return object;
}

static struct json_object *save_all(const char *boot, const struct records *records)
{
	struct json_object *root = json_object_new_object(), *list = json_object_new_array();

	json_object_object_add(root, "version", json_object_new_int(STORE_VERSION));
	json_object_object_add(root, "boot", json_object_new_string(boot));
	json_object_object_add(root, "devices", list);
	for (const struct record *record = records->first; record; record = record->next)
		json_object_array_add(list, save_record(record));
	return root;
}

/* A link in its place would be somebody else's, if others can write to the directory. */
static int write_file(const char *path, const char *text)
{
	size_t left = strlen(text);
	ssize_t done;
	int fd, ret;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	for (; left; left -= done, text += done) {
		done = write(fd, text, left);
		if (done < 0)
			break;
	}
	ret = left || fsync(fd) ? -errno : 0;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

int store_save(const char *dir, const char *boot, const struct records *records)
{
	char path[PATH_MAX], temporary[PATH_MAX];
	struct json_object *root;
	int ret;

	snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE);
	snprintf(temporary, sizeof(temporary), "%s/.%s.new", dir, STORE_FILE);
	root = save_all(boot, records);
	ret = write_file(temporary, json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY));
	json_object_put(root);
	if (!ret && rename(temporary, path))
		ret = -errno;
	if (ret)
		unlink(temporary);
	return ret;
}
