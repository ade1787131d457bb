/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mdrctl: what the files share. A verb is an entry of the table in verbs.c, and a
 * function. It builds one JSON tree; text output is a view of that tree.
 */
#ifndef MDRCTL_H
#define MDRCTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>
#include <libmdr.h>

/* Where the packages install the pages. */
#define MDR_DOC "/usr/share/doc/mdev-recovery/Documentation"

/* Documented in mdrctl(8). */
enum end {
	END_OK = 0,
	END_FAILED = 1,		/* it failed, or was refused */
	END_USAGE = 2,
	END_NOT_FOUND = 3,	/* no such group, function, mdev, file */
	END_DENIED = 4,		/* the user lacks the permission */
	END_UNWELL = 5,		/* the command worked, and what it found is bad */
};

/* Kinds of words on the command line, for completion. */
enum word {
	WORD_NONE,
	WORD_OBJECT,		/* a group, an mdev or a bound function */
	WORD_FUNCTION,		/* any PCI function */
	WORD_MDEV,
	WORD_FILE,
	WORD_PROFILE,
	WORD_SHELL,
	WORD_SWITCH,		/* on, off */
};

/* An option of a verb; argument is NULL if it has none. */
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
	bool reads;		/* has --json */
	bool hidden;		/* for programs */
	struct choice choices[CHOICES_MOST];
	int (*run)(struct cli *cli);
};

/* One call of mdrctl. */
struct cli {
	struct mdr *mdr;
	const struct verb *verb;
	bool json, colour, screen;
	const char *values[CHOICES_MOST];	/* of the options; NULL: not given */
	int argc;
	char **argv;
};

extern const struct verb verbs[];	/* ends with a name of NULL */

/* The value of an option of the verb, "" if it has no argument; NULL: not given. */
const char *cli_value(const struct cli *cli, const char *name);

void help_all(FILE *to);
void help_verb(const struct verb *verb, FILE *to);

/* Prints the object, what is wrong, and what to do next (or NULL) to stderr. */
int fail(enum end end, const char *object, const char *next, const char *cause, ...)
	__attribute__((format(printf, 4, 5)));

/* fail() with the text of an errno, and its exit code. */
int fail_errno(int error, const char *object, const char *next);

/* fail() for an error of mdr_group_get(). */
int fail_group(int error, const char *name);
int fail_function(int error, const char *address);

/*
 * The name of the group that has this number, name, mdev or function. By its number or name
 * it need not exist any more, because it still has a history. Returns END_OK, or the exit
 * code of fail().
 */
int group_named(struct cli *cli, const char *name, char group[32]);

/* Parses a number within bounds; false if it is not one. */
bool number_parse(const char *text, uint64_t most, uint64_t *number);

/* The tree with line breaks, allocated, or NULL; frees the tree. */
char *json_text(struct json_object *tree);
/* Prints it so. */
void json_print(struct json_object *tree);
void json_print_line(struct json_object *tree);

/* Members of trees that have them; "" or NULL if they are null. */
const char *get_text(struct json_object *tree, const char *key);
int64_t get_number(struct json_object *tree, const char *key);
struct json_object *get_list(struct json_object *tree, const char *key);
void add_text(struct json_object *tree, const char *key, const char *text);	/* or NULL */
void add_number(struct json_object *tree, const char *key, uint64_t number);
struct json_object *tree_new(const char *key, struct json_object *list);

enum colour { PLAIN, GOOD, BUSY, BAD };
/* Start and end of text in this colour; "" if colours are off. */
const char *colour_on(const struct cli *cli, enum colour colour);
const char *colour_off(const struct cli *cli);
enum colour state_colour(const char *state);

/* The tree of a group, and the trees of all groups. */
struct json_object *view_group(struct mdr *mdr, const struct mdr_group *group);
int view_groups(struct mdr *mdr, struct json_object *list);
void print_table(FILE *to, const struct cli *cli, struct json_object *groups);
void print_group(const struct cli *cli, struct json_object *group);

/* A reader sees the old file or the new one. Returns 0 or -errno; -EINVAL: no regular file. */
int file_replace(const char *path, const char *text);
/* fail() for an error of file_replace(). */
int fail_replace(int error, const char *path);
/* Makes the directories above the file, if they are missing. */
void directories_make(const char *path);

/* Runs a program and waits; returns its exit code, or a negative errno. */
int run_program(const struct mdr *mdr, const char *const *argv);
/* The same, with the first line that it prints, without errors. */
int run_program_line(const struct mdr *mdr, const char *const *argv, char *line, size_t size);
/* The same, with the JSON tree that it prints, to be put; NULL if it prints none. */
int run_program_json(const struct mdr *mdr, const char *const *argv, struct json_object **tree);

/*
 * From now on SIGHUP, SIGINT and SIGTERM end the program that runs, and not mdrctl. An
 * error of run_program() is -EINTR then.
 */
void interrupts_keep(void);
/* The signal that has come since; 0: none. */
int interrupted(void);
/* From now on they wait, also in programs that are run. */
void interrupts_hold(void);
/* Ends mdrctl by the signal that has come or waits. Returns if there is none. */
void interrupts_end(void);

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
