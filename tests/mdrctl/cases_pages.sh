# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# The table of verbs, the pages of manual, and completion say the same.

declare_case pages "each verb has a page, with each of its options, and is in that of mdrctl"
pages() {
	local verb option page
	for verb in $("$mdrctl" words verb); do
		page=tools/mdrctl/man/mdrctl-$verb.8
		[ -e "$page" ] || fail "no page for $verb"
		grep -q "^\.It Xr mdrctl-$verb 8" tools/mdrctl/man/mdrctl.8 || fail "mdrctl.8: no $verb"
		while read -r option; do
			[ "$option" = help ] || grep -qE "Fl -$option( |$)" "$page" ||
				fail "$page: no --$option"
		done < <("$mdrctl" "$verb" --help | sed -n 's/^  .*--\([a-z]*\).*/\1/p')
		while read -r option; do
			"$mdrctl" "$verb" --help | grep -q -- "--$option" || fail "$page: there is no --$option"
		done < <(sed -n 's/^\.It Fl [a-z] , Fl -\([a-z]*\).*/\1/p' "$page")
	done
	is pages "$(find tools/mdrctl/man -name 'mdrctl-*' | wc -l)" "$("$mdrctl" words verb | wc -l)"
}

declare_case page_of_files "mdev-recovery(7) has each file in sysfs, each setting and each profile"
page_of_files() {
	local name page=tools/mdrctl/man/mdev-recovery.7
	for name in $(sed -n 's|^What:.*/\([a-z_]*\)$|\1|p' Documentation/ABI/testing/*) \
		$(basename -s .json -a mdevctl-profiles/*.json); do
		case $name in iommu_group | vfio-dev) continue ;; esac
		grep -qE "^\.(Pa|It) ?.*\b$name\b" "$page" || fail "no $name"
	done
}

declare_case schemas "each verb that reads has a schema"
schemas() {
	local verb
	for verb in $("$mdrctl" words verb); do
		if "$mdrctl" "$verb" --help | grep -q -- --json; then
			[ -e "tools/mdrctl/schema/$verb.json" ] || fail "no schema for $verb"
		fi
	done
}

declare_case scenarios "each verb is run by a scenario, against the real modules"
scenarios() {
	local verb
	for verb in $("$mdrctl" words verb); do
		grep -qE "(ctl\\(\"|mdrctl )${verb}[ \"]" tests/vm/scenarios/mdrctl.c ||
			fail "no scenario runs mdrctl $verb"
	done
}

# complete_bash WORD...: what bash offers for the last word
complete_bash() {
	PATH=$host/bin:$PATH bash -euc '. "$0"; COMP_WORDS=(mdrctl "$@") COMP_CWORD=$#
		_mdrctl; printf "%s\n" "${COMPREPLY[@]}"' "$work/bash" "$@"
}

declare_case complete_in_bash "bash completes verbs, options, and what there is"
complete_in_bash() {
	host_two
	mkdir -p "$host/bin"
	printf '#!/bin/sh\nexec %s --root %s "$@"\n' "$mdrctl" "$host" >"$host/bin/mdrctl"
	chmod +x "$host/bin/mdrctl"
	"$mdrctl" completion bash >"$work/bash"
	is verb "$(complete_bash stat)" status
	is verbs "$(complete_bash '' | grep -cxFf <("$mdrctl" words verb))" "$("$mdrctl" words verb | wc -l)"
	is option "$(complete_bash bind --pers)" --persistent
	is group "$(complete_bash status group1)" group16
	is mdev "$(complete_bash remove b2)" "$uuid"
	is function "$(complete_bash bind 0000:06)" "$dev2"
	# as bash has it if ":" separates words, which is its default
	is function "$(complete_bash bind 0000 : 0 | sort)" $'05:00.0\n06:00.0'
	is function "$(complete_bash bind 0000 : 06)" 06:00.0
	is function "$(complete_bash bind 0000 : 06 : 0)" 00.0
	is function "$(complete_bash bind 0000 : | sort)" $'05:00.0\n06:00.0'
	is function "$(complete_bash bind "$dev" 0000 : 06 : 0)" 00.0
	is function "$(complete_bash bind 0000 : 05 : 00.0 0000 : 06)" 06:00.0
	is profile "$(complete_bash create --profile nv)" nvme
	is profile "$(complete_bash create --profile = nv)" nvme
	is nothing "$(complete_bash list '')" ''
	PATH=$host/bin:$PATH bash -euc '. "$0"; COMP_WORDS=(mdrctl status "") COMP_CWORD=2
		_mdrctl; [ -z "${words+x}${cur+x}" ]' "$work/bash" || fail "a variable is left in the shell"
}

declare_case complete_others "zsh and fish read their scripts, and fish completes"
complete_others() {
	complete_in_bash
	"$mdrctl" completion zsh >"$work/_mdrctl"
	"$mdrctl" completion fish >"$work/mdrctl.fish"
	zsh -n "$work/_mdrctl"
	fish -n "$work/mdrctl.fish"
	is fish "$(HOME=$work PATH=$host/bin:$PATH fish -c "source $work/mdrctl.fish; complete -C 'mdrctl sta'" 2>&1 | cut -f 1)" status
	is fish "$(HOME=$work PATH=$host/bin:$PATH fish -c "source $work/mdrctl.fish; complete -C 'mdrctl status group1'" | cut -f 1)" group16
	golden completion-wrong completion csh
}

declare_case page_boot "Documentation/boot.md has the messages of a function that is missing or another one"
page_boot() {
	local one
	for one in bind-missing bind-other-card; do
		grep -qF "| \`$(sed -n 's/^mdrctl: //p' "tests/mdrctl/golden/$one")\` |" \
			Documentation/boot.md || fail "$one"
	done
}
