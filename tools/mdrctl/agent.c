// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests to mdr-agent, the only tool that talks to libvirt: try again to attach devices
 * that it gave up, and check a domain.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

#define SERVICE "mdr-agent"
#define NO_DOMAIN 3		/* an exit code of mdr-agent */
#define NOT_PERMITTED 4		/* and of systemctl */

static bool agent_runs(struct cli *cli)
{
	static const char *const ask[] = { "systemctl", "is-active", "--quiet", SERVICE, NULL };

	return !run_program(cli->mdr, ask);
}

int run_retry(struct cli *cli)
{
	static const char *const reload[] = { "systemctl", "reload", SERVICE, NULL };
	int ret;

	if (!agent_runs(cli))
		return fail(END_NOT_FOUND, SERVICE, "systemctl start " SERVICE,
			    "does not run, so nothing is attached again");
	ret = run_program(cli->mdr, reload);
	if (ret < 0)
		return fail_errno(ret, SERVICE, NULL);
	/* without polkit's agent systemctl has another code for the same */
	if (ret == NOT_PERMITTED || (ret && geteuid()))
		return fail(END_DENIED, SERVICE, "run it as root",
			    "was not reloaded: this user may not do that");
	if (ret)
		return fail(END_FAILED, SERVICE, "journalctl -u " SERVICE, "was not reloaded");
	printf("%s: tries again to attach what it gave up; journalctl -u %s says how it goes\n",
	       SERVICE, SERVICE);
	return END_OK;
}

static void take_findings(struct exam *exam, struct json_object *findings)
{
	for (size_t i = 0; i < json_object_array_length(findings); i++) {
		struct json_object *finding = json_object_array_get_idx(findings, i);
		const char *next = get_text(finding, "next"), *level = get_text(finding, "level");

		find(exam, level_parse(level), get_text(finding, "check"),
		     get_text(finding, "object"), *next ? next : NULL, "%s",
		     get_text(finding, "text"));
	}
}

static void check_agent(struct exam *exam)
{
	if (agent_runs(exam->cli))
		find(exam, LEVEL_PASS, "agent", SERVICE, NULL, "runs");
	else
		find(exam, LEVEL_FAIL, "agent", SERVICE, "systemctl enable --now " SERVICE,
		     "does not run: nobody tells guests of errors");
}

int exam_domain(struct exam *exam, const char *name)
{
	const char *root = mdr_root(exam->cli->mdr);
	char check[PATH_MAX], sysfs[PATH_MAX];
	const char *const ask[] = { SERVICE, check, sysfs, NULL };
	struct json_object *tree, *findings;
	int ret;

	snprintf(check, sizeof(check), "--check=%s", name);
	snprintf(sysfs, sizeof(sysfs), "--sysfs=%s/sys", root);
	ret = run_program_json(exam->cli->mdr, ask, &tree);
	findings = ret ? NULL : get_list(tree, "findings");
	if (ret == -ENOENT || ret == 127)
		ret = fail(END_NOT_FOUND, name,
			   "mdrctl list shows what there is; for domains install mdev-recovery-agent",
			   "is no name of a group, no UUID and no PCI address");
	else if (ret == NO_DOMAIN)
		ret = fail(END_NOT_FOUND, name, "mdrctl list; virsh list --all",
			   "is no group, no mdev, no PCI address, and no domain of libvirt's");
	else if (!json_object_is_type(findings, json_type_array))
		ret = fail(END_FAILED, name, "see above; does libvirt's daemon run?",
			   SERVICE " does not look at the domain");
	else
		take_findings(exam, findings);
	if (!ret) {
		exam_qemu(exam, get_list(tree, "qemu"));
		check_agent(exam);
	}
	json_object_put(tree);
	return ret;
}
