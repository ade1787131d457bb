# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Results in TAP, and the count that every runner ends with. Sourced. $part is the name of
# the runner in the message of die.

# die WHY...: the runner cannot go on
# shellcheck disable=SC2154 # part is the runner's
die() {
	echo "$part: error: $*" >&2
	exit 2
}

# tap_end FILE...: prints the last line of a run with these results; fails if it failed
tap_end() {
	cat "$@" | awk '
		/^ok .*# SKIP/ { skipped++; next }
		/^ok / { passed++ }
		/^not ok / { failed++ }
		END {
			printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
			exit failed > 0 || passed + skipped == 0
		}'
}

# tap_to FILE: shows the results on stdin, writes them to FILE as complete TAP, and ends
# the run
tap_to() {
	mkdir -p "$(dirname "$1")"
	tee "$1.part"
	{
		echo "TAP version 13"
		cat "$1.part"
		echo "1..$(grep -cE '^(not )?ok ' "$1.part" || true)"
	} >"$1"
	rm "$1.part"
	tap_end "$1"
}

# tap_if WHAT COMMAND...: the result of COMMAND
tap_if() {
	if "${@:2}"; then echo "ok - $1"; else echo "not ok - $1"; fi
}

# tap_found NAME SAYS STATUS FOUND: the result of a check that prints what it finds,
# or "SKIP reason"
tap_found() {
	case $3:$4 in
	*:"SKIP "*) echo "ok - $1 # $4" ;;
	0:) echo "ok - $1: $2" ;;
	*)
		echo "not ok - $1: $2"
		printf '%s\n' "${4:-the check itself ended with code $3}" | sed 's/^/#   /'
		;;
	esac
}

# tap_failures FILE: the failures in the output of runners, each with its reasons. Each
# line of a machine begins with the name of that machine.
tap_failures() {
	awk '
		{ match($0, /^([^ ]+: )*/); name = substr($0, 1, RLENGTH); said = substr($0, RLENGTH + 1) }
		said ~ /^not ok / { fails[name] = 1; print; next }
		said ~ /^#   / && fails[name] { print; next }
		{ fails[name] = 0 }' "$1"
}

# tap_merge FILE...: the results of several machines as one TAP
tap_merge() {
	awk '
		/^TAP version/ { next }
		/^1\.\./ { planned += substr($0, 4); next }
		match($0, /^(not )?ok( [0-9]+)?( -)? /) {
			rest = substr($0, RLENGTH + 1)
			$0 = (/^not/ ? "not ok " : "ok ") ++number " - " rest
		}
		{ line[++lines] = $0 }
		END {
			print "TAP version 13"
			print "1.." (planned > number ? planned : number + 0)
			for (i = 1; i <= lines; i++)
				print line[i]
		}' "$@"
}
