// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disks.h"
#include "files.h"

#define BLOCK "sys/class/block"

struct disk {
	const char *name;
	char *number;		/* "259:2"; NULL: it has none */
};

/* A file with a line for each use; puts what uses the disk into use if the line is of it. */
struct table {
	const char *file;
	bool (*take)(const char *line, const struct disk *disk, char use[DISK_USE_SIZE]);
};

static bool is_source(const char *source, const char *name)
{
	return !strncmp(source, "/dev/", 5) && !strcmp(source + 5, name);
}

/*
 * "24 1 259:2 / / rw,relatime - ext4 /dev/nvme0n1p2 rw". A file system of several disks has
 * a number of its own, and names one of them.
 */
static bool take_mount(const char *line, const struct disk *disk, char use[DISK_USE_SIZE])
{
	const char *rest = strstr(line, " - ");
	char number[32], where[64] = "", source[64] = "";

	if (sscanf(line, "%*s %*s %31s %*s %63s", number, where) != 2)
		return false;
	if (rest)
		sscanf(rest, " - %*s %63s", source);
	if ((!disk->number || strcmp(number, disk->number)) && !is_source(source, disk->name))
		return false;
	snprintf(use, DISK_USE_SIZE, "%.40s is mounted on %s", disk->name, where);
	return true;
}

/* "/dev/nvme0n1p3  partition  8388604  0  -2" */
static bool take_swap(const char *line, const struct disk *disk, char use[DISK_USE_SIZE])
{
	char source[64];

	if (sscanf(line, "%63s", source) != 1 || !is_source(source, disk->name))
		return false;
	snprintf(use, DISK_USE_SIZE, "%.40s is swap space", disk->name);
	return true;
}

static const struct table tables[] = {
	{ "proc/self/mountinfo", take_mount },
	{ "proc/swaps", take_swap },
};

static bool look_up(const struct mdr *mdr, const struct table *table, const struct disk *disk,
		    char use[DISK_USE_SIZE])
{
	char path[PATH_MAX], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", mdr_root(mdr), table->file);
	file = fopen(path, "re");
	while (file && !found && getline(&line, &size, file) > 0)
		found = table->take(line, disk, use);
	free(line);
	if (file)
		fclose(file);
	return found;
}

/* No table names what ZFS has, or all but one of the disks of a btrfs; the kernel knows. */
static bool is_claimed(const struct mdr *mdr, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/dev/%s", mdr_root(mdr), name);
	fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EBUSY;
}

static bool in_use(const struct mdr *mdr, const char *name, char use[DISK_USE_SIZE])
{
	struct disk disk = { name, read_text(mdr, BLOCK "/%s/dev", name) };
	bool found = false;

	/* of LVM, RAID, encryption */
	if (has_file(mdr, BLOCK "/%s/holders/*", name)) {
		snprintf(use, DISK_USE_SIZE, "%.40s is part of a volume", name);
		found = true;
	}
	for (size_t i = 0; !found && i < sizeof(tables) / sizeof(*tables); i++)
		found = look_up(mdr, &tables[i], &disk, use);
	if (!found && is_claimed(mdr, name)) {
		snprintf(use, DISK_USE_SIZE, "%.40s is claimed, as by ZFS or btrfs", name);
		found = true;
	}
	free(disk.number);
	/* a user may choose where something is mounted */
	for (char *c = use; found && *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	return found;
}

/* The directory of the disk is below that of its function. */
static bool is_below(const struct mdr *mdr, const char *name, const char *address)
{
	char path[PATH_MAX], real[PATH_MAX], part[32];

	snprintf(path, sizeof(path), "%s/" BLOCK "/%s", mdr_root(mdr), name);
	snprintf(part, sizeof(part), "/%s/", address);
	return realpath(path, real) && strstr(real, part);
}

/* An NVMe disk with several paths is below none of them; nvme0c1n1 is a path of nvme0n1. */
static bool has_path(const struct mdr *mdr, const char *name, const char *address)
{
	unsigned int subsystem, disk;

	return sscanf(name, "nvme%un%u", &subsystem, &disk) == 2 &&
	       has_file(mdr, "sys/bus/pci/devices/%s/nvme/nvme*/nvme%uc*n%u", address, subsystem,
			disk);
}

bool disks_find(const struct mdr *mdr, const struct mdr_function *function,
		char use[DISK_USE_SIZE])
{
	const char *address = mdr_function_address(function);
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/" BLOCK, mdr_root(mdr));
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' &&
			(is_below(mdr, entry->d_name, address) ||
			 has_path(mdr, entry->d_name, address)) &&
			in_use(mdr, entry->d_name, use);
	if (dir)
		closedir(dir);
	return found;
}
