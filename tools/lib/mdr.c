// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

struct mdr *mdr_new(const char *root)
{
	struct mdr *mdr = calloc(1, sizeof(*mdr));
	size_t len;

	if (!mdr)
		return NULL;
	snprintf(mdr->root, sizeof(mdr->root), "%s", root ? root : "");
	/* a slash is put between root and path */
	for (len = strlen(mdr->root); len && mdr->root[len - 1] == '/'; len--)
		mdr->root[len - 1] = 0;
	return mdr;
}

void mdr_free(struct mdr *mdr)
{
	free(mdr);
}

const char *mdr_root(const struct mdr *mdr)
{
	return mdr->root;
}

const char *mdr_version(void)
{
	return MDR_VERSION;
}

int mdr_module_version(struct mdr *mdr, char *version, size_t size)
{
	char *found;

	if (!mdr_exists(mdr, "sys/module/mdev_recovery"))
		return -ENOENT;
	found = mdr_read(mdr, "sys/module/mdev_recovery/version");
	snprintf(version, size, "%s", found && *found ? found : "unknown");
	free(found);
	return 0;
}

static bool hex(char c)
{
	return isdigit((unsigned char)c) || (c >= 'a' && c <= 'f');
}

bool mdr_uuid_valid(const char *text)
{
	for (int i = 0; i < MDR_UUID_SIZE - 1; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return false;
		} else if (!hex(text[i])) {
			return false;
		}
	}
	return !text[MDR_UUID_SIZE - 1];
}

/* A domain of four digits, or more below VMD; then "05:00.0". */
bool mdr_address_valid(const char *text)
{
	size_t domain = 0;

	while (hex(text[domain]))
		domain++;
	if (domain < 4 || domain > 8 || text[domain] != ':')
		return false;
	text += domain + 1;
	return hex(text[0]) && hex(text[1]) && text[2] == ':' && hex(text[3]) && hex(text[4]) &&
	       text[5] == '.' && text[6] >= '0' && text[6] <= '7' && !text[7];
}
