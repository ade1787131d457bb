# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # cc, libs, tests and sources are the list's
#
# Breaks copies of sources, one change at a time, and shows that the tests notice each:
# a test that cannot fail proves nothing. Sourced by the lists of mutants, which call
# mutant for each change, then mutants_end. A list that does not test with programs of
# cmocka has its own function notices. May be set before:
#
#   mutants_at_once   how many are judged at a time; one for each CPU unless set
#   mutants_tell      not empty: print a line for each mutant as it is judged
#   mutant_is         a description of the next mutant, in place of its script
#   mutants_input     files and folders: all that decides what is noticed, but for the mutant
#
# notices may write to DIR/why what noticed the mutant.
#
# With mutants_input, what was noticed in this tree is not tried again as long as the same
# mutant meets the same input: a change of the driver has no bearing on what mdrctl's tests
# notice. make clean forgets it.
mutants=$(mktemp -d)
trap 'rm -rf "$mutants"' EXIT
count=0 kinds=() mutants_input=() mutants_sum=''
mutants_noticed=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")/build/mutants_noticed

# contents FILE...: one sum of what is in them, whatever they are called
contents() { sha256sum -- "$@" | cut -d ' ' -f 1 | sort | sha256sum | cut -d ' ' -f 1; }

# input_sum: that of mutants_input and of the packages that are installed; nothing without
# mutants_input
input_sum() {
	local files
	[ "${#mutants_input[@]}" -gt 0 ] || return 0
	mapfile -d '' files < <(find -L "${mutants_input[@]}" -type f -print0)
	mkdir -p "$mutants_noticed"
	find "$mutants_noticed" -type f -mtime +30 -delete
	contents /var/lib/dpkg/status "${files[@]}"
}

# mutant KIND SOURCE SED-SCRIPT [ARGUMENT...]
mutant() {
	local file=${2##*/} at
	count=$((count + 1))
	at=$mutants/$count
	mkdir "$at"
	grep -qxF "$1" <(printf '%s\n' "${kinds[@]}") || kinds+=("$1")
	echo "$1" >"$at/kind"
	cp "$2" "$at/$file"
	sed -E -i "$3" "$at/$file"
	{
		echo "${mutant_is:-$file: $3}:"
		diff "$2" "$at/$file" | grep '^[<>]' || true
	} | tr -s '[:space:]' ' ' >"$at/change"
	if [ "$count" = 1 ]; then
		mutants_sum=$(input_sum)
	fi
	# a mistake in the list
	echo "changes nothing" >"$at/verdict"
	! cmp -s "$2" "$at/$file" || return 0
	while [ "$(jobs -rp | wc -l)" -ge "${mutants_at_once:-$(nproc)}" ]; do
		wait -n || true
	done
	judge "$at" "$file" "${@:4}" &
}

judge() {
	local status=0 known=''
	[ -z "$mutants_sum" ] || {
		known=$({ echo "$mutants_sum ${*:2}" && cat "$1/$2"; } | sha256sum)
		known=$mutants_noticed/${known%% *}
	}
	if [ -e "${known:-/none}" ]; then
		: >"$1/known"
	else
		notices "$@" >"$1/log" 2>&1 || status=$?
		[ "$status" != 0 ] || [ -z "$known" ] || : >"$known"
	fi
	case $status in
	0) echo noticed ;;
	1) echo survived ;;
	*) echo "does not build: $(head -n 1 "$1/log")" ;;
	esac >"$1/verdict"
	[ -z "${mutants_tell:-}" ] || {
		echo "# $(cat "$1/verdict"): $(cat "$1/change")"
		sed 's/^/#   /' "$1/why" 2>/dev/null || true
	}
}

# mutants_end SOURCE [ARGUMENT...]: a TAP line for each kind, with the mutants that were
# not noticed, and one for an unchanged copy of SOURCE, which must pass: otherwise the
# tests fail for another reason than the mutants
mutants_end() {
	local kind at total left ok known
	wait
	for kind in "${kinds[@]}"; do
		total=0 known=0 left=()
		for at in "$mutants"/[0-9]*; do
			[ "$(cat "$at/kind")" = "$kind" ] || continue
			total=$((total + 1))
			[ ! -e "$at/known" ] || known=$((known + 1))
			[ "$(cat "$at/verdict")" = noticed ] ||
				left+=("#   mutant $(cat "$at/verdict"): $(cat "$at/change")")
		done
		ok=ok
		[ "${#left[@]}" = 0 ] || ok="not ok"
		echo "$ok - mutants: $kind: $((total - ${#left[@]})) of $total noticed$([ "$known" = 0 ] || echo ", $known of them before")"
		[ "$ok" = ok ] || printf '%s\n' "${left[@]}"
	done
	mkdir "$mutants/same"
	cp "$1" "$mutants/same"
	echo "${1##*/}: unchanged" >"$mutants/same/change"
	judge "$mutants/same" "${1##*/}" "${@:2}" &
	wait
	ok=ok
	[ "$(cat "$mutants/same/verdict")" = survived ] || ok="not ok"
	echo "$ok - mutants: an unchanged copy passes"
}

# For programs of cmocka. The list sets cc, the compiler with its options; libs, the
# libraries; and the paths of the tests and of the sources that they are linked with.
# Without sanitizers, which would take longer to build.
cmocka_build() {
	local file objects=()
	for file in "${tests[@]}" "${sources[@]}"; do
		"${cc[@]}" -c -o "$mutants/$(basename "$file" .c).o" "$file"
	done
	for file in "${sources[@]}"; do
		objects+=("$mutants/$(basename "$file" .c).o")
	done
	ar rcs "$mutants/all.a" "${objects[@]}"
	cmocka_input "${tests[@]}" "${sources[@]}"
}

# cmocka_input SOURCE...: these, and all that they include, decide what is noticed
cmocka_input() {
	local files
	mapfile -t files < <("${cc[@]}" -I"$mutants" -M "$@" |
		sed 's/[^ ]*://; s/\\$//' | tr -s ' ' '\n' | grep .)
	echo "${cc[*]//"$mutants"/} ${libs[*]}" >"$mutants/command"
	mutants_input+=("$mutants/command" "${files[@]}")
}

# noticed_by PROGRAM: does this test fail?
noticed_by() {
	! (ulimit -c 0 && exec timeout 20 "$1")
}

# notices DIR FILE [TEST]: with the FILE in DIR: 0 if a test fails, 1 if none does, else
# FILE does not build. TEST: the source of one that includes FILE, in place of all others.
notices() {
	local at=$1 object=$1/${2%.c}.o test
	if [ $# -gt 2 ]; then
		"$cc" -I"$at" "${cc[@]:1}" -o "$at/test" "$3" "${libs[@]}" || return 2
		noticed_by "$at/test" || return 1
		return 0
	fi
	{ "${cc[@]}" -c -o "$object" "$at/$2" && cp "$mutants/all.a" "$at" &&
		ar r "$at/all.a" "$object"; } || return 2
	for test in "${tests[@]}"; do
		"${cc[@]}" -o "$at/test" "$mutants/$(basename "$test" .c).o" "$at/all.a" "${libs[@]}" || return 2
		! noticed_by "$at/test" || return 0
	done
	return 1
}
