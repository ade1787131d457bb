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
		.summary = "Show all groups, their functions and mdevs",
		.reads = true,
		.run = run_list,
	}, {
		.name = "status",
		.arguments = OBJECT,
		.summary = "Show everything about groups, and what to do next",
		.most = -1,
		.word = WORD_OBJECT,
		.reads = true,
		.run = run_status,
	}, {
		.name = "bind",
		.arguments = "ADDRESS...",
		.summary = "Bind functions to the shim",
		.most = -1,
		.word = WORD_FUNCTION,
		.choices = {
			{ "persistent", 'p', NULL, WORD_NONE, "also bind them at each boot" },
			{ "driver", 'd', "NAME", WORD_NONE, "the parent driver (mdr-pci)" },
			{ "saved", 's', NULL, WORD_NONE,
			  "bind what was saved, as at boot" },
			{ "force", 'f', NULL, WORD_NONE, "also if a user loses them" },
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
			{ "persistent", 'p', NULL, WORD_NONE, "also stop binding them at boot" },
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
			{ "manual", 'm', NULL, WORD_NONE, "do not start it automatically later" },
		},
		.run = run_create,
	}, {
		.name = "remove",
		.arguments = "UUID...",
		.summary = "Stop mdevs and remove their definitions, through mdevctl",
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
		.summary = "Show the settings of an mdev, their defaults and allowed values",
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
		.summary = "Make mdr-agent try again to attach devices",
		.run = run_retry,
	}, {
		.name = "reset",
		.arguments = "ADDRESS...",
		.summary = "Reset functions while they are in use, as a rehearsal",
		.least = 1,
		.most = -1,
		.word = WORD_OBJECT,
		.run = run_reset,
	}, {
		.name = "watch",
		.arguments = "[GROUP|UUID|ADDRESS]",
		.summary = "Show changes of groups as they happen",
		.most = 1,
		.word = WORD_OBJECT,
		.reads = true,
		.choices = {
			{ "count", 'n', "NUMBER", WORD_NONE, "exit after so many changes" },
		},
		.run = run_watch,
	}, {
		.name = "doctor",
		.arguments = "[GROUP|UUID|ADDRESS|DOMAIN]...",
		.summary = "Look for obstacles to a recovery, and say what to do",
		.most = -1,
		.word = WORD_OBJECT,
		.reads = true,
		.choices = {
			{ "user", 'u', "NAME", WORD_NONE,
			  "the user who starts a QEMU without libvirt (this one)" },
		},
		.run = run_doctor,
	}, {
		.name = "history",
		.arguments = "[GROUP|UUID|ADDRESS]",
		.summary = "Show past events, their causes, and how long they took",
		.most = 1,
		.word = WORD_OBJECT,
		.reads = true,
		.choices = {
			{ "last", 'n', "NUMBER", WORD_NONE, "only the last ones" },
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
			{ "last", 'n', "NUMBER", WORD_NONE, "only the last ones (10)" },
			{ "svg", 's', "FILE", WORD_FILE, "draw them into this file" },
			{ "file", 'f', "FILE", WORD_FILE, "what --json printed, or - for stdin" },
			{ "record", 'r', "on|off", WORD_SWITCH, "start or stop recording" },
		},
		.run = run_timeline,
	}, {
		.name = "metrics",
		.arguments = "",
		.summary = "Print metrics for Prometheus",
		.reads = true,
		.choices = {
			{ "output", 'o', "FILE", WORD_FILE,
			  "write to this file, replaced in one step" },
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
