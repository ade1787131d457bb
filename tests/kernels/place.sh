# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Where the kernels' root is, and what archives it comes from. Sourced by the scripts
# beside it.
#
# kernels' root: a Debian unstable with the compilers of all kernels that the archives
# offer, and with these kernels' headers; and with the kernels in /bootable, which also run
# the scenarios. They are unpacked, not installed: some headers depend on the kernel itself.
# It lies beside the lab; its name is made of its inputs and of the list of kernels.

kernels_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lab/lab.sh
. "$kernels_dir/../lab/lab.sh"

# kernels_sources: the archives, as lines of sources.list
kernels_sources() {
	local mirror=${MDR_MIRROR:-http://deb.debian.org/debian} suite
	for suite in trixie trixie-updates trixie-backports testing unstable; do
		echo "deb $mirror $suite main"
	done
	# as for the lab: another mirror is thought to have the archive only
	[ -n "${MDR_MIRROR:-}" ] ||
		echo "deb http://security.debian.org/debian-security trixie-security main"
}

# kernels_root LIST: for what offered said
kernels_root() {
	local key
	key=$({
		lab_mode
		kernels_sources
		cat "$kernels_dir"/{build,hook,unpack,place.sh} "$1"
	} | sha256sum | cut -c1-12)
	echo "$(lab_cache)/kernels-$key"
}

# kernels_newest: the root that was made last
kernels_newest() {
	local made
	for made in "$(lab_cache)"/kernels-????????????; do
		[ ! -d "$made" ] || stat -c "%Y %n" "$made"
	done | sort -n | tail -n 1 | cut -d ' ' -f 2-
}

# kernels_enter CMD...: makes the root of what the archives offer, and runs CMD in it; in the
# one that was made last if the archives cannot be read
kernels_enter() {
	local list root
	list=$(mktemp)
	# shellcheck disable=SC2064
	trap "rm -f '$list'" EXIT
	if "$kernels_dir/offered" >"$list"; then
		"$kernels_dir/build" "$list"
		root=$(kernels_root "$list")
	else
		root=$(kernels_newest)
		[ -n "$root" ] || die "there is no root of an earlier run"
		echo "kernels: those of $(date -r "$root/list" +%F)"
	fi
	# "build" leaves a root alone whose list is locked
	exec 8<"$root/list"
	flock -s 8
	MDR_ROOT=$root "$lab_dir/enter" "$@"
}
