// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of verbs: dispatch, --help, and the completion of all shells come from
 * here. Texts have no quotes, brackets or colons, which a shell could misread.
 */
#include <stddef.h>

#include "mdrctl.h"

#define OBJECT "[GROUP|UUID|ADDRESS]..."

const struct verb verbs[] = {
	{
		.name = "list",
		.arguments = "",
		.summary = "Show all groups, their functions and mdevs, one a line",
		.reads = true,
		.run = run_list,
	}, {
		.name = "status",
		.arguments = OBJECT,
		.summary = "Show all about groups, and what to do next",
		.most = -1,
		.word = WORD_OBJECT,
		.reads = true,
		.run = run_status,
	}, {
		.name = "bind",
		.arguments = "ADDRESS...",
		.summary = "Give functions to the shim",
		.most = -1,
		.word = WORD_FUNCTION,
		.choices = {
			{ "persistent", 'p', NULL, WORD_NONE, "at each boot, too" },
			{ "driver", 'd', "NAME", WORD_NONE, "the parent driver (mdr-pci)" },
			{ "saved", 's', NULL, WORD_NONE,
			  "as at boot, those that are bound persistently" },
		},
		.run = run_bind,
	}, {
		.name = "unbind",
		.arguments = "ADDRESS...",
		.summary = "Give functions back to their usual drivers",
		.least = 1,
		.most = -1,
		.word = WORD_OBJECT,
		.choices = {
			{ "persistent", 'p', NULL, WORD_NONE, "and do not bind them at boot" },
		},
		.run = run_unbind,
	}, {
		.name = "create",
		.arguments = "ADDRESS",
		.summary = "Define and start the mdev of a function, through mdevctl",
		.least = 1,
		.most = 1,
		.word = WORD_OBJECT,
		.choices = {
			{ "profile", 'p', "NAME|FILE", WORD_PROFILE,
			  "its type and settings (by the class of the device)" },
			{ "uuid", 'u', "UUID", WORD_NONE, "its UUID (a new one)" },
			{ "manual", 'm', NULL, WORD_NONE, "do not start it by itself later" },
		},
		.run = run_create,
	}, {
		.name = "remove",
		.arguments = "UUID...",
		.summary = "Stop mdevs and forget their definitions, through mdevctl",
		.least = 1,
		.most = -1,
		.word = WORD_MDEV,
		.choices = {
			{ "keep", 'k', NULL, WORD_NONE, "keep the definition" },
		},
		.run = run_remove,
	}, {
		.name = "settings",
		.arguments = "[UUID]",
		.summary = "Show what an mdev has to set, defaults and what is allowed",
		.most = 1,
		.word = WORD_MDEV,
		.reads = true,
		.run = run_settings,
	}, {
		.name = "set",
		.arguments = "UUID NAME=VALUE...",
		.summary = "Change settings of a running mdev, until it stops",
		.least = 2,
		.most = -1,
		.word = WORD_MDEV,
		.run = run_set,
	}, {
		.name = "recover",
		.arguments = "GROUP|UUID|ADDRESS...",
		.summary = "Reset and restore groups that have failed",
		.least = 1,
		.most = -1,
		.word = WORD_OBJECT,
		.run = run_recover,
	}, {
		.name = "retry",
		.arguments = "",
		.summary = "Have mdr-agent attach again what it gave up",
		.run = run_retry,
	}, {
		.name = "reset",
		.arguments = "ADDRESS...",
		.summary = "Reset functions under their users, as a rehearsal",
		.least = 1,
		.most = -1,
		.word = WORD_OBJECT,
		.run = run_reset,
	}, {
		.name = "watch",
		.arguments = "",
		.summary = "Show changes of groups as they come",
		.reads = true,
		.choices = {
			{ "count", 'n', "NUMBER", WORD_NONE, "end after so many" },
		},
		.run = run_watch,
	}, {
		.name = "doctor",
		.arguments = "[GROUP|UUID|ADDRESS|DOMAIN]...",
		.summary = "Look for what stands in the way of a recovery, and say what to do",
		.most = -1,
		.word = WORD_OBJECT,
		.reads = true,
		.run = run_doctor,
	}, {
		.name = "history",
		.arguments = "[GROUP|UUID|ADDRESS]",
		.summary = "Show the events of the past, their causes, and how long they took",
		.most = 1,
		.word = WORD_OBJECT,
		.reads = true,
		.choices = {
			{ "last", 'n', "NUMBER", WORD_NONE, "the last ones only" },
		},
		.run = run_history,
	}, {
		.name = "timeline",
		.arguments = "[GROUP|UUID|ADDRESS]",
		.summary = "Show the phases of the last recoveries, and how users waited",
		.most = 1,
		.word = WORD_OBJECT,
		.reads = true,
		.choices = {
			{ "last", 'n', "NUMBER", WORD_NONE, "so many of them (10)" },
			{ "svg", 's', "FILE", WORD_FILE, "draw them into this file" },
			{ "file", 'f', "FILE", WORD_FILE, "a copy of a trace, or - for stdin" },
			{ "record", 'r', "on|off", WORD_SWITCH, "begin or end to record them" },
		},
		.run = run_timeline,
	}, {
		.name = "metrics",
		.arguments = "",
		.summary = "Print what Prometheus collects",
		.reads = true,
		.choices = {
			{ "output", 'o', "FILE", WORD_FILE, "write it there, at once" },
		},
		.run = run_metrics,
	}, {
		.name = "completion",
		.arguments = "bash|zsh|fish",
		.summary = "Print the completion script of a shell",
		.least = 1,
		.most = 1,
		.word = WORD_SHELL,
		.run = run_completion,
	}, {
		.name = "record",
		.arguments = "",
		.summary = "Write the change in the environment to the history",
		.hidden = true,
		.run = run_record,
	}, {
		.name = "words",
		.arguments = "KIND",
		.summary = "Print what a word of the command line may be",
		.least = 1,
		.most = 1,
		.hidden = true,
		.run = run_words,
	},
	{}
};
