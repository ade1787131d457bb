// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl history, mdrctl record: past events.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "history.h"
#include "mdrctl.h"

#define LINE_SIZE 512
#define MOST_US 4000000000000000	/* the year 2096, so that there is room to calculate */

int64_t time_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

void time_text(int64_t time_us, char text[TIME_SIZE])
{
	time_t seconds = time_us / 1000000;
	struct tm local;
	size_t len;

	localtime_r(&seconds, &local);
	len = strftime(text, TIME_SIZE - 5, "%Y-%m-%d %H:%M:%S", &local);
	snprintf(text + len, TIME_SIZE - len, ".%03d", (int)(time_us / 1000 % 1000));
}

static void path_of(struct cli *cli, char path[PATH_MAX], const char *suffix)
{
	snprintf(path, PATH_MAX, "%s" HISTORY_FILE "%s", mdr_root(cli->mdr), suffix);
}

/* Anybody may read the history, and so could lock it and keep udevd waiting. */
static int lock(struct cli *cli)
{
	char path[PATH_MAX];
	int fd, ret;

	snprintf(path, sizeof(path), "%s" HISTORY_LOCK, mdr_root(cli->mdr));
	directories_make(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* Does the last line, which a crash may have cut short, end? */
static bool ends(int fd, off_t size)
{
	char last;

	return !size || (pread(fd, &last, 1, size - 1) == 1 && last == '\n');
}

/* The whole line or nothing of it. Returns the size of the file, or -errno. */
static off_t add_line(int fd, const char *line)
{
	char text[LINE_SIZE + 2];
	struct stat st;
	ssize_t size, done;
	int ret;

	if (fstat(fd, &st))
		return -errno;
	size = snprintf(text, sizeof(text), "%s%s", ends(fd, st.st_size) ? "" : "\n", line);
	done = write(fd, text, size);
	if (done == size)
		return st.st_size + size;
	/* the disk is full */
	ret = done < 0 ? -errno : -ENOSPC;
	if (done > 0 && ftruncate(fd, st.st_size))
		return -errno;
	return ret;
}

static int append(struct cli *cli, const char *line)
{
	char path[PATH_MAX], before[PATH_MAX];
	off_t size;
	int locked, fd, ret;

	path_of(cli, path, "");
	path_of(cli, before, ".1");
	locked = lock(cli);
	if (locked < 0)
		return locked;
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0) {
		ret = -errno;
		close(locked);
		return ret;
	}
	size = add_line(fd, line);
	ret = size < 0 ? size : 0;
	if (size > HISTORY_MOST && rename(path, before))
		ret = -errno;
	close(fd);
	close(locked);
	return ret;
}

/* Since the boot, sleeps included: nobody sets this clock. */
static int64_t up_us(void)
{
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	return up.tv_sec * 1000000LL + up.tv_nsec / 1000;
}

/* Takes the uevent from the environment, where udevd puts it. */
int run_record(struct cli *cli)
{
	const char *path = getenv("DEVPATH"), *state = getenv("MDR_STATE");
	const char *event = getenv("MDR_EVENT"), *group;
	struct json_object *tree;
	char line[LINE_SIZE], *boot;
	uint64_t id;
	int ret;

	group = path ? strrchr(path, '/') : NULL;
	if (!group || !state || !event || !number_parse(event, INT64_MAX, &id))
		return fail(END_USAGE, "record", "it is for udevd, see mdrctl-history(8)",
			    "the environment has no change of a group");
	tree = json_object_new_object();
	add_number(tree, "time_us", time_now_us());
	add_text(tree, "group", group + 1);
	add_text(tree, "state", state);
	add_number(tree, "event", id);
	add_text(tree, "cause", getenv("MDR_CAUSE"));
	add_text(tree, "function", getenv("MDR_DEVICE"));
	boot = read_text(cli->mdr, "proc/sys/kernel/random/boot_id");
	add_text(tree, "boot", boot);
	add_number(tree, "up_us", up_us());
	free(boot);
	snprintf(line, sizeof(line), "%s\n", json_object_to_json_string_ext(tree, 0));
	json_object_put(tree);
	ret = append(cli, line);
	return ret ? fail_errno(ret, HISTORY_FILE, NULL) : END_OK;
}

/* Is an event over in this state? */
static bool is_end(const char *state)
{
	enum mdr_group_state known = mdr_group_state_parse(state);

	return known == MDR_GROUP_OPEN || known == MDR_GROUP_FAILED;
}

/* Of two boots? Events are counted anew in each. Old lines do not say. */
static bool other_boot(struct json_object *entry, struct json_object *change)
{
	const char *one = get_text(entry, "boot"), *other = get_text(change, "boot");

	return *one && *other && strcmp(one, other);
}

/* The time of day may have been set meanwhile. */
static int64_t took_us(struct json_object *entry, struct json_object *change)
{
	const char *clock = get_list(entry, "up_us") && get_list(change, "up_us") ?
			    "up_us" : "time_us";

	return get_number(change, clock) - get_number(entry, clock);
}

/* The last entry of the group, unless it is over. */
static struct json_object *find_entry(struct json_object *entries, struct json_object *change)
{
	for (size_t i = json_object_array_length(entries); i--;) {
		struct json_object *entry = json_object_array_get_idx(entries, i);

		if (strcmp(get_text(entry, "group"), get_text(change, "group")))
			continue;
		if (is_end(get_text(entry, "end")) || other_boot(entry, change) ||
		    strcmp(get_text(entry, "event"), get_text(change, "event")))
			return NULL;
		return entry;
	}
	return NULL;
}

static void add_change(struct json_object *entries, struct json_object *change)
{
	struct json_object *entry = find_entry(entries, change), *step;
	int64_t time_us = get_number(change, "time_us");

	if (!entry) {
		entry = json_object_new_object();
		add_number(entry, "time_us", time_us);
		add_text(entry, "group", get_text(change, "group"));
		add_number(entry, "event", get_number(change, "event"));
		add_text(entry, "cause", json_object_get_string(get_list(change, "cause")));
		add_text(entry, "function", json_object_get_string(get_list(change, "function")));
		json_object_object_add(entry, "changes", json_object_new_array());
		/* these two are not printed */
		add_text(entry, "boot", json_object_get_string(get_list(change, "boot")));
		json_object_object_add(entry, "up_us", json_object_get(get_list(change, "up_us")));
		json_object_array_add(entries, entry);
	}
	if (!*get_text(entry, "function"))
		add_text(entry, "function", json_object_get_string(get_list(change, "function")));
	/* the watchdog and the breaker set their cause later */
	if (*get_text(change, "cause"))
		add_text(entry, "cause", get_text(change, "cause"));
	add_text(entry, "end", get_text(change, "state"));
	add_number(entry, "took_us", took_us(entry, change));
	step = json_object_new_object();
	add_number(step, "time_us", time_us);
	add_text(step, "state", get_text(change, "state"));
	json_object_array_add(get_list(entry, "changes"), step);
}

/* An old line has no up_us, which is 0 then. */
static bool is_change(struct json_object *change)
{
	return json_object_is_type(change, json_type_object) && *get_text(change, "group") &&
	       *get_text(change, "state") && get_number(change, "time_us") > 0 &&
	       get_number(change, "time_us") <= MOST_US && get_number(change, "up_us") >= 0 &&
	       get_number(change, "up_us") <= MOST_US;
}

/* NULL: there is none, unless *ret is -errno. */
static FILE *open_file(struct cli *cli, const char *suffix, int *ret)
{
	char path[PATH_MAX];
	FILE *f;

	path_of(cli, path, suffix);
	f = fopen(path, "re");
	if (!f && errno != ENOENT)
		*ret = -errno;
	return f;
}

static bool is_same(FILE *one, FILE *other)
{
	struct stat a, b;

	return one && other && !fstat(fileno(one), &a) && !fstat(fileno(other), &b) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void close_file(FILE *f)
{
	if (f)
		fclose(f);
}

/* Skips a line that a crash has cut short. */
static void read_file(FILE *f, const char *group, struct json_object *entries)
{
	char line[1024];

	while (f && fgets(line, sizeof(line), f)) {
		struct json_object *change = json_tokener_parse(line);

		if (is_change(change) && (!group || !strcmp(get_text(change, "group"), group)))
			add_change(entries, change);
		json_object_put(change);
	}
}

static void print_entry(const struct cli *cli, struct json_object *entry)
{
	const char *end = get_text(entry, "end");
	char at[TIME_SIZE];

	time_text(get_number(entry, "time_us"), at);
	printf("%s  %-9s %6s %-10s %-13s %s%-10s%s %9.3f s\n", at, get_text(entry, "group"),
	       get_text(entry, "event"), get_text(entry, "cause"), get_text(entry, "function"),
	       colour_on(cli, state_colour(end)), end, colour_off(cli),
	       get_number(entry, "took_us") / 1e6);
}

int group_named(struct cli *cli, const char *name, char group[32])
{
	const char *number = name + (strncmp(name, "group", 5) ? 0 : 5);
	size_t digits = strspn(number, "0123456789");
	struct mdr_group *found;
	int ret;

	if (digits && digits < 10 && !number[digits]) {
		snprintf(group, 32, "group%lu", strtoul(number, NULL, 10));
		return END_OK;
	}
	ret = mdr_group_get(cli->mdr, name, &found);
	if (ret)
		return fail_group(ret, name);
	snprintf(group, 32, "%s", mdr_group_name(found));
	mdr_group_free(found);
	return END_OK;
}

static int read_all(struct cli *cli, const char *group, struct json_object *entries)
{
	FILE *now, *before;
	int ret = 0;

	now = open_file(cli, "", &ret);
	before = open_file(cli, ".1", &ret);
	/* it was full, and has become the one before */
	if (is_same(now, before)) {
		fclose(now);
		now = open_file(cli, "", &ret);
	}
	read_file(before, group, entries);
	if (!is_same(now, before))
		read_file(now, group, entries);
	close_file(before);
	close_file(now);
	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		struct json_object *entry = json_object_array_get_idx(entries, i);

		json_object_object_del(entry, "boot");
		json_object_object_del(entry, "up_us");
	}
	return ret ? fail_errno(ret, HISTORY_FILE, NULL) : END_OK;
}

int run_history(struct cli *cli)
{
	struct json_object *entries = json_object_new_array();
	const char *last = cli_value(cli, "last");
	uint64_t most = UINT64_MAX;
	char group[32];
	size_t count;
	int ret = END_OK;

	if (last && (!number_parse(last, UINT32_MAX, &most) || !most))
		ret = fail(END_USAGE, last, NULL, "is not a number of events");
	if (!ret && cli->argc)
		ret = group_named(cli, cli->argv[0], group);
	if (!ret)
		ret = read_all(cli, cli->argc ? group : NULL, entries);
	count = json_object_array_length(entries);
	if (count > most)
		json_object_array_del_idx(entries, 0, count - most);
	if (ret || !cli->json) {
		if (!ret && json_object_array_length(entries))
			printf("%-23s  %-9s %6s %-10s %-13s %-10s %11s\n", "TIME", "GROUP", "EVENT",
			       "CAUSE", "FUNCTION", "END", "TOOK");
		for (size_t i = 0; !ret && i < json_object_array_length(entries); i++)
			print_entry(cli, json_object_array_get_idx(entries, i));
		json_object_put(entries);
		return ret;
	}
	json_print(tree_new("events", entries));
	return END_OK;
}
