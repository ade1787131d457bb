// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "saved.h"

static void path_of(struct mdr *mdr, char path[PATH_MAX], const char *address)
{
	snprintf(path, PATH_MAX, "%s" SAVED_DIR "/%s", mdr_root(mdr), address);
}

int saved_load(struct mdr *mdr, const char *address, struct saved *saved)
{
	struct json_object *tree, *member;
	char path[PATH_MAX];
	int ret = -EINVAL;

	path_of(mdr, path, address);
	if (access(path, R_OK))
		return -errno;
	tree = json_object_from_file(path);
	if (!tree)
		return -EINVAL;
	if (json_object_is_type(tree, json_type_object) &&
	    strlen(get_text(tree, "driver")) < sizeof(saved->driver) &&
	    *get_text(tree, "driver") &&
	    json_object_object_get_ex(tree, "vendor", &member)) {
		snprintf(saved->driver, sizeof(saved->driver), "%s", get_text(tree, "driver"));
		saved->vendor = json_object_get_int64(member);
		saved->device = json_object_get_int64(json_object_object_get(tree, "device"));
		ret = 0;
	}
	json_object_put(tree);
	return ret;
}

/* A reader sees the old file or the new one. */
static int write_file(const char *path, const char *text)
{
	char temporary[PATH_MAX + 8];
	FILE *f;
	int ret;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	f = fopen(temporary, "we");
	if (!f)
		return -errno;
	ret = fprintf(f, "%s\n", text) < 0 || fflush(f) || fsync(fileno(f)) ? -errno : 0;
	if (fclose(f) && !ret)
		ret = -errno;
	if (!ret && rename(temporary, path))
		ret = -errno;
	if (ret)
		unlink(temporary);
	return ret;
}

int saved_store(struct mdr *mdr, const char *address, const struct saved *saved)
{
	struct json_object *tree = json_object_new_object();
	char path[PATH_MAX], *at;
	int ret;

	path_of(mdr, path, address);
	for (at = strchr(path + strlen(mdr_root(mdr)) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = 0;
		mkdir(path, 0755);
		*at = '/';
	}
	add_text(tree, "driver", saved->driver);
	add_number(tree, "vendor", saved->vendor);
	add_number(tree, "device", saved->device);
	ret = write_file(path, json_object_to_json_string(tree));
	json_object_put(tree);
	return ret;
}

int saved_forget(struct mdr *mdr, const char *address)
{
	char path[PATH_MAX];

	path_of(mdr, path, address);
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

static int is_address(const struct dirent *entry)
{
	return mdr_address_valid(entry->d_name);
}

int saved_each(struct mdr *mdr, int (*each)(const char *address, void *arg), void *arg)
{
	struct dirent **entries;
	char path[PATH_MAX];
	int count, ret = 0;

	snprintf(path, sizeof(path), "%s" SAVED_DIR, mdr_root(mdr));
	count = scandir(path, &entries, is_address, alphasort);
	if (count < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		int end = each(entries[i]->d_name, arg);

		ret = ret ? ret : end;
		free(entries[i]);
	}
	free(entries);
	return ret;
}
