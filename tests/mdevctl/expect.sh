# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # host.sh and run set and use the rest
#
# The expectations of the cases. One that does not hold ends its case through "fail":
# cases run with set -e in effect.

declare -A proves
all_cases=()

# proves NAME WHAT: NAME is a case
declare_case() {
	all_cases+=("$1")
	proves[$1]=$2
}

# run_case NAME: its TAP line. before_case, if it is set, is a command that the case
# begins with.
run_case() {
	local out status=0
	# set -e counts in the case, which it would not behind "if"
	set +e
	out=$(
		set -e
		${before_case:-}
		"$1" 2>&1
	)
	status=$?
	set -e
	if [ "$status" = 0 ]; then
		echo "ok - $1: ${proves[$1]}"
	else
		echo "not ok - $1: ${proves[$1]}"
		printf "%s\n" "$out" | sed "s/^/#   /"
	fi
}

fail() {
	printf '%s\n' "$@"
	exit 1
}

# accepted CMD...: CMD succeeds; its output is in $said
accepted() {
	said=$("$@" 2>&1) || fail "refused: $*" "$said"
}

# quietly CMD...: CMD succeeds without a warning
quietly() {
	accepted "$@"
	case $said in *"mdev-recovery: "*) fail "it said:" "$said" ;; esac
}

# refused CMD...: CMD fails; its output is in $said
refused() {
	! said=$("$@" 2>&1) || fail "not refused: $*" "$said"
}

# says TEXT...: the last command printed all of these
says() {
	local text
	for text; do
		case $said in *"$text"*) ;; *) fail "it did not say: $text" "but: $said" ;; esac
	done
}

# is WHAT GOT EXPECTED
is() {
	[ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"
}

# profile TYPE [NAME=VALUE]...: writes it to a file; prints the file's name
profile() {
	local file type=$1
	shift
	file=$(mktemp -p "$work" --suffix .json)
	jq -n --arg type "$type" '{mdev_type: $type, start: "manual",
		attrs: [$ARGS.positional[] | capture("(?<n>[^=]*)=(?<v>.*)"; "m") |
			{("recovery/" + .n): .v}]}' --args "$@" >"$file"
	printf '%s' "$file"
}

# define PROFILE [ARGUMENT...]
define() {
	mdevctl define --uuid "$uuid" --parent "$dev" --jsonfile "$@"
}
