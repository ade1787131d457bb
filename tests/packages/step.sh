# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The steps of a test of packages. Sourced by a script that may set
#
#   step_name  a word before the text of each step
#   step_log   a file for all that the steps say
#   step_more  a command that shows more of a failure

# step TEXT COMMAND...: a TAP line, by whether COMMAND succeeds. It has a shell of its own,
# which it may exit; set -e does not hold there.
step() {
	local text=${step_name:+$step_name: }$1 out
	shift
	out=$(mktemp)
	if ("$@") >"$out" 2>&1 </dev/null; then
		echo "ok - $text"
	else
		echo "not ok - $text"
		{
			tail -n 30 "$out"
			${step_more:-true} 2>/dev/null || true
		} | sed 's/^/#   /'
	fi
	[ -z "${step_log:-}" ] || { echo "=== $text" && cat "$out"; } >>"$step_log"
	rm -f "$out"
}
