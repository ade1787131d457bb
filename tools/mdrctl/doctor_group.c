// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of a function, and of a group with its mdevs.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "files.h"

static void check_driver(struct exam *exam, const struct mdr_function *function)
{
	const char *address = mdr_function_address(function);
	const char *driver = mdr_function_driver(function);
	char next[64];

	if (has_file(exam->cli->mdr, "sys/bus/pci/devices/%s/mdev_supported_types", address)) {
		find(exam, LEVEL_PASS, "driver", address, NULL, "is bound to %s", driver);
		return;
	}
	snprintf(next, sizeof(next), "mdrctl bind %s", address);
	find(exam, LEVEL_FAIL, "driver", address, next,
	     "is bound to %s, which is not a driver of mdev_recovery",
	     driver ? driver : "nothing");
}

/* Are its errors reported to the kernel at the root port, or to the firmware? */
static void check_aer(struct exam *exam, const struct mdr_function *function)
{
	const char *address = mdr_function_address(function), *port = mdr_function_port(function);

	if (!port)
		find(exam, LEVEL_WARN, "aer", address, NULL,
		     "sits below no port: its errors may not reach the kernel");
	else if (has_file(exam->cli->mdr, "sys/bus/pci_express/drivers/aer/%s:*", port))
		find(exam, LEVEL_PASS, "aer", address, NULL, "the kernel has AER at root port %s",
		     port);
	else if (has_file(exam->cli->mdr, "sys/bus/pci_express/drivers/dpc/%s:*", port))
		find(exam, LEVEL_PASS, "aer", address, NULL, "the kernel has DPC at root port %s",
		     port);
	else
		find(exam, LEVEL_WARN, "aer", address,
		     "see " MDR_DOC "/operators-guide.md, If the firmware keeps AER",
		     "root port %s has no AER: the kernel learns only of errors that the firmware reports",
		     port);
}

static void check_reset(struct exam *exam, const struct mdr_function *function)
{
	const char *address = mdr_function_address(function);
	char *methods, next[128];

	methods = read_text(exam->cli->mdr, "sys/bus/pci/devices/%s/reset_method", address);
	if (methods && *methods) {
		find(exam, LEVEL_PASS, "reset", address, NULL, "can be reset: %s", methods);
	} else {
		snprintf(next, sizeof(next), "cat /sys/bus/pci/devices/%s/reset_method", address);
		find(exam, LEVEL_WARN, "reset", address, next,
		     "cannot be reset by itself: recover restores it without a reset");
	}
	free(methods);
}

/* May it be in the IOMMU group of a user? */
static bool harmless(const struct mdr *mdr, const struct mdr_function *other)
{
	const char *driver = mdr_function_driver(other);

	return !driver || mdr_function_class(other) >> 16 == 0x06 || !strcmp(driver, "vfio-pci") ||
	       has_file(mdr, "sys/bus/pci/devices/%s/mdev_supported_types",
			mdr_function_address(other));
}

static bool check_member(struct exam *exam, const char *address, const char *name)
{
	struct mdr_function *other;
	char next[320];
	bool good;

	if (mdr_function_get(exam->cli->mdr, name, &other))
		return true;
	good = harmless(exam->cli->mdr, other);
	if (!good) {
		snprintf(next, sizeof(next), "mdrctl bind %s", name);
		find(exam, LEVEL_FAIL, "shape", address, next,
		     "shares its IOMMU group with %s, which %s has: no user can open the group",
		     name, mdr_function_driver(other));
	}
	mdr_function_free(other);
	return good;
}

/* The other functions in the IOMMU group. */
static void check_shape(struct exam *exam, const struct mdr_function *function)
{
	const char *address = mdr_function_address(function);
	int group = mdr_function_group(function);
	struct dirent **entries;
	char path[PATH_MAX];
	bool good = true;
	int count;

	if (group < 0) {
		find(exam, LEVEL_FAIL, "shape", address,
		     "enable the IOMMU in the firmware, and for Intel's with intel_iommu=on",
		     "is in no IOMMU group");
		return;
	}
	snprintf(path, sizeof(path), "%s/sys/kernel/iommu_groups/%d/devices",
		 mdr_root(exam->cli->mdr), group);
	count = scandir(path, &entries, NULL, alphasort);
	if (count < 0) {
		find(exam, LEVEL_WARN, "shape", address, NULL,
		     "what else is in IOMMU group %d cannot be seen: %s", group, strerror(errno));
		return;
	}
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.' && strcmp(entries[i]->d_name, address))
			good &= check_member(exam, address, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	if (good && count > 3)
		find(exam, LEVEL_PASS, "shape", address, NULL,
		     "shares IOMMU group %d with %d more, which have the same user", group,
		     count - 3);
	else if (good)
		find(exam, LEVEL_PASS, "shape", address, NULL, "is alone in IOMMU group %d", group);
}

void exam_function(struct exam *exam, const char *address)
{
	struct mdr_function *function;

	if (mdr_function_get(exam->cli->mdr, address, &function)) {
		find(exam, LEVEL_FAIL, "function", address, "rescan the bus",
		     "is not there any more");
		return;
	}
	check_driver(exam, function);
	check_shape(exam, function);
	check_aer(exam, function);
	check_reset(exam, function);
	exam_node(exam, function);
	mdr_function_free(function);
}

static void check_blockers(struct exam *exam, const struct mdr_group *group)
{
	const char *name = mdr_group_name(group), *blocker, *port;
	char next[64];

	for (size_t i = 0; (blocker = mdr_group_blocker(group, i, &port)); i++) {
		snprintf(next, sizeof(next), "mdrctl bind %s", blocker);
		find(exam, LEVEL_WARN, "blockers", name, next,
		     "the kernel abandons recoveries at port %s and above: %s has no error handler",
		     port, blocker);
	}
	if (!mdr_group_blocker(group, 0, NULL))
		find(exam, LEVEL_PASS, "blockers", name, NULL, "nothing blocks its recovery");
}

static void check_state(struct exam *exam, const struct mdr_group *group)
{
	const char *name = mdr_group_name(group), *state = mdr_group_state_name(group);
	char next[64];

	switch (mdr_group_advice(group)) {
	case MDR_ADVICE_NONE:
		find(exam, LEVEL_PASS, "state", name, NULL, "is %s", state);
		break;
	case MDR_ADVICE_RECOVER:
		snprintf(next, sizeof(next), "mdrctl recover %s, when the cause is found", name);
		find(exam, LEVEL_FAIL, "state", name, next, "is %s (cause %s)", state,
		     mdr_group_cause(group));
		break;
	case MDR_ADVICE_REPLACE:
		snprintf(next, sizeof(next), "mdrctl recover %s, or replace the device", name);
		find(exam, LEVEL_FAIL, "state", name, next,
		     "is %s: the host has given the device up", state);
		break;
	case MDR_ADVICE_RELEASE:
		find(exam, LEVEL_WARN, "state", name, "detach it from the VM, or stop the VM",
		     "is %s: its user has to release it", state);
		break;
	default:
		find(exam, LEVEL_WARN, "state", name, "mdrctl watch", "is %s", state);
	}
}

static uint64_t counter(const struct mdr_group *group, const char *wanted)
{
	const char *name;
	uint64_t value;

	for (size_t i = 0; (name = mdr_group_counter(group, i, &value)); i++)
		if (!strcmp(name, wanted))
			return value;
	return 0;
}

static const struct {
	const char *name, *text, *next;
} counters[] = {
	{ "failures", "a user lost its device", "mdrctl history" },
	{ "own_resets", "the kernel abandoned recoveries, and the shim saved the group",
	  "see its blockers" },
	{ "drain_timeouts", "an access took more than 1 s, and the host went on without it",
	  "if it repeats, suspect the hardware" },
	{ "hold_timeouts", "a user of type hold did not reset its device",
	  "mend the user, or choose the type evict" },
};

static void check_counters(struct exam *exam, const struct mdr_group *group)
{
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		uint64_t value = counter(group, counters[i].name);

		if (value)
			find(exam, LEVEL_WARN, "counters", mdr_group_name(group), counters[i].next,
			     "%s is %llu: %s", counters[i].name, (unsigned long long)value,
			     counters[i].text);
	}
}

/* If stall_timeout_ms is shorter than a recovery, the user sees a dead device. */
static void check_patience(struct exam *exam, const struct mdr_group *group)
{
	uint64_t took_ms = counter(group, "recovery_ns_last") / 1000000, stall_ms;
	const char *uuid, *name, *value;
	struct mdr_mdev *mdev;

	for (size_t i = 0; took_ms && (uuid = mdr_group_mdev(group, i)); i++) {
		if (mdr_mdev_get(exam->cli->mdr, uuid, &mdev))
			continue;
		for (size_t n = 0; (name = mdr_mdev_setting(mdev, n, &value)); n++)
			if (!strcmp(name, "stall_timeout_ms") &&
			    number_parse(value, UINT32_MAX, &stall_ms) && stall_ms < took_ms)
				find(exam, LEVEL_WARN, "patience", uuid,
				     "raise it, if the guest copes with a longer wait: mdevctl modify",
				     "the last recovery took %llu ms, stall_timeout_ms is %llu: its user saw a dead device",
				     (unsigned long long)took_ms, (unsigned long long)stall_ms);
		mdr_mdev_free(mdev);
	}
}

void exam_group(struct exam *exam, const struct mdr_group *group)
{
	const char *function;

	check_state(exam, group);
	check_blockers(exam, group);
	check_counters(exam, group);
	check_patience(exam, group);
	for (size_t i = 0; (function = mdr_group_function(group, i)); i++)
		exam_function(exam, function);
}
