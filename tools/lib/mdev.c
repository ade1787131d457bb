// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdevs of mdev_recovery, and their settings.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

struct mdr_mdev {
	char uuid[MDR_UUID_SIZE];
	char *type, *function;
	struct mdr_list settings, values;
};

void mdr_mdev_free(struct mdr_mdev *mdev)
{
	if (!mdev)
		return;
	free(mdev->type);
	free(mdev->function);
	mdr_list_free(&mdev->settings);
	mdr_list_free(&mdev->values);
	free(mdev);
}

/* The directory of the mdev is in that of its function. */
static char *find_function(struct mdr *mdr, const char *uuid)
{
	char path[PATH_MAX], real[PATH_MAX], *last;

	if (mdr_path(mdr, path, MDR_MDEVS "/%s", uuid) || !realpath(path, real))
		return NULL;
	last = strrchr(real, '/');
	if (!last)
		return NULL;
	*last = 0;
	last = strrchr(real, '/');
	return last ? strdup(last + 1) : NULL;
}

/* -ENOENT: the mdev belongs to another driver. */
static int read_settings(struct mdr *mdr, struct mdr_mdev *mdev)
{
	int ret = mdr_read_dir(mdr, &mdev->settings, MDR_MDEVS "/%s/recovery", mdev->uuid);

	for (size_t i = 0; !ret && i < mdev->settings.count; i++) {
		char *value = mdr_read(mdr, MDR_MDEVS "/%s/recovery/%s", mdev->uuid,
				       mdev->settings.items[i]);

		ret = mdr_list_add(&mdev->values, value ? value : "");
		free(value);
	}
	return ret;
}

int mdr_mdev_get(struct mdr *mdr, const char *uuid, struct mdr_mdev **result)
{
	struct mdr_mdev *mdev;
	int ret;

	if (!mdr_uuid_valid(uuid))
		return -EINVAL;
	mdev = calloc(1, sizeof(*mdev));
	if (!mdev)
		return -ENOMEM;
	memcpy(mdev->uuid, uuid, sizeof(mdev->uuid));
	mdev->type = mdr_read_link(mdr, MDR_MDEVS "/%s/mdev_type", uuid);
	mdev->function = find_function(mdr, uuid);
	ret = mdev->type && mdev->function ? 0 : -ENOENT;
	if (!ret)
		ret = read_settings(mdr, mdev);
	if (ret)
		mdr_mdev_free(mdev);
	else
		*result = mdev;
	return ret;
}

const char *mdr_mdev_uuid(const struct mdr_mdev *mdev)
{
	return mdev->uuid;
}

const char *mdr_mdev_type(const struct mdr_mdev *mdev)
{
	return mdev->type;
}

const char *mdr_mdev_function(const struct mdr_mdev *mdev)
{
	return mdev->function;
}

const char *mdr_mdev_setting(const struct mdr_mdev *mdev, size_t index, const char **value)
{
	if (value)
		*value = mdr_list_at(&mdev->values, index);
	return mdr_list_at(&mdev->settings, index);
}

int mdr_mdev_set(struct mdr *mdr, const char *uuid, const char *setting, const char *value)
{
	/* the name of a file, not a path */
	if (!mdr_uuid_valid(uuid) || !*setting || strchr(setting, '/') || setting[0] == '.')
		return -ENOENT;
	/* sysfs would take no notice of an empty write */
	if (!*value)
		return -EINVAL;
	return mdr_write(mdr, value, MDR_MDEVS "/%s/recovery/%s", uuid, setting);
}
