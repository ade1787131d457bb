// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes files to the disk through the page cache, calls fsync(), and reads them back
 * bypassing the cache. The first error ends the work with this disk, and so does its
 * removal. The next disk is a new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "pattern.h"
#include "say.h"
#include "work.h"

#define DIR "/disk"
#define MIB (1024 * 1024)
#define FILE_MIB 4
/* A file takes no less, or the work would be done on a fast machine before all errors struck. */
#define FILE_MS 500

static void *buf;

/* The present disk; its number is higher if the last one is not quite gone. */
static const char *find(void)
{
	static char path[16];

	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "/dev/nvme%dn1", i);
		if (!access(path, F_OK))
			return path;
	}
	return NULL;
}

/* A disk that was just plugged in appears in /dev before it can be opened. */
static int mount_disk(const char *disk)
{
	for (int tries = 0; tries < 50; tries++) {
		if (!mount(disk, DIR, "ext4", 0, NULL))
			return 0;
		if (errno != ENXIO)
			return -errno;
		usleep(200000);
	}
	return -ENXIO;
}

static int write_file(const char *path, unsigned int file)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), ret = 0;

	if (fd < 0)
		return -errno;
	for (unsigned int i = 0; i < FILE_MIB && !ret; i++) {
		pattern_fill(buf, MIB, file, i * MIB);
		if (write(fd, buf, MIB) != MIB)
			ret = errno ? -errno : -EIO;
	}
	if (!ret && fsync(fd))
		ret = -errno;
	close(fd);
	return ret;
}

static int read_file(const char *path, unsigned int file, size_t *wrong)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	for (unsigned int i = 0; i < FILE_MIB && !ret; i++) {
		memset(buf, 0, MIB);
		if (read(fd, buf, MIB) != MIB)
			ret = errno ? -errno : -EIO;
		else
			*wrong += pattern_wrong(buf, MIB, file, i * MIB);
	}
	close(fd);
	return ret;
}

static int fill(unsigned int mib)
{
	uint64_t start, middle, end;
	size_t wrong = 0;
	char path[32];
	int ret = 0;

	for (unsigned int file = 0; file < mib / FILE_MIB && !ret; file++) {
		snprintf(path, sizeof(path), DIR "/%03u", file);
		start = now_ms();
		ret = write_file(path, file);
		if (ret)
			break;
		middle = now_ms();
		ret = read_file(path, file, &wrong);
		end = now_ms();
		say("disk mib=%u wrong=%zu write_ms=%ju read_ms=%ju", (file + 1) * FILE_MIB,
		    wrong, (uintmax_t)(middle - start), (uintmax_t)(end - middle));
		if (end - start < FILE_MS)
			usleep((FILE_MS - (end - start)) * 1000);
	}
	return ret;
}

void disk_work(unsigned int mib)
{
	const char *disk;
	int ret;

	mkdir(DIR, 0755);
	buf = aligned_alloc(4096, MIB);
	if (!buf)
		abort();
	for (;;) {
		while (!(disk = find()))
			usleep(200000);
		ret = mount_disk(disk);
		say("disk mounted: %s", strerror(-ret));
		if (!ret)
			ret = fill(mib);
		if (ret)
			say("disk failed: %s", strerror(-ret));
		if (umount2(DIR, ret ? MNT_DETACH : 0))
			say("disk umount: %m");
		else if (!ret)
			say("disk done");
		while (!access(disk, F_OK))
			usleep(200000);
		say("disk gone");
	}
}
