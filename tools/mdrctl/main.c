// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl: manages functions and mdevs of mdev_recovery. Parses the command line by the
 * table of verbs.
 */
#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mdrctl.h"

/* Values above all letters, for options without one. */
enum { LONG_ONLY = 256, OPTION_ROOT = 512 };

const char *cli_value(const struct cli *cli, const char *name)
{
	for (int i = 0; i < CHOICES_MOST && cli->verb->choices[i].name; i++)
		if (!strcmp(cli->verb->choices[i].name, name))
			return cli->values[i];
	return NULL;
}

static void choice_help(FILE *to, char letter, const char *name, const char *argument,
			const char *help)
{
	char left[64];

	snprintf(left, sizeof(left), "  %c%c%c --%s%s%s", letter ? '-' : ' ', letter ? letter : ' ',
		 letter ? ',' : ' ', name, argument ? "=" : "", argument ? argument : "");
	fprintf(to, "%-26s %s\n", left, help);
}

void help_all(FILE *to)
{
	fputs("Usage: mdrctl VERB [OPTION...] [ARGUMENT...]\n"
	      "Manages PCI functions and their mdevs, whose users survive error recovery.\n"
	      "\n", to);
	for (const struct verb *verb = verbs; verb->name; verb++)
		if (!verb->hidden)
			fprintf(to, "  %-12s %s\n", verb->name, verb->summary);
	fputs("\n", to);
	choice_help(to, 'h', "help", NULL, "print this text, or with VERB its options, and exit");
	choice_help(to, 'V', "version", NULL, "print the version and exit");
	fputs("\nSee mdrctl(8).\n", to);
}

void help_verb(const struct verb *verb, FILE *to)
{
	fprintf(to, "Usage: mdrctl %s [OPTION...]%s%s\n%s.\n\n", verb->name,
		*verb->arguments ? " " : "", verb->arguments, verb->summary);
	for (int i = 0; i < CHOICES_MOST && verb->choices[i].name; i++) {
		const struct choice *choice = &verb->choices[i];

		choice_help(to, choice->letter, choice->name, choice->argument, choice->help);
	}
	if (verb->reads)
		choice_help(to, 'j', "json", NULL, "print JSON");
	choice_help(to, 'h', "help", NULL, "print this text and exit");
	fprintf(to, "\nSee mdrctl-%s(8).\n", verb->name);
}

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *verb = verbs; verb->name; verb++)
		if (!strcmp(verb->name, name))
			return verb;
	return NULL;
}

static int usage(const struct verb *verb)
{
	fprintf(stderr, "mdrctl: see: mdrctl %s%s--help\n", verb ? verb->name : "",
		verb ? " " : "");
	return END_USAGE;
}

/* The verb's choices as getopt's options; val is the letter, or LONG_ONLY plus the index. */
static void make_options(const struct verb *verb, struct option *options, char *letters)
{
	int n = 0;

	for (; n < CHOICES_MOST && verb->choices[n].name; n++) {
		const struct choice *choice = &verb->choices[n];

		options[n] = (struct option) { choice->name, choice->argument ? 1 : 0, NULL,
					       choice->letter ? choice->letter : LONG_ONLY + n };
		if (choice->letter) {
			*letters++ = choice->letter;
			if (choice->argument)
				*letters++ = ':';
		}
	}
	options[n++] = (struct option) { "help", 0, NULL, 'h' };
	*letters++ = 'h';
	if (verb->reads) {
		options[n++] = (struct option) { "json", 0, NULL, 'j' };
		*letters++ = 'j';
	}
	options[n] = (struct option) {};
	*letters = 0;
}

static bool take_choice(struct cli *cli, int val)
{
	for (int i = 0; i < CHOICES_MOST && cli->verb->choices[i].name; i++) {
		const struct choice *choice = &cli->verb->choices[i];

		if (val == (choice->letter ? choice->letter : LONG_ONLY + i)) {
			cli->values[i] = choice->argument ? optarg : "";
			return true;
		}
	}
	return false;
}

/* Returns -1 to continue, otherwise the exit code. argv[0] is the verb. */
static int parse_verb(struct cli *cli, int argc, char **argv)
{
	struct option options[CHOICES_MOST + 3];
	char letters[2 * CHOICES_MOST + 4];
	const struct verb *verb = cli->verb;
	char name[32];
	int val;

	make_options(verb, options, letters);
	/* getopt's messages begin with argv[0] */
	snprintf(name, sizeof(name), "mdrctl %s", verb->name);
	argv[0] = name;
	optind = 0;
	while ((val = getopt_long(argc, argv, letters, options, NULL)) >= 0) {
		if (take_choice(cli, val))
			continue;
		if (val == 'h') {
			help_verb(verb, stdout);
			return END_OK;
		}
		if (val != 'j')
			return usage(verb);
		cli->json = true;
	}
	cli->argc = argc - optind;
	cli->argv = argv + optind;
	if (cli->argc < verb->least) {
		fprintf(stderr, "mdrctl %s: %s is missing\n", verb->name, verb->arguments);
		return usage(verb);
	}
	if (verb->most >= 0 && cli->argc > verb->most) {
		fprintf(stderr, "mdrctl %s: unexpected argument '%s'\n", verb->name,
			cli->argv[verb->most]);
		return usage(verb);
	}
	return -1;
}

/* Options before the verb. Returns the index of the verb, or -1 with the exit code. */
static int parse_first(int argc, char **argv, const char **root, int *end)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "root", required_argument, NULL, OPTION_ROOT },	/* for tests */
		{}
	};
	int val;

	*end = END_OK;
	/* "+": stop at the verb */
	while ((val = getopt_long(argc, argv, "+hV", options, NULL)) >= 0) {
		if (val == OPTION_ROOT) {
			*root = optarg;
			continue;
		}
		if (val == 'h')
			help_all(stdout);
		else if (val == 'V')
			puts("mdrctl " MDR_VERSION);
		else
			*end = usage(NULL);
		return -1;
	}
	if (optind < argc)
		return optind;
	help_all(stderr);
	*end = END_USAGE;
	return -1;
}

/* For mdevctl, modprobe and mdr-agent: neither users nor cron have these in their path. */
static void add_sbin(void)
{
	static const char sbin[] = "/usr/local/sbin:/usr/sbin:/sbin";
	const char *path = getenv("PATH");
	size_t size;
	char *all;

	if (!path || !*path)
		path = "/usr/bin:/bin";
	size = strlen(path) + 1 + sizeof(sbin);
	all = malloc(size);
	if (!all)
		return;
	snprintf(all, size, "%s:%s", path, sbin);
	setenv("PATH", all, 1);
	free(all);
}

static bool has_names(const struct verb *verb)
{
	return verb->word == WORD_OBJECT || verb->word == WORD_FUNCTION || verb->word == WORD_MDEV;
}

/* sysfs has UUIDs and addresses in lower case; firmware and people may not. */
static void lower_name(char *name)
{
	char lower[MDR_UUID_SIZE], full[MDR_UUID_SIZE + 5];
	size_t size = strlen(name) + 1;

	if (size > sizeof(lower))
		return;
	for (size_t i = 0; i < size; i++)
		lower[i] = tolower((unsigned char)name[i]);
	snprintf(full, sizeof(full), "0000:%s", lower);
	if (mdr_uuid_valid(lower) || mdr_address_valid(lower) || mdr_address_valid(full))
		memcpy(name, lower, size);
}

/* A file that mdrctl opens must not be taken for its stdout. Nothing can be written to this. */
static void fill_std(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_RDONLY);
}

static int run(int argc, char **argv)
{
	const char *root = NULL, *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	struct cli cli = {};
	int at, end;

	at = parse_first(argc, argv, &root, &end);
	if (at < 0)
		return end;
	cli.verb = find_verb(argv[at]);
	if (!cli.verb) {
		fprintf(stderr, "mdrctl: there is no verb '%s'\n", argv[at]);
		return usage(NULL);
	}
	end = parse_verb(&cli, argc - at, argv + at);
	if (end >= 0)
		return end;
	for (int i = 0; has_names(cli.verb) && i < cli.argc; i++)
		lower_name(cli.argv[i]);
	cli.screen = isatty(1) && term && strcmp(term, "dumb");
	cli.colour = cli.screen && !(no_colour && *no_colour);
	cli.mdr = mdr_new(root);
	if (!cli.mdr)
		return fail(END_FAILED, "mdrctl", NULL, "there is no memory");
	add_sbin();
	end = cli.verb->run(&cli);
	mdr_free(cli.mdr);
	return end;
}

int main(int argc, char **argv)
{
	int end;

	fill_std();
	end = run(argc, argv);
	if (fflush(stdout) || ferror(stdout))
		return fail(END_FAILED, "mdrctl", NULL, "cannot write what it has found");
	return end;
}
