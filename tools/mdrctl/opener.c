// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "opener.h"

#define CAN_LOCK_ANY 0x4000	/* CAP_IPC_LOCK */

enum { MAY, MAY_NOT, CANNOT_TELL };

static void set_name(struct opener *opener)
{
	const struct passwd *user = getpwuid(opener->uid);

	if (user)
		snprintf(opener->login, sizeof(opener->login), "%s", user->pw_name);
	if (user)
		snprintf(opener->name, sizeof(opener->name), "user %s", user->pw_name);
	else
		snprintf(opener->name, sizeof(opener->name), "user %u", opener->uid);
}

int opener_of_user(const struct mdr *mdr, const char *name, struct opener *opener)
{
	const struct passwd *user;
	uint64_t number;

	if (*name != '+')
		user = getpwnam(name);
	else if (number_parse(name + 1, UINT32_MAX - 1, &number))
		user = getpwuid(number);
	else
		return -ENOENT;
	if (!user && *name != '+')
		return -ENOENT;
	*opener = (struct opener) {
		.uid = user ? user->pw_uid : number,
		.gid = user ? user->pw_gid : number,
		.groups_count = OPENER_GROUPS,
	};
	snprintf(opener->top, sizeof(opener->top), "%s/", mdr_root(mdr));
	set_name(opener);
	if (!user)
		opener->groups_count = 0;
	else if (getgrouplist(user->pw_name, user->pw_gid, opener->groups,
			      &opener->groups_count) < 0)
		opener->groups_count = OPENER_GROUPS;
	return 0;
}

/* What follows the key at the beginning of a line. */
static const char *value_of(const char *text, const char *key)
{
	size_t size = strlen(key);

	while (text && strncmp(text, key, size)) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text ? text + size : NULL;
}

static void read_groups(const char *line, struct opener *opener)
{
	char *end;

	while (opener->groups_count < OPENER_GROUPS) {
		line += strspn(line, " \t");
		opener->groups[opener->groups_count] = strtoul(line, &end, 10);
		if (end == line)
			return;
		opener->groups_count++;
		line = end;
	}
}

/* The second number counts: it is the effective one. */
static int read_id(const char *text, const char *key, unsigned int *id)
{
	const char *value = value_of(text, key);

	return value && sscanf(value, "%*u %u", id) == 1 ? 0 : -ENOENT;
}

int opener_of_process(const struct mdr *mdr, const char *pid, struct opener *opener)
{
	char *text = read_text(mdr, "proc/%s/status", pid);
	const char *groups = value_of(text, "Groups:");
	int ret = -ENOENT;

	*opener = (struct opener) {};
	if (groups && !read_id(text, "Uid:", &opener->uid) &&
	    !read_id(text, "Gid:", &opener->gid)) {
		read_groups(groups, opener);
		set_name(opener);
		/* libvirt gives a QEMU a /dev of its own */
		snprintf(opener->top, sizeof(opener->top), "%s/proc/%s/root", mdr_root(mdr), pid);
		ret = 0;
	}
	free(text);
	return ret;
}

/* In a child: there is no way back. */
static int look_as(const struct opener *opener, const char *file)
{
	if (chroot(opener->top) || chdir("/") ||
	    setgroups(opener->groups_count, opener->groups) ||
	    setgid(opener->gid) || setuid(opener->uid))
		return CANNOT_TELL;
	return access(file, R_OK | W_OK) ? MAY_NOT : MAY;
}

int opener_may_open(const struct mdr *mdr, const struct opener *opener, const char *file)
{
	char path[PATH_MAX];
	int status = 0;
	pid_t child;

	if (!opener) {
		snprintf(path, sizeof(path), "%s%s", mdr_root(mdr), file);
		return !access(path, R_OK | W_OK);
	}
	child = fork();
	if (!child)
		_exit(look_as(opener, file));
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) >= CANNOT_TELL)
		return -EPERM;
	return WEXITSTATUS(status) == MAY;
}

int opener_process_memlock(const struct mdr *mdr, const char *pid, uint64_t *bytes)
{
	char *status = read_text(mdr, "proc/%s/status", pid);
	char *limits = read_text(mdr, "proc/%s/limits", pid);
	const char *capabilities = value_of(status, "CapEff:");
	const char *limit = value_of(limits, "Max locked memory");
	int ret = 0;

	limit = limit ? limit + strspn(limit, " ") : "";

	if (capabilities && strtoull(capabilities, NULL, 16) & CAN_LOCK_ANY)
		*bytes = UINT64_MAX;
	else if (isdigit((unsigned char)*limit))
		*bytes = strtoull(limit, NULL, 10);
	else if (!strncmp(limit, "unlimited", 9))
		*bytes = UINT64_MAX;
	else
		ret = -ENOENT;
	free(limits);
	free(status);
	return ret;
}

/* PAM sets the limits of a user's session, so one is begun. */
int opener_user_memlock(const struct mdr *mdr, const struct opener *opener, uint64_t *bytes)
{
	const char *const ask[] = {
		"runuser", "-u", opener->login, "--", "sh", "-c", "ulimit -l", NULL
	};
	char line[32];

	if (!*opener->login || run_program_line(mdr, ask, line, sizeof(line)))
		return -ENOENT;
	if (!strcmp(line, "unlimited"))
		*bytes = UINT64_MAX;
	else if (number_parse(line, UINT64_MAX >> 10, bytes))
		*bytes <<= 10;
	else
		return -ENOENT;
	return 0;
}
