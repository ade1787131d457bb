// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl completion: scripts for shells, made from the table of verbs. The scripts call
 * "mdrctl words" for the names of groups, functions and mdevs.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "mdrctl.h"

static const char * const kinds[] = {
	[WORD_NONE] = "",
	[WORD_OBJECT] = "object",
	[WORD_FUNCTION] = "function",
	[WORD_MDEV] = "mdev",
	[WORD_FILE] = "file",
	[WORD_PROFILE] = "profile",
	[WORD_SHELL] = "shell",
	[WORD_SWITCH] = "switch",
};

static int words_of_group(const struct mdr_group *group, void *arg)
{
	bool all = !strcmp(arg, "object");
	const char *name;

	if (all)
		puts(mdr_group_name(group));
	for (size_t i = 0; all && (name = mdr_group_function(group, i)); i++)
		puts(name);
	for (size_t i = 0; (name = mdr_group_mdev(group, i)); i++)
		puts(name);
	return 0;
}

/* Names in a directory, without a suffix that all of them have. */
static void words_of_dir(struct cli *cli, const char *dir, const char *suffix)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *open;

	snprintf(path, sizeof(path), "%s%s", mdr_root(cli->mdr), dir);
	open = opendir(path);
	while (open && (entry = readdir(open))) {
		int len = (int)(strlen(entry->d_name) - strlen(suffix));

		if (len > 0 && entry->d_name[0] != '.' && !strcmp(entry->d_name + len, suffix))
			printf("%.*s\n", len, entry->d_name);
	}
	if (open)
		closedir(open);
}

static void words_of_table(void)
{
	for (const struct verb *verb = verbs; verb->name; verb++)
		if (!verb->hidden)
			puts(verb->name);
}

/* Completion reports no errors; no words is a valid answer. */
int run_words(struct cli *cli)
{
	char *kind = cli->argv[0];

	if (!strcmp(kind, "object") || !strcmp(kind, "mdev"))
		mdr_group_each(cli->mdr, words_of_group, kind);
	else if (!strcmp(kind, "function"))
		words_of_dir(cli, "/sys/bus/pci/devices", "");
	else if (!strcmp(kind, "profile"))
		words_of_dir(cli, "/usr/share/mdev-recovery/profiles", ".json");
	else if (!strcmp(kind, "verb"))
		words_of_table();
	else if (!strcmp(kind, "shell"))
		puts("bash\nzsh\nfish");
	else if (!strcmp(kind, "switch"))
		puts("on\noff");
	return END_OK;
}

static void bash_options(const struct verb *verb)
{
	for (int i = 0; i < CHOICES_MOST && verb->choices[i].name; i++)
		printf("--%s ", verb->choices[i].name);
	printf("%s--help", verb->reads ? "--json " : "");
}

static void print_bash(void)
{
	fputs("# bash completion of mdrctl, made by: mdrctl completion bash\n"
	      "_mdrctl() {\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} at=$COMP_CWORD before=''\n"
	      "\tlocal prev verb='' options='--help --version' kind=verb i words\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\t[[ ${COMP_WORDS[i]} == -* ]] || { verb=${COMP_WORDS[i]} && break; }\n"
	      "\tdone\n"
	      "\t# the shell makes a word of each \":\" of an address\n"
	      "\twhile ((at > 2)) && [[ ${COMP_WORDS[at]} == : || ${COMP_WORDS[at - 1]} == : ]]; do\n"
	      "\t\tat=$((at - 1))\n"
	      "\t\tcur=${COMP_WORDS[at]}$cur\n"
	      "\tdone\n"
	      "\t[[ $at == \"$COMP_CWORD\" ]] || before=${cur%\"${cur##*:}\"}\n"
	      "\tprev=${COMP_WORDS[at - 1]}\n"
	      "\t# and of \"=\"\n"
	      "\tif [[ $cur == = ]]; then\n"
	      "\t\tcur=''\n"
	      "\telif [[ $prev == = ]]; then\n"
	      "\t\tprev=${COMP_WORDS[at - 2]}\n"
	      "\tfi\n"
	      "\tcase $verb in\n", stdout);
	for (const struct verb *verb = verbs; verb->name; verb++) {
		if (verb->hidden)
			continue;
		printf("\t%s)\n\t\tkind='%s' options='", verb->name, kinds[verb->word]);
		bash_options(verb);
		printf("'\n\t\t;;\n");
	}
	fputs("\tesac\n"
	      "\tcase $verb:$prev in\n", stdout);
	for (const struct verb *verb = verbs; verb->name; verb++)
		for (int i = 0; i < CHOICES_MOST && verb->choices[i].name; i++)
			if (verb->choices[i].argument)
				printf("\t%s:--%s) kind='%s' options='' ;;\n", verb->name,
				       verb->choices[i].name, kinds[verb->choices[i].word]);
	fputs("\tesac\n"
	      "\tcase $kind in\n"
	      "\t'') set -- ;;\n"
	      "\tfile) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") && return ;;\n"
	      "\tverb) set --", stdout);
	for (const struct verb *verb = verbs; verb->name; verb++)
		if (!verb->hidden)
			printf(" %s", verb->name);
	fputs(" ;;\n"
	      "\t*) mapfile -t words < <(mdrctl words \"$kind\" 2>/dev/null) && set -- \"${words[@]}\" ;;\n"
	      "\tesac\n"
	      "\t[[ $cur != -* ]] || set --\n"
	      "\t[[ $cur == -* ]] || options=''\n"
	      "\tmapfile -t COMPREPLY < <(compgen -W \"$options $*\" -- \"$cur\")\n"
	      "\tCOMPREPLY=(\"${COMPREPLY[@]#\"$before\"}\")\n"
	      "}\n"
	      "complete -F _mdrctl mdrctl\n", stdout);
}

static void zsh_argument(enum word word)
{
	if (word == WORD_FILE)
		fputs("_files", stdout);
	else if (word == WORD_NONE)
		fputs(" ", stdout);
	else
		printf("{compadd -- $(mdrctl words %s 2>/dev/null)}", kinds[word]);
}

static void zsh_choice(const struct choice *choice)
{
	const char *equal = choice->argument ? "=" : "";

	if (choice->letter)
		printf(" \\\n\t\t\t'(-%c --%s)'{-%c%s,--%s%s}'[%s]", choice->letter, choice->name,
		       choice->letter, choice->argument ? "+" : "", choice->name, equal,
		       choice->help);
	else
		printf(" \\\n\t\t\t'--%s%s[%s]", choice->name, equal, choice->help);
	if (choice->argument) {
		printf(":%s:", choice->argument);
		zsh_argument(choice->word);
	}
	fputs("'", stdout);
}

static void print_zsh(void)
{
	fputs("#compdef mdrctl\n"
	      "# zsh completion of mdrctl, made by: mdrctl completion zsh\n"
	      "_mdrctl() {\n"
	      "\tlocal -a verbs=(\n", stdout);
	for (const struct verb *verb = verbs; verb->name; verb++)
		if (!verb->hidden)
			printf("\t\t'%s:%s'\n", verb->name, verb->summary);
	fputs("\t)\n"
	      "\tif ((CURRENT == 2)); then\n"
	      "\t\t_describe verb verbs\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tshift words\n"
	      "\t((CURRENT--))\n"
	      "\tcase $words[1] in\n", stdout);
	for (const struct verb *verb = verbs; verb->name; verb++) {
		if (verb->hidden)
			continue;
		printf("\t%s)\n\t\t_arguments \\\n\t\t\t'(-h --help)'{-h,--help}'[print help]'",
		       verb->name);
		if (verb->reads)
			printf(" \\\n\t\t\t'(-j --json)'{-j,--json}'[print JSON]'");
		for (int i = 0; i < CHOICES_MOST && verb->choices[i].name; i++)
			zsh_choice(&verb->choices[i]);
		if (verb->word) {
			printf(" \\\n\t\t\t'%s:%s:", verb->most == 1 ? "1" : "*",
			       kinds[verb->word]);
			zsh_argument(verb->word);
			printf("'");
		}
		fputs("\n\t\t;;\n", stdout);
	}
	fputs("\tesac\n"
	      "}\n"
	      "_mdrctl \"$@\"\n", stdout);
}

static void fish_words(enum word word)
{
	if (word == WORD_FILE)
		fputs(" -F", stdout);
	else if (word)
		printf(" -f -a '(mdrctl words %s 2>/dev/null)'", kinds[word]);
}

static void print_fish(void)
{
	fputs("# fish completion of mdrctl, made by: mdrctl completion fish\n"
	      "complete -c mdrctl -f\n"
	      "complete -c mdrctl -n __fish_use_subcommand -l help -s h -d 'print help'\n"
	      "complete -c mdrctl -n __fish_use_subcommand -l version -s V -d 'print the version'\n",
	      stdout);
	for (const struct verb *verb = verbs; verb->name; verb++) {
		if (verb->hidden)
			continue;
		printf("complete -c mdrctl -n __fish_use_subcommand -a %s -d '%s'\n", verb->name,
		       verb->summary);
		printf("set -l seen '__fish_seen_subcommand_from %s'\n", verb->name);
		fputs("complete -c mdrctl -n \"$seen\" -l help -s h -d 'print help'\n", stdout);
		if (verb->reads)
			fputs("complete -c mdrctl -n \"$seen\" -l json -s j -d 'print JSON'\n",
			      stdout);
		for (int i = 0; i < CHOICES_MOST && verb->choices[i].name; i++) {
			const struct choice *choice = &verb->choices[i];

			printf("complete -c mdrctl -n \"$seen\" -l %s", choice->name);
			if (choice->letter)
				printf(" -s %c", choice->letter);
			if (choice->argument)
				fputs(" -r", stdout);
			fish_words(choice->word);
			printf(" -d '%s'\n", choice->help);
		}
		if (verb->word) {
			fputs("complete -c mdrctl -n \"$seen\"", stdout);
			fish_words(verb->word);
			fputs("\n", stdout);
		}
	}
}

int run_completion(struct cli *cli)
{
	const char *shell = cli->argv[0];

	if (!strcmp(shell, "bash"))
		print_bash();
	else if (!strcmp(shell, "zsh"))
		print_zsh();
	else if (!strcmp(shell, "fish"))
		print_fish();
	else
		return fail(END_USAGE, shell, "there are bash, zsh, fish",
			    "there is no completion for this shell");
	return END_OK;
}
