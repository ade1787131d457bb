// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <glob.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "nodes.h"
#include "users.h"

/* A process may have another /dev, or another root, so the end of the path counts. */
static bool ends_with(const char *path, const char *end)
{
	size_t size = strlen(path), part = strlen(end);

	return *end && size >= part && !strcmp(path + size - part, end);
}

static bool is_node(const char *path, const struct nodes *nodes)
{
	return ends_with(path, nodes->group) || ends_with(path, nodes->no_iommu) ||
	       ends_with(path, nodes->device);
}

static bool has_open(const struct mdr *mdr, const char *pid, const struct nodes *nodes)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc/%s/fd", mdr_root(mdr), pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		/* to follow the link could wait for a server */
		ssize_t got = readlinkat(dirfd(dir), entry->d_name, path, sizeof(path) - 1);

		path[got < 0 ? 0 : got] = 0;
		found = is_node(path, nodes);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* A process chooses its name: it must not reach the terminal as it is. */
static void add_user(const struct mdr *mdr, const char *pid, char users[USERS_SIZE])
{
	char *name = read_text(mdr, "proc/%s/comm", pid);
	size_t at = strlen(users);

	for (char *c = name; c && *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	snprintf(users + at, USERS_SIZE - at, "%s%s (%s)", at ? ", " : "",
		 name ? name : "a process", pid);
	free(name);
}

static int is_pid(const struct dirent *entry)
{
	return isdigit((unsigned char)*entry->d_name);
}

static void find_users(const struct mdr *mdr, const struct nodes *nodes, char users[USERS_SIZE])
{
	struct dirent **entries;
	char path[PATH_MAX];
	int count;

	snprintf(path, sizeof(path), "%s/proc", mdr_root(mdr));
	count = scandir(path, &entries, is_pid, alphasort);
	for (int i = 0; i < count; i++) {
		if (has_open(mdr, entries[i]->d_name, nodes))
			add_user(mdr, entries[i]->d_name, users);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

bool users_find(const struct mdr *mdr, const struct mdr_function *function,
		char users[USERS_SIZE])
{
	const char *driver = mdr_function_driver(function);
	struct nodes nodes;

	*users = 0;
	nodes_of(mdr, function, &nodes);
	/* without the file, a driver of VFIO may be about to let it go */
	if (*nodes.device || (driver && strstr(driver, "vfio")))
		find_users(mdr, &nodes, users);
	return *users;
}

bool users_is(const struct mdr *mdr, const struct mdr_function *function, const char *pid)
{
	struct nodes nodes;

	nodes_of(mdr, function, &nodes);
	return has_open(mdr, pid, &nodes);
}

/* .../net/NAME/flags */
static void warn_interface(const struct mdr_function *function, char *path)
{
	FILE *file = fopen(path, "re");
	unsigned int flags = 0;

	if (!file)
		return;
	if (fscanf(file, "%x", &flags) == 1 && flags & IFF_UP) {
		*strrchr(path, '/') = 0;
		fail(END_OK, mdr_function_address(function), NULL,
		     "its network interface %s is up, and disappears", strrchr(path, '/') + 1);
	}
	fclose(file);
}

void users_warn(const struct mdr *mdr, const struct mdr_function *function)
{
	/* that of virtio is below a device of its own */
	static const char *const patterns[] = { "net/*/flags", "virtio*/net/*/flags" };
	char path[PATH_MAX];
	glob_t found;

	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", mdr_root(mdr),
			 mdr_function_address(function), patterns[i]);
		if (!glob(path, 0, NULL, &found))
			for (size_t n = 0; n < found.gl_pathc; n++)
				warn_interface(function, found.gl_pathv[n]);
		globfree(&found);
	}
}
