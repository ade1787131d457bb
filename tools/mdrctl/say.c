// SPDX-License-Identifier: GPL-2.0-only
/*
 * Output of all verbs: errors, colours, JSON.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "mdrctl.h"

int fail(enum end end, const char *object, const char *next, const char *cause, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "mdrctl: %s: ", object);
	va_start(args, cause);
	vfprintf(stderr, cause, args);
	va_end(args);
	fputc('\n', stderr);
	if (next)
		fprintf(stderr, "  next: %s\n", next);
	return end;
}

int fail_errno(int error, const char *object, const char *next)
{
	error = abs(error);
	if (error == EACCES || error == EPERM)
		return fail(END_DENIED, object, "run it as root", "%s", strerror(error));
	return fail(error == ENOENT ? END_NOT_FOUND : END_FAILED, object, next, "%s",
		    strerror(error));
}

int fail_group(int error, const char *name)
{
	switch (error) {
	case -EINVAL:
		return fail(END_USAGE, name, "mdrctl list shows what there is",
			    "is no name of a group, no UUID and no PCI address");
	case -ENOENT:
		return fail(END_NOT_FOUND, name, "mdrctl list shows what there is",
			    "is in no group that mdev_recovery looks after");
	case -EUNATCH:
		return fail(END_NOT_FOUND, name, "modprobe mdr-pci",
			    "the module mdev_recovery is not loaded");
	default:
		return fail_errno(error, name, NULL);
	}
}

int fail_function(int error, const char *address)
{
	if (error == -EINVAL)
		return fail(END_USAGE, address, "lspci -D lists them",
			    "is not the address of a PCI function, like 0000:05:00.0");
	if (error == -ENOENT)
		return fail(END_NOT_FOUND, address, "lspci -D lists them",
			    "this host has no such PCI function");
	return fail_errno(error, address, NULL);
}

bool number_parse(const char *text, uint64_t most, uint64_t *number)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || digits > 18 || text[digits])
		return false;
	*number = strtoull(text, NULL, 10);
	return *number <= most;
}

char *json_text(struct json_object *tree)
{
	const char *lines = json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PRETTY |
							   JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t size = strlen(lines) + 2;
	char *text = malloc(size);

	if (text)
		snprintf(text, size, "%s\n", lines);
	json_object_put(tree);
	return text;
}

void json_print(struct json_object *tree)
{
	puts(json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(tree);
}

void json_print_line(struct json_object *tree)
{
	puts(json_object_to_json_string_ext(tree, JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
	json_object_put(tree);
}

const char *get_text(struct json_object *tree, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(tree, key));

	return text ? text : "";
}

int64_t get_number(struct json_object *tree, const char *key)
{
	return json_object_get_int64(json_object_object_get(tree, key));
}

struct json_object *get_list(struct json_object *tree, const char *key)
{
	return json_object_object_get(tree, key);
}

void add_text(struct json_object *tree, const char *key, const char *text)
{
	json_object_object_add(tree, key, text ? json_object_new_string(text) : NULL);
}

void add_number(struct json_object *tree, const char *key, uint64_t number)
{
	json_object_object_add(tree, key, json_object_new_int64(number));
}

/* Every tree that is printed has the version of its schema. */
struct json_object *tree_new(const char *key, struct json_object *list)
{
	struct json_object *tree = json_object_new_object();

	add_number(tree, "version", 1);
	json_object_object_add(tree, key, list);
	return tree;
}

const char *colour_on(const struct cli *cli, enum colour colour)
{
	static const char * const codes[] = {
		[PLAIN] = "",
		[GOOD] = "\033[32m",
		[BUSY] = "\033[33m",
		[BAD] = "\033[1;31m",
	};

	return cli->colour ? codes[colour] : "";
}

const char *colour_off(const struct cli *cli)
{
	return cli->colour ? "\033[0m" : "";
}

enum colour state_colour(const char *state)
{
	switch (mdr_group_state_parse(state)) {
	case MDR_GROUP_OPEN:
		return GOOD;
	case MDR_GROUP_FAILED:
		return BAD;
	default:
		return BUSY;
	}
}
