# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Where the lab root and the debug kernel are. Sourced by build, enter and path,
# and by debug/build.
#
# lab root: a directory with a Debian 13 system in it: kernels, headers,
# compiler, QEMU, checkers. It lies outside the source tree, under a name made
# of its inputs, so that two trees with the same inputs share one root.

# a plain user may not have chroot in his path
PATH=$PATH:/usr/sbin:/sbin

lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'lab: %s\n' "$*"; }

die() {
	printf 'lab: error: %s\n' "$*" >&2
	exit 1
}

# root: real root. unshare: a plain user, through user namespaces.
lab_mode() {
	if [ "$(id -u)" = 0 ]; then echo root; else echo unshare; fi
}

lab_cache() {
	echo "${MDR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mdev-recovery}"
}

# what builds both the lab root and the debug kernel
lab_common=("$lab_dir/make.sh" "$lab_dir/backports" "$lab_dir/linux-source")

# Everything that decides what is in the root, and nothing else.
lab_key() {
	{
		lab_mode
		echo "${MDR_MIRROR:-}"
		cat "$lab_dir/packages" "$lab_dir/build" "$lab_dir/hook" "${lab_common[@]}"
	} | sha256sum | cut -c1-12
}

lab_root() {
	echo "$(lab_cache)/lab-$(lab_key)"
}

# debug kernel: boot/ and lib/modules/ of a kernel that checks itself, beside the
# lab root and named likewise.
lab_debug_key() {
	{
		lab_mode
		echo "${MDR_MIRROR:-}"
		cat "$lab_dir/debug"/{packages,config,build,hook,compile} "${lab_common[@]}"
	} | sha256sum | cut -c1-12
}

lab_debug_root() {
	echo "$(lab_cache)/debug-$(lab_debug_key)"
}
