// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of the module: is it there for the running kernel, loaded, of our version, and let
 * in by Secure Boot?
 */
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "files.h"

#define HOST "host"
#define EFI_GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define MODULE "mdev_recovery.ko"

/* Which kernel runs, and the module's file and its version on disk; NULL: not known. */
struct disk {
	char *kernel, *file, *version;
};

/* The value of the variable follows four bytes of attributes. */
static bool secure_boot(const struct mdr *mdr)
{
	char *text = read_text(mdr, "sys/firmware/efi/efivars/SecureBoot-" EFI_GLOBAL);
	bool on = text && text[4] == 1;

	free(text);
	return on;
}

static void check_signature(struct exam *exam, bool loaded)
{
	char *taint = read_text(exam->cli->mdr, "sys/module/mdev_recovery/taint");
	bool secure = secure_boot(exam->cli->mdr);

	if (secure && !loaded)
		find(exam, LEVEL_WARN, "signature", HOST,
		     has_file(exam->cli->mdr, "var/lib/shim-signed/mok/MOK.der") ?
		     "mokutil --import /var/lib/shim-signed/mok/MOK.der, then reboot and enrol it" :
		     "mokutil --import /var/lib/dkms/mok.pub, then reboot and enrol the key",
		     "Secure Boot is on, so the modules need a signature that the kernel trusts");
	else if (taint && strchr(taint, 'E'))
		find(exam, LEVEL_WARN, "signature", HOST,
		     "sign it, if the machine is to have Secure Boot one day",
		     "the module has no signature; it would not load under Secure Boot");
	else
		find(exam, LEVEL_PASS, "signature", HOST, NULL, "Secure Boot is %s",
		     secure ? "on, and the module was let in" : "off");
	free(taint);
}

/* mdev_recovery.ko, or compressed: .ko.xz, .ko.zst, .ko.gz */
static bool is_module(const char *name)
{
	size_t size = strlen(MODULE);

	return !strncmp(name, MODULE, size) && (!name[size] || name[size] == '.');
}

/* DKMS, kmod packages and kbuild have a folder each, and depmod looks into all. */
static char *find_file(const struct mdr *mdr, const char *kernel)
{
	char top[PATH_MAX], *const tops[] = { top, NULL };
	char *file = NULL;
	FTSENT *entry;
	FTS *tree;

	snprintf(top, sizeof(top), "%s/lib/modules/%s", mdr_root(mdr), kernel);
	/* "build" is a link to the headers */
	tree = fts_open(tops, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	while (tree && !file && (entry = fts_read(tree)))
		if (entry->fts_info != FTS_DP && is_module(entry->fts_name))
			file = strdup(entry->fts_path);
	if (tree)
		fts_close(tree);
	return file;
}

static char *read_version(const struct mdr *mdr, const char *file)
{
	const char *const modinfo[] = { "modinfo", "-F", "version", file, NULL };
	char line[64];

	return run_program_line(mdr, modinfo, line, sizeof(line)) || !*line ? NULL : strdup(line);
}

static void check_loaded(struct exam *exam, const char *loaded, const char *installed)
{
	if (!strcmp(installed, loaded))
		find(exam, LEVEL_PASS, "module", HOST, NULL, "the module of version %s is loaded",
		     loaded);
	else
		find(exam, LEVEL_WARN, "module", HOST,
		     "reboot, or unload it and load it again: modprobe -r mdev_recovery_pci; modprobe mdr-pci",
		     "the loaded module has version %s, the installed one %s", loaded, installed);
}

/* A kernel that DKMS leaves out, or whose headers were not there, is installed all the same. */
static void check_built(struct exam *exam, const struct disk *disk, const char *loaded,
			const char *tools)
{
	char next[256];

	snprintf(next, sizeof(next),
		 "dkms status -m mdev-recovery; install the headers of kernel %s, or boot another one",
		 disk->kernel);
	if (!disk->file && !loaded)
		find(exam, LEVEL_FAIL, "module", HOST, next,
		     "the module mdev_recovery is not loaded, and there is none for kernel %s",
		     disk->kernel);
	else if (!disk->file)
		find(exam, LEVEL_WARN, "module", HOST, next,
		     "the module of version %s is loaded, but there is none for kernel %s on disk any more",
		     loaded, disk->kernel);
	else if (disk->version && strcmp(disk->version, tools))
		find(exam, LEVEL_WARN, "module", HOST, next,
		     "the module for kernel %s has version %s, the tools have %s",
		     disk->kernel, disk->version, tools);
}

static void check_module(struct exam *exam, const char *loaded, const char *tools)
{
	const struct mdr *mdr = exam->cli->mdr;
	struct disk disk = {};

	disk.kernel = read_text(mdr, "proc/sys/kernel/osrelease");
	if (disk.kernel)
		disk.file = find_file(mdr, disk.kernel);
	if (disk.file)
		disk.version = read_version(mdr, disk.file);
	if (disk.file || !disk.kernel) {
		if (loaded)
			check_loaded(exam, loaded, disk.version ? disk.version : tools);
		else
			find(exam, LEVEL_FAIL, "module", HOST, "modprobe mdr-pci",
			     "the module mdev_recovery is not loaded");
	}
	if (disk.kernel)
		check_built(exam, &disk, loaded, tools);
	free(disk.version);
	free(disk.file);
	free(disk.kernel);
}

void exam_module(struct exam *exam)
{
	char *tools = read_text(exam->cli->mdr, "usr/share/mdev-recovery/version");
	char loaded[64];
	bool is_loaded;

	is_loaded = !mdr_module_version(exam->cli->mdr, loaded, sizeof(loaded));
	check_module(exam, is_loaded ? loaded : NULL, tools ? tools : mdr_version());
	check_signature(exam, is_loaded);
	free(tools);
}
