// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl doctor: checks the host, then each group, or the objects that were named.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "opener.h"

static const char * const levels[] = {
	[LEVEL_PASS] = "PASS",
	[LEVEL_WARN] = "WARN",
	[LEVEL_FAIL] = "FAIL",
};

enum level level_parse(const char *name)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
		if (!strcmp(name, levels[i]))
			return (enum level)i;
	return LEVEL_FAIL;
}

void find(struct exam *exam, enum level level, const char *check, const char *object,
	  const char *next, const char *format, ...)
{
	struct json_object *finding = json_object_new_object();
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	add_text(finding, "level", levels[level]);
	add_text(finding, "check", check);
	add_text(finding, "object", object);
	add_text(finding, "text", text);
	add_text(finding, "next", next);
	json_object_array_add(exam->findings, finding);
	if (level > exam->worst)
		exam->worst = level;
}

static int each_group(const struct mdr_group *group, void *arg)
{
	exam_group(arg, group);
	return 0;
}

/* A group, an mdev, a domain, or a function, which need not be bound yet. */
static int exam_named(struct exam *exam, const char *name)
{
	struct mdr_function *function;
	struct mdr_group *group;
	int ret;

	ret = mdr_group_get(exam->cli->mdr, name, &group);
	if (!ret) {
		exam_group(exam, group);
		mdr_group_free(group);
		return END_OK;
	}
	if (mdr_function_get(exam->cli->mdr, name, &function))
		return ret == -EUNATCH ? fail_group(ret, name) : exam_domain(exam, name);
	exam_function(exam, mdr_function_address(function));
	mdr_function_free(function);
	return END_OK;
}

static void print_findings(const struct cli *cli, struct json_object *findings)
{
	static const enum colour colours[] = { GOOD, BUSY, BAD };

	for (size_t i = 0; i < json_object_array_length(findings); i++) {
		struct json_object *finding = json_object_array_get_idx(findings, i);
		const char *level = get_text(finding, "level");
		enum colour colour = colours[level_parse(level)];

		printf("%s%s%s  %s: %s\n", colour_on(cli, colour), level, colour_off(cli),
		       get_text(finding, "object"), get_text(finding, "text"));
		if (*get_text(finding, "next"))
			printf("      next: %s\n", get_text(finding, "next"));
	}
}

/* A child with that user's rights will look. */
static int find_opener(const struct cli *cli, const char *name, struct opener *opener)
{
	if (geteuid())
		return fail(END_DENIED, name, "run it as root",
			    "only root can look at what another user may do");
	if (opener_of_user(cli->mdr, name, opener))
		return fail(END_NOT_FOUND, name, "getent passwd shows all", "is no user");
	return END_OK;
}

int run_doctor(struct cli *cli)
{
	struct exam exam = { .cli = cli };
	const char *user = cli_value(cli, "user");
	struct opener opener;
	int ret = END_OK;

	if (user) {
		ret = find_opener(cli, user, &opener);
		if (ret)
			return ret;
		exam.opener = &opener;
	}
	exam.findings = json_object_new_array();
	exam_host(&exam);
	if (!cli->argc)
		ret = mdr_group_each(cli->mdr, each_group, &exam);
	/* that there is no module has been found already */
	ret = ret && ret != -EUNATCH ? fail_errno(ret, "doctor", NULL) : END_OK;
	for (int i = 0; !ret && i < cli->argc; i++)
		ret = exam_named(&exam, cli->argv[i]);
	if (ret) {
		json_object_put(exam.findings);
		return ret;
	}
	if (cli->json) {
		json_print(tree_new("findings", exam.findings));
	} else {
		print_findings(cli, exam.findings);
		json_object_put(exam.findings);
	}
	return exam.worst == LEVEL_FAIL ? END_UNWELL : END_OK;
}
