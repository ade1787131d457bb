#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Brings the tables in Documentation/scenarios.md up to date with
# tests/vm/scenarios: what each scenario shows, and its bounds. The text above the
# tables is written by hand.
#
#   Documentation/scenarios.sh           rewrites scenarios.md
#   Documentation/scenarios.sh --check   says whether it is current; changes nothing
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
scenarios=$here/../tests/vm/scenarios
page=$here/scenarios.md
begin='<!-- scenarios.sh: from here on generated -->'

die() {
	echo "scenarios: error: $*" >&2
	exit 1
}

case ${1:-} in
'' | --check) ;;
*) die "unknown argument $1; there is --check" ;;
esac

# list_scenarios FILE: a line for each scenario of "make check-vm", with tabs
# between: NAME, LIMIT in s, WHAT IT SHOWS, BOUND, BOUND... A bound is
# "measurement <= expression". host is the time of the kernel's own recovery by its log,
# recovery that of the longest recovery (guest/took.h).
#
# A MEASURE_BOUND() may stand in a function that the scenario calls. So the
# functions of the same file are pasted in where they are named, with the
# arguments in place of the parameters.
list_scenarios() {
	awk '
	# "(a, f(b, c)) more": a and f(b, c) into args; their number.
	function split_args(text, args, i, c, depth, quoted, n, from) {
		from = 2
		for (i = 1; i <= length(text); i++) {
			c = substr(text, i, 1)
			if (c == "\\")
				i++
			else if (c == "\"")
				quoted = !quoted
			else if (quoted)
				continue
			else if (c == "(" || c == "[" || c == "{")
				depth++
			else if (c == ")" || c == "]" || c == "}")
				depth--
			if (!quoted && (c == "," && depth == 1 || !depth)) {
				args[++n] = substr(text, from, i - from)
				gsub(/^[ \t]+|[ \t]+$/, "", args[n])
				from = i + 1
				if (!depth)
					break
			}
		}
		return n
	}
	# text with every identifier that is a key of with replaced
	function replace(text, with, out, word) {
		while (match(text, /[A-Za-z_][A-Za-z_0-9]*|"([^"\\]|\\.)*"/)) {
			word = substr(text, RSTART, RLENGTH)
			out = out substr(text, 1, RSTART - 1) (word in with ? with[word] : word)
			text = substr(text, RSTART + RLENGTH)
		}
		return out text
	}
	function resolve(text, i, before) {
		for (i = 0; i < 8 && text != before; i++) {
			before = text
			text = replace(text, defines)
		}
		gsub(/[ \t]+/, " ", text)
		return text
	}
	function add_bound(name, bound) {
		if (!gsub(/^"|"$/, "", name))
			name = "each"
		sub(/^&/, "", bound)
		bound = name " <= " resolve(bound)
		if (index(bounds "\t", "\t" bound "\t") == 0)
			bounds = bounds "\t" bound
	}
	# the elements of an array
	function elements(text, args, i, n, count) {
		n = split_args("(" text ")", args)
		for (i = 1; i <= n; i++)
			count += args[i] != ""
		return count
	}
	function scan(text, depth, word, args, with, i, n) {
		while (match(text, /[A-Za-z_][A-Za-z_0-9]*|"([^"\\]|\\.)*"/)) {
			word = substr(text, RSTART, RLENGTH)
			text = substr(text, RSTART + RLENGTH)
			if (word !~ /^MEASURE_(BOUND|RECOVERY|STALL)$/ && !(word in bodies))
				continue
			split("", args)
			split("", with)
			n = text ~ /^\(/ ? split_args(text, args) : 0
			if (word == "MEASURE_BOUND") {
				add_bound(args[1], args[3])
				continue
			}
			# guest/took.h
			if (word == "MEASURE_RECOVERY")
				add_bound(args[1], "host + TOOK_LATE_MS")
			if (word == "MEASURE_STALL")
				add_bound(args[1], "recovery + TOOK_LATE_MS")
			for (i = 1; i <= n && parameters[word, i] != ""; i++)
				with[parameters[word, i]] = args[i]
			if (depth < 8)
				scan(replace(bodies[word], with), depth + 1)
		}
	}
	function end_head(name, args, i, n) {
		if (head ~ /^SCENARIO\(/) {
			name = head
			sub(/^SCENARIO\(/, "", name)
			sub(/,.*/, "", name)
			order[++count] = name
			heads[name] = head
			return name
		}
		match(head, /[A-Za-z_][A-Za-z_0-9]*\(/)
		name = substr(head, RSTART, RLENGTH - 1)
		n = split_args(substr(head, RSTART + RLENGTH - 1), args)
		for (i = 1; i <= n; i++)
			if (match(args[i], /[A-Za-z_][A-Za-z_0-9]*(\[[^]]*\])?$/)) {
				parameters[name, i] = substr(args[i], RSTART, RLENGTH)
				sub(/\[.*/, "", parameters[name, i])
			}
		return name
	}
	/^#define [A-Z_0-9]+[ \t]/ && !/sizeof/ {
		value = $0
		sub(/^#define [A-Z_0-9]+[ \t]+/, "", value)
		sub(/[ \t]*\/\*.*/, "", value)
		defines[$2] = value
	}
	/^(static |} ).*\[\] = \{$/ {
		array = $(NF - 2)
		sub(/.*\*/, "", array)
		sub(/\[\]$/, "", array)
		listed = ""
		listing = 1
		next
	}
	/^}/ && listing { counts[array] = elements(listed); listing = 0 }
	listing { listed = listed $0 " " }
	/^#define [A-Z_0-9]+ \(sizeof\([a-z_]+\) / {
		array = $3
		gsub(/^\(sizeof\(|\)$/, "", array)
		defines[$2] = counts[array]
	}
	/^(SCENARIO\(|static .*\()/ && !/[;=]/ { head = ""; heading = 1 }
	/^SCENARIO\(/ { head = ""; heading = 1 }
	/^{/ && heading { function_name = end_head(); heading = 0; body = ""; inside = 1; next }
	heading { head = head $0 " " }
	/^}/ && inside { bodies[function_name] = body; inside = 0 }
	inside { body = body $0 " " }
	END {
		for (i = 1; i <= count; i++) {
			name = order[i]
			head = heads[name]
			if (head ~ /\.(selftest|demo|debug) = true/)
				continue
			limit = 30
			if (match(head, /\.limit_s = [0-9]+/))
				limit = substr(head, RSTART + 11, RLENGTH - 11)
			gsub(/"[ \t]*"/, "", head)
			sub(/^[^"]*"/, "", head)
			sub(/"[^"]*$/, "", head)
			bounds = ""
			scan(bodies[name], 0)
			printf "%s\t%s\t%s%s\n", name, limit, head, bounds
		}
	}' "$here/../tests/vm/guest/took.h" "$1"
}

# The first comment of a file after its licence, as one paragraph.
say_about() {
	awk 'NR == 1 { next }
		{ line = $0; gsub(/^ ?\/?\*+\/? ?|[ \t]*\*\/$/, "", line) }
		/^(\/\*| \*)/ { text = text (line == "" ? "" : line " ") }
		/\*\/$/ { exit }
		END { sub(/ $/, "", text); print text }' "$1" |
		fold -s -w 79 | sed 's/ *$//'
}

# row NAME LIMIT SHOWS BOUND...
row() {
	local text='' bound value
	# shellcheck disable=SC2016 # backquotes of Markdown
	printf '| `%s` | %s | ' "$1" "$3"
	for bound in "${@:4}"; do
		value=${bound#* <= }
		value=${value//true/1} value=${value//false/0}
		[[ $value =~ [^0-9\ +*/()?:-] ]] || value=$((value))
		text+="${bound%% <= *} <= $value, "
	done
	printf '%s%s s |\n' "$text" "$2"
}

generate() {
	local file name
	for file in "$scenarios"/*.c; do
		list_scenarios "$file" >"$work/list"
		[ -s "$work/list" ] || continue
		name=$(basename "$file")
		# shellcheck disable=SC2016 # backquotes of Markdown
		printf '\n## `%s`\n\n' "$name"
		say_about "$file"
		printf '\n| scenario | shows | bounds |\n|---|---|---|\n'
		while IFS=$'\t' read -r -a fields; do
			row "${fields[@]}"
		done <"$work/list"
	done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -qxF -e "$begin" "$page" || die "$page has no line '$begin'"
sed "/^$begin\$/q" "$page" >"$work/page"
generate >>"$work/page"
grep -q '^| `' "$work/page" || die "no scenario in $scenarios"

if [ "${1:-}" = --check ]; then
	diff -u --label Documentation/scenarios.md --label tests/vm/scenarios \
		"$page" "$work/page" ||
		die "scenarios.md is not current; run Documentation/scenarios.sh"
	echo "scenarios: scenarios.md is current"
else
	cat "$work/page" >"$page"
fi
