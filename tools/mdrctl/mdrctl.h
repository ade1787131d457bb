/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mdrctl: what the files share. A verb is a line of the table in verbs.c, and a
 * function. What it shows is one tree of JSON; text is a view of that tree.
 */
#ifndef MDRCTL_H
#define MDRCTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>
#include <libmdr.h>

/* Documented in mdrctl(8). */
enum end {
	END_OK = 0,
	END_FAILED = 1,		/* it was tried, and did not work */
	END_USAGE = 2,
	END_NOT_FOUND = 3,	/* no such group, function, mdev, file */
	END_DENIED = 4,		/* not permitted to this user */
	END_UNWELL = 5,		/* the answer is there, and it is bad */
};

/* What a word of the command line may be, for completion. */
enum word {
	WORD_NONE,
	WORD_OBJECT,		/* a group, an mdev or a function of ours */
	WORD_FUNCTION,		/* any PCI function */
	WORD_MDEV,
	WORD_FILE,
	WORD_PROFILE,
	WORD_SHELL,
	WORD_SWITCH,		/* on, off */
};

/* An option of a verb; without an argument if that is NULL. */
struct choice {
	const char *name;
	char letter;		/* or 0 */
	const char *argument;
	enum word word;
	const char *help;
};

#define CHOICES_MOST 8

struct cli;

struct verb {
	const char *name, *arguments, *summary;
	int least, most;	/* arguments; most < 0: any number */
	enum word word;
	bool reads;		/* and so has --json */
	bool hidden;		/* for machines */
	struct choice choices[CHOICES_MOST];
	int (*run)(struct cli *cli);
};

/* One call of mdrctl. */
struct cli {
	struct mdr *mdr;
	const struct verb *verb;
	bool json, colour, screen;
	const char *values[CHOICES_MOST];	/* of the choices; NULL: not given */
	int argc;
	char **argv;
};

extern const struct verb verbs[];	/* ends with a name of NULL */

/* The value of a choice of the verb, "" for one without argument; NULL: not given. */
const char *cli_value(const struct cli *cli, const char *name);

void help_all(FILE *to);
void help_verb(const struct verb *verb, FILE *to);

/* Says on stderr what is wrong with the object, and what to do next (or NULL). */
int fail(enum end end, const char *object, const char *next, const char *cause, ...)
	__attribute__((format(printf, 4, 5)));

/* The end for an errno, and fail() with its text. */
int fail_errno(int error, const char *object, const char *next);

/* For a name that is no group's: what mdr_group_get() returned. */
int fail_group(int error, const char *name);

/*
 * The name of the group that has it. One that is gone has a past still; other names
 * need what there is now. Return: END_OK, or what was told.
 */
int group_named(struct cli *cli, const char *name, char group[32]);

/* A number from text, within bounds; false if it is none. */
bool number_parse(const char *text, uint64_t most, uint64_t *number);

/* Prints the tree, in lines that a reader finds pleasant, and frees it. */
void json_print(struct json_object *tree);
void json_print_line(struct json_object *tree);

/* Members of trees that are known to have them; "" and NULL where they are null. */
const char *get_text(struct json_object *tree, const char *key);
int64_t get_number(struct json_object *tree, const char *key);
struct json_object *get_list(struct json_object *tree, const char *key);
void add_text(struct json_object *tree, const char *key, const char *text);	/* or NULL */
void add_number(struct json_object *tree, const char *key, uint64_t number);
struct json_object *tree_new(const char *key, struct json_object *list);

enum colour { PLAIN, GOOD, BUSY, BAD };
/* The beginning and the end of text in that colour; "" if there are to be none. */
const char *colour_on(const struct cli *cli, enum colour colour);
const char *colour_off(const struct cli *cli);
enum colour state_colour(const char *state);

/* The tree of a group, of all groups. */
struct json_object *view_group(struct mdr *mdr, const struct mdr_group *group);
int view_groups(struct mdr *mdr, struct json_object *list);
void print_table(const struct cli *cli, struct json_object *groups);
void print_group(const struct cli *cli, struct json_object *group);

/* A reader sees the old file or the new one. Return: 0 or -errno. */
int file_replace(const char *path, const char *text);
/* Those above the file, if they are missing. */
void directories_make(const char *path);

/* Runs a program of the path and waits; its exit code, or a negative errno. */
int run_program(const struct mdr *mdr, const char *const *argv);
/* The same, with the tree that it prints, to be put; NULL: it prints none. */
int run_program_json(const struct mdr *mdr, const char *const *argv, struct json_object **tree);

int run_list(struct cli *cli);
int run_status(struct cli *cli);
int run_bind(struct cli *cli);
int run_unbind(struct cli *cli);
int run_create(struct cli *cli);
int run_remove(struct cli *cli);
int run_settings(struct cli *cli);
int run_set(struct cli *cli);
int run_recover(struct cli *cli);
int run_retry(struct cli *cli);
int run_reset(struct cli *cli);
int run_watch(struct cli *cli);
int run_doctor(struct cli *cli);
int run_history(struct cli *cli);
int run_record(struct cli *cli);
int run_metrics(struct cli *cli);
int run_timeline(struct cli *cli);
int run_completion(struct cli *cli);
int run_words(struct cli *cli);

#endif
