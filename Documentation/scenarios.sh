#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Brings the tables in Documentation/scenarios.md up to date: what each scenario
# shows from tests/vm/scenarios, what was measured from build/results. What stands
# above them is written by hand.
#
#   Documentation/scenarios.sh [TAP...]   rewrites scenarios.md from these results,
#                                         one file a kernel; unless told from all
#                                         in build/results that have every scenario
#   Documentation/scenarios.sh --keep     the same with the numbers that the page has,
#                                         for a scenario that is new or reworded
#   Documentation/scenarios.sh --check    says whether each scenario is in the page,
#                                         with what it shows; changes nothing. What
#                                         was measured differs from run to run.
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
scenarios=$here/../tests/vm/scenarios
results=$here/../build/results
page=$here/scenarios.md
begin='<!-- scenarios.sh: from here on generated -->'

die() {
	echo "scenarios: error: $*" >&2
	exit 1
}

# The scenarios of "make check-vm": FILE, NAME, LIMIT in s, WHAT IT SHOWS, with
# tabs between.
list_scenarios() {
	local file
	for file in "$scenarios"/*.c; do
		awk -v file="$(basename "$file" .c)" '
		/^SCENARIO\(/ { text = ""; reading = 1 }
		reading { text = text $0 }
		reading && /\)$/ {
			reading = 0
			if (text ~ /\.(selftest|demo|debug) = true/)
				next
			name = text
			sub(/^SCENARIO\(/, "", name)
			sub(/,.*/, "", name)
			limit = 30
			if (match(text, /\.limit_s = [0-9]+/))
				limit = substr(text, RSTART + 11, RLENGTH - 11)
			proves = text
			gsub(/"[ \t]*"/, "", proves)
			sub(/^[^"]*"/, "", proves)
			sub(/"[^"]*$/, "", proves)
			printf "%s\t%s\t%s\t%s\n", file, name, limit, proves
		}' "$file"
	done
}

# The first comment of a file after its licence, as one paragraph.
say_about() {
	awk 'NR == 1 { next }
		{ line = $0; gsub(/^ ?\/?\*+\/? ?|[ \t]*\*\/$/, "", line) }
		/^(\/\*| \*)/ { text = text (line == "" ? "" : line " ") }
		/\*\/$/ { exit }
		END { sub(/ $/, "", text); print text }' "$1"
}

# The versions, oldest first, and results of the kernels: a whole run each.
find_results() {
	local tap
	for tap in "$results"/*.tap; do
		[ ! -e "$tap" ] || ! grep -qx "1\.\.$count" "$tap" || printf '%s\n' "$tap"
	done | sort -V
}

# table FILE TAP...: the rows of one file of scenarios
table() {
	local file=$1
	shift
	awk -F '\t' -v file="$file" '
	# "a=1<=2 b=3 ms=4": fills measured and bound
	function understand(words, n, i, w, at) {
		measured = bound = ""
		for (i = 1; i <= n; i++) {
			w = words[i]
			at = index(w, "<=")
			if (at) {
				bound = bound (bound ? ", " : "") substr(w, 1, index(w, "=") - 1) \
					" <= " substr(w, at + 2)
				w = substr(w, 1, at - 1)
			}
			sub(/=/, " ", w)
			measured = measured (measured ? ", " : "") w
		}
	}
	FNR == 1 { column++ }
	column == 1 {
		if ($1 == file) {
			order[++rows] = $2
			limit[$2] = $3
			shows[$2] = $4
		}
		next
	}
	/^(not )?ok [0-9]+ - / {
		line = $0
		sub(/^(not )?ok [0-9]+ - /, "", line)
		name = line
		sub(/ .*/, "", name)
		if (!(name in shows))
			next
		rest = index(line, " # ") ? substr(line, index(line, " # ") + 3) : ""
		if (rest ~ /^SKIP /) {
			cell[name, column] = "skipped: " substr(rest, 6)
			next
		}
		n = split(rest, words, " ")
		understand(words, n)
		cell[name, column] = (/^not/ ? "**failed** " : "") measured
		if (bound)
			bounds[name] = bound
	}
	END {
		for (i = 1; i <= rows; i++) {
			name = order[i]
			printf "| `%s` | %s | %s%s s |", name, shows[name], \
				name in bounds ? bounds[name] ", " : "", limit[name]
			for (c = 2; c <= column; c++)
				printf " %s |", (name, c) in cell ? cell[name, c] : "not run"
			print ""
		}
	}' "$work/list" "$@"
}

generate() {
	local file tap
	for file in $(cut -f 1 "$work/list" | uniq); do
		# shellcheck disable=SC2016 # backquotes of Markdown
		printf '\n## `%s.c`\n\n' "$file"
		say_about "$scenarios/$file.c" | fold -s -w 79 | sed 's/ *$//'
		printf '\n| scenario | shows | bound |'
		for tap; do
			printf ' %s |' "$(basename "$tap" .tap | sed 's/+.*//')"
		done
		printf '\n|---|---|---|'
		for tap; do
			printf -- '---|'
		done
		echo
		table "$file" "$@"
	done
}

# The page's numbers as results again: a file a kernel in DIR.
unwrite() {
	awk -F ' [|] ' -v dir="$2" '
	/^\| scenario \| shows \| bound \| / {
		sub(/ \|$/, "")
		kernels = NF
		for (i = 4; i <= NF; i++) {
			tap[i] = dir "/" $i ".tap"
			printf "" >tap[i]
		}
	}
	/^\| `[a-z0-9_]*` \| / {
		sub(/ \|$/, "")
		name = $1
		gsub(/[|` ]/, "", name)
		delete bound
		n = split($3, words, ", ")
		for (i = 1; i <= n; i++)
			if (split(words[i], w, " <= ") == 2)
				bound[w[1]] = w[2]
		for (k = 4; k <= kernels; k++) {
			cell = $k
			if (cell == "not run")
				continue
			ok = sub(/^[*][*]failed[*][*] /, "", cell) ? "not ok" : "ok"
			if (sub(/^skipped: /, "", cell)) {
				print "ok 1 - " name " # SKIP " cell >tap[k]
				continue
			}
			line = ok " 1 - " name " #"
			n = split(cell, words, ", ")
			for (i = 1; i <= n; i++) {
				at = index(words[i], " ")
				key = substr(words[i], 1, at - 1)
				line = line " " key "=" substr(words[i], at + 1) \
					(key in bound ? "<=" bound[key] : "")
			}
			print line >tap[k]
		}
	}' "$1"
}

# What must not differ: which scenarios there are, and what they show.
essence() {
	sed -n "0,/^$begin\$/d; s/^\(| \`[a-z0-9_]*\` | [^|]* |\).*/\1/p" "$1"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
list_scenarios >"$work/list"
count=$(wc -l <"$work/list")
[ "$count" -gt 0 ] || die "no scenario in $scenarios"
grep -qxF -e "$begin" "$page" || die "$page has no line '$begin'"

case ${1:-} in
--check)
	essence "$page" >"$work/old"
	{
		echo "$begin"
		generate
	} >"$work/page"
	essence "$work/page" >"$work/new"
	diff -u --label Documentation/scenarios.md --label tests/vm/scenarios \
		"$work/old" "$work/new" ||
		die "scenarios.md is not current; run make check-vm doc-scenarios (or Documentation/scenarios.sh --keep)"
	echo "scenarios: scenarios.md is current"
	exit
	;;
--keep)
	mkdir "$work/kept"
	unwrite "$page" "$work/kept"
	mapfile -t taps < <(find "$work/kept" -name '*.tap' | sort -V)
	;;
-*) die "unknown argument $1; there are --check and --keep" ;;
'')
	mapfile -t taps < <(find_results)
	[ "${#taps[@]}" -gt 0 ] ||
		die "build/results has no run of all $count scenarios; run make check-vm"
	;;
*) taps=("$@") ;;
esac
sed "/^$begin\$/q" "$page" >"$work/page"
generate "${taps[@]}" >>"$work/page"
cat "$work/page" >"$page"
