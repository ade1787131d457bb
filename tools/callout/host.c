// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of the host: can the parent have the mdev, and what prevents its recovery?
 */
#include <dirent.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "callout.h"

static bool exists(const struct call *call, const char *pattern)
{
	char path[PATH_MAX];
	glob_t found;
	bool is;

	snprintf(path, sizeof(path), "%s%s", mdr_root(call->mdr), pattern);
	is = !glob(path, 0, NULL, &found);
	globfree(&found);
	return is;
}

/* "acme-hold" is a type of the driver acme. */
static int driver_length(const char *type)
{
	return strrchr(type, '-') - type;
}

static void check_parent(const struct call *call, const struct mdr_function *function)
{
	const char *parent = call->parent, *bound = mdr_function_driver(function);
	int length = driver_length(call->type);
	char path[PATH_MAX];

	if (mdr_function_group(function) < 0)
		refuse(call,
		       "%s is in no IOMMU group: enable the IOMMU (for example intel_iommu=on)",
		       parent);
	if (!bound || (int)strlen(bound) != length || strncmp(bound, call->type, length)) {
		say("%s is bound to %s, and not to %.*s; to bind it:", parent,
		    bound ? bound : "no driver", length, call->type);
		refuse(call, "  mdrctl bind --driver=%.*s %s", length, call->type, parent);
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/mdev_supported_types/%s", parent,
		 call->type);
	if (!exists(call, path))
		refuse(call, "%s: its driver %s offers no type %s; see mdevctl types", parent,
		       bound, call->type);
}

/* After an upgrade the old modules stay loaded. */
static void check_version(const struct call *call)
{
	char path[PATH_MAX], ours[64] = "", loaded[64] = "unknown";
	FILE *f;

	snprintf(path, sizeof(path), "%s/usr/share/mdev-recovery/version", mdr_root(call->mdr));
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(ours, sizeof(ours), f))
		*ours = 0;
	fclose(f);
	ours[strcspn(ours, "\n")] = 0;
	mdr_module_version(call->mdr, loaded, sizeof(loaded));
	if (*ours && strcmp(ours, loaded))
		warn("the loaded module mdev_recovery has version %s, the installed one %s: %s",
		     loaded, ours, "reboot, or unload it and load it again");
}

/* An error must reach the kernel at the root port, through AER or DPC. */
static void check_reports(const struct call *call, const struct mdr_function *function)
{
	const char *port = mdr_function_port(function);
	char aer[PATH_MAX], dpc[PATH_MAX];

	if (!port) {
		warn("%s sits below no port: its errors may not reach the kernel",
		     call->parent);
		return;
	}
	snprintf(aer, sizeof(aer), "/sys/bus/pci_express/drivers/aer/%s:*", port);
	snprintf(dpc, sizeof(dpc), "/sys/bus/pci_express/drivers/dpc/%s:*", port);
	if (!exists(call, aer) && !exists(call, dpc))
		warn("root port %s has no AER service: the kernel learns of errors of %s only %s",
		     port, call->parent, "if the firmware reports them: mdrctl doctor");
}

static void check_group(const struct call *call, const struct mdr_function *function)
{
	const char *blocker, *port;
	struct mdr_group *group;
	char name[16], list[2048];
	size_t at = 0;

	snprintf(name, sizeof(name), "%d", mdr_function_group(function));
	if (mdr_group_get(call->mdr, name, &group))
		return;
	for (size_t i = 0; (blocker = mdr_group_blocker(group, i, &port)) && at < sizeof(list); i++)
		at += snprintf(list + at, sizeof(list) - at, " %s (from port %s on)", blocker,
			       port);
	if (at)
		warn("the kernel abandons recoveries of %s while %s; bind them to mdr-pci:%s",
		     call->parent, "these have no error handler", list);
	if (mdr_group_state(group) == MDR_GROUP_FAILED)
		warn("%s is failed (cause %s): it cannot be used before: mdrctl recover %s",
		     mdr_group_name(group), mdr_group_cause(group), mdr_group_name(group));
	mdr_group_free(group);
}

void host_check(const struct call *call)
{
	struct mdr_function *function;

	if (!mdr_address_valid(call->parent))
		refuse(call, "parent '%s' is not the address of a PCI function, like 0000:05:00.0",
		       call->parent);
	if (mdr_function_get(call->mdr, call->parent, &function))
		refuse(call, "%s: this host has no such PCI function; lspci -D lists them",
		       call->parent);
	check_parent(call, function);
	check_version(call);
	check_reports(call, function);
	check_group(call, function);
	mdr_function_free(function);
}

static bool starts_by_itself(struct json_object *config)
{
	const char *start = json_object_get_string(json_object_object_get(config, "start"));

	return start && !strcmp(start, "auto");
}

/* A function has at most one mdev, so only one of two can start automatically. */
void host_check_autostart(const struct call *call)
{
	char path[PATH_MAX + 256];
	struct dirent *entry;
	DIR *dir;

	if (!starts_by_itself(call->config))
		return;
	snprintf(path, sizeof(path), "%s/etc/mdevctl.d/%s", mdr_root(call->mdr), call->parent);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		struct json_object *other;

		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, call->uuid))
			continue;
		snprintf(path, sizeof(path), "%s/etc/mdevctl.d/%s/%s", mdr_root(call->mdr),
			 call->parent, entry->d_name);
		other = json_object_from_file(path);
		if (json_object_is_type(other, json_type_object) && starts_by_itself(other))
			warn("mdev %s of %s starts by itself too, and a function has only one mdev",
			     entry->d_name, call->parent);
		json_object_put(other);
	}
	if (dir)
		closedir(dir);
}
