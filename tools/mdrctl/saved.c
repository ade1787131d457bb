// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
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

int saved_store(struct mdr *mdr, const char *address, const struct saved *saved)
{
	struct json_object *tree = json_object_new_object();
	char path[PATH_MAX];
	int ret;

	path_of(mdr, path, address);
	directories_make(path);
	add_text(tree, "driver", saved->driver);
	add_number(tree, "vendor", saved->vendor);
	add_number(tree, "device", saved->device);
	ret = file_replace(path, json_object_to_json_string(tree));
	json_object_put(tree);
	return ret;
}

int saved_forget(struct mdr *mdr, const char *address)
{
	char path[PATH_MAX];

	path_of(mdr, path, address);
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

/* A service is enabled by a link in the folder of what wants or requires it. */
int saved_service(const struct mdr *mdr)
{
	if (!has_file(mdr, "{usr/lib,usr/local/lib,lib}/systemd/system/" SAVED_SERVICE))
		return -1;
	return has_file(mdr, "{etc,usr/lib,usr/local/lib,lib}/systemd/system/*.{wants,requires}/"
			SAVED_SERVICE);
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
