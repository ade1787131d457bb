#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Brings the table and the graph in Documentation/states.md up to date with
# drivers/vfio/mdev_recovery/machine.c. The text above them is written by hand.
#
#   Documentation/states.sh           rewrites states.md
#   Documentation/states.sh --check   says whether it is current; changes nothing
#
# CC=PROGRAM names another C compiler.
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
machine=$here/../drivers/vfio/mdev_recovery
page=$here/states.md
begin='<!-- states.sh: from here on generated -->'

die() {
	echo "states: error: $*" >&2
	exit 1
}

case ${1:-} in
'' | --check) ;;
*) die "unknown argument $1; there is --check" ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${CC:-gcc}" -std=gnu11 -Wall -Wextra -Werror -I"$machine" -I"$here/../include" -o "$work/states" \
	"$here/states.c" "$machine/machine.c" || die "states.c does not build"
grep -qxF -e "$begin" "$page" || die "$page has no line '$begin'"
sed "/^$begin\$/q" "$page" >"$work/page"
{
	echo
	"$work/states"
} >>"$work/page"

# every state in the table has a section
while read -r state; do
	grep -q "^### \`$state\`" "$work/page" || die "states.md says nothing about $state"
done < <("$work/states" | awk -F' *[|] *' 'NR == 1 { for (i = 3; i < NF; i++) print $i }')

if [ "${1:-}" = --check ]; then
	diff -u "$page" "$work/page" ||
		die "states.md is not current; run Documentation/states.sh"
	echo "states: states.md is current"
else
	cat "$work/page" >"$page"
fi
