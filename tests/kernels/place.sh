# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Where the kernels' root is, and what archives it comes from. Sourced by the scripts
# beside it.
#
# kernels' root: a Debian unstable with the compilers of all kernels that the archives
# offer, and with these kernels' headers. The headers are unpacked, not installed:
# some depend on the kernel itself. It lies beside the lab; its name is made of its
# inputs and of the list of kernels.

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
