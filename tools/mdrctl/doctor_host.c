// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of the host.
 */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "files.h"
#include "saved.h"

#define HOST "host"

static void check_iommu(struct exam *exam)
{
	if (has_file(exam->cli->mdr, "sys/class/iommu/*"))
		find(exam, LEVEL_PASS, "iommu", HOST, NULL, "the IOMMU is on");
	else
		find(exam, LEVEL_FAIL, "iommu", HOST,
		     "turn VT-d or AMD-Vi on in the firmware; for Intel's boot with intel_iommu=on",
		     "there is no IOMMU, or it is off");
}

/*
 * Is it an option of the kernel's command line, as a whole word? Several values of one
 * option may be given at once: pci=nocrs,noaer.
 */
static bool has_option(const char *cmdline, const char *option)
{
	const char *value = strchr(option, '=') + 1;
	size_t name = value - option, len = strlen(value);

	for (const char *word = cmdline; *word; word += strspn(word, " ")) {
		const char *end = word + strcspn(word, " ");

		if (!strncmp(word, option, name))
			word += name;
		else
			word = end;
		while (word < end) {
			size_t size = strcspn(word, ", ");

			if (size == len && !strncmp(word, value, len))
				return true;
			word += size + (word[size] == ',');
		}
	}
	return false;
}

static const struct {
	const char *option;
	enum level level;
	const char *text;
} options[] = {
	{ "pci=noaer", LEVEL_FAIL, "the kernel was told to leave errors alone" },
	{ "pcie_ports=compat", LEVEL_FAIL, "the kernel was told to leave the ports alone" },
	{ "iommu=off", LEVEL_FAIL, "the IOMMU was turned off" },
	{ "intel_iommu=off", LEVEL_FAIL, "the IOMMU was turned off" },
	{ "amd_iommu=off", LEVEL_FAIL, "the IOMMU was turned off" },
	{ "pcie_ports=native", LEVEL_WARN,
	  "the kernel took AER without the firmware's consent; some firmware handles errors too" },
};

static void check_options(struct exam *exam)
{
	char *cmdline = read_text(exam->cli->mdr, "proc/cmdline");
	bool found = false;

	for (size_t i = 0; cmdline && i < sizeof(options) / sizeof(*options); i++) {
		if (!has_option(cmdline, options[i].option))
			continue;
		found = true;
		find(exam, options[i].level, "options", HOST,
		     "boot without it, or ask the vendor of the machine", "%s: %s",
		     options[i].option, options[i].text);
	}
	if (cmdline && !found)
		find(exam, LEVEL_PASS, "options", HOST, NULL,
		     "no option of the kernel stands in the way");
	free(cmdline);
}

/* "mdevctl 1.4.0" */
static void check_mdevctl(struct exam *exam)
{
	unsigned int major = 0, minor = 0;
	char line[64] = "";
	FILE *pipe;

	pipe = popen("mdevctl --version 2>/dev/null", "re");
	if (pipe && fgets(line, sizeof(line), pipe))
		sscanf(line, "mdevctl %u.%u", &major, &minor);
	if (pipe)
		pclose(pipe);
	if (!major)
		find(exam, LEVEL_FAIL, "mdevctl", HOST, "install the package mdevctl",
		     "there is no mdevctl, which defines and starts mdevs");
	else if (major == 1 && minor < 3)
		find(exam, LEVEL_WARN, "mdevctl", HOST,
		     "use mdrctl set; see " MDR_DOC "/profiles.md, Debian 12",
		     "mdevctl %u.%u changes no settings of a running mdev", major, minor);
	else
		find(exam, LEVEL_PASS, "mdevctl", HOST, NULL, "mdevctl has version %u.%u", major,
		     minor);
	if (!has_file(exam->cli->mdr, "usr/lib/mdevctl/scripts.d/callouts/mdev-recovery*") &&
	    !has_file(exam->cli->mdr, "etc/mdevctl.d/scripts.d/callouts/mdev-recovery*"))
		find(exam, LEVEL_WARN, "callout", HOST, "install the package mdev-recovery-tools",
		     "mdevctl does not have our callout: settings are not checked");
}

static int is_saved(const char *address, void *arg)
{
	(void)address;
	*(bool *)arg = true;
	return 0;
}

static void check_service(struct exam *exam)
{
	bool saved = false;

	saved_each(exam->cli->mdr, is_saved, &saved);
	if (saved && !saved_service(exam->cli->mdr))
		find(exam, LEVEL_WARN, "service", SAVED_SERVICE, SAVED_ENABLE, SAVED_OFF);
	else if (saved && saved_service(exam->cli->mdr) > 0)
		find(exam, LEVEL_PASS, "service", SAVED_SERVICE, NULL,
		     "binds what is saved before libvirt starts");
}

void exam_host(struct exam *exam)
{
	check_iommu(exam);
	check_options(exam);
	exam_module(exam);
	check_mdevctl(exam);
	check_service(exam);
	exam_memlock(exam);
}
