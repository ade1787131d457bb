# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How a Debian root is made, in a place where an interrupted run leaves nothing.
# Sourced by build and debug/build, after lab.sh.

suite=trixie
cache=$(lab_cache)
# set by begin
log='' tmp='' start=0
# where the product goes; set by who sources this
root=''

# The host's own tools. Root gets what is missing, a plain user is told.
host_tools() {
	local missing=()
	command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
	command -v flock >/dev/null || missing+=(util-linux)
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ||
		missing+=(debian-archive-keyring)
	[ "$(lab_mode)" = root ] || command -v newuidmap >/dev/null ||
		missing+=(uidmap)
	[ "${#missing[@]}" -gt 0 ] || return 0
	[ "$(lab_mode)" = root ] ||
		die "missing on this machine: ${missing[*]}; as root: apt-get install ${missing[*]}"
	command -v apt-get >/dev/null ||
		die "missing on this machine: ${missing[*]}; no apt-get here to install them with"
	say "installing on this machine: ${missing[*]}"
	{
		apt-get -qy update &&
			DEBIAN_FRONTEND=noninteractive apt-get -qy \
				install --no-install-recommends "${missing[@]}"
	} >"$log" 2>&1 || die "apt-get cannot install ${missing[*]}: $(log_cause); log: $log"
}

user_namespaces() {
	[ "$(lab_mode)" = unshare ] || return 0
	grep -q "^$(id -un):\|^$(id -u):" /etc/subuid ||
		die "$(id -un) has no line in /etc/subuid; as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)"
	unshare --user --map-root-user --mount true 2>/dev/null ||
		die "user namespaces are not allowed to $(id -un) on this machine; run as root, or as root: sysctl kernel.unprivileged_userns_clone=1"
}

space() {
	local mib need_mib=$1
	mib=$(df -Pm "$cache" | awk 'NR == 2 { print $4 }')
	[ "$mib" -ge "$need_mib" ] ||
		die "$cache has $mib MiB free, $need_mib are needed; make room or set MDR_CACHE to another disk"
}

log_cause() {
	local line
	line=$(grep -aE 'Could not|Temporary failure|No space' "$log" | head -n 1)
	[ -n "$line" ] || line=$(grep -aE '^(E|Err|error|dpkg: error)|lab: cannot' "$log" | head -n 1)
	[ -n "$line" ] || line="see the log"
	echo "${line#"${line%%[! ]*}"}"
}

# A temporary root belongs to the namespace's root, not to the user.
drop() {
	[ -e "$1" ] || return 0
	if [ "$(lab_mode)" = root ]; then
		rm -rf --one-file-system "$1"
	else
		mmdebstrap --unshare-helper rm -rf --one-file-system "$1"
		rm -rf "$1"
	fi
}

progress() {
	sed -unE -e '/^lab: /p' \
		-e 's/^I: (downloading packages|installing [a-z]+ packages|extracting|running apt-get update).*/lab: \1 .../p'
}

sources() {
	local s
	[ -n "${MDR_MIRROR:-}" ] || return 0
	for s in "$suite" "$suite-updates"; do
		echo "deb $MDR_MIRROR $s main"
	done
}

# debian_root PACKAGES TARGET [OPTION...]: a Debian system with the packages that
# the file PACKAGES names. OPTIONs are mmdebstrap's.
debian_root() {
	local proxy include target=$2
	include=$(grep -v '^#' "$1" | xargs | tr ' ' ,)
	shift 2
	proxy=$(apt-config dump --format '%v' Acquire::http::Proxy 2>/dev/null || true)
	[ -z "$proxy" ] || export http_proxy="${http_proxy:-$proxy}"
	# INITRD: the kernels boot with the initramfs of tests/vm.
	sources | INITRD=No mmdebstrap --mode="$(lab_mode)" --variant=apt \
		--components=main --include="$include" \
		--aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Languages "none"' \
		--aptopt='Acquire::Retries "3"' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/lib/firmware/*' \
		--dpkgopt='force-unsafe-io' \
		"$@" "$suite" "$target" ${MDR_MIRROR:+-} 9>&- 2>&1 | tee "$log" | progress
}

# begin NAME NEED-MIB: what has to be so before NAME (its product $cache/NAME-<key>,
# $root) is made. Ends the script if it is there already. From here on $tmp is a
# place that vanishes with the script, however it ends.
begin() {
	local name=$1 need_mib=$2 stale
	[ ! -d "$root" ] || {
		say "ready: $root"
		exit 0
	}
	mkdir -p "$cache" || die "cannot make $cache; set MDR_CACHE to a place that can be written"
	log=$cache/$name-build.log
	host_tools
	user_namespaces
	exec 9>"$cache/$name.lock"
	flock -n 9 || {
		say "another run is at work on this in $cache, waiting for it"
		flock 9
	}
	[ ! -d "$root" ] || {
		say "ready: $root"
		exit 0
	}
	# With the lock held nobody is at work on these: their makers were killed.
	for stale in "$cache/$name"-*.tmp.*; do
		drop "$stale"
	done
	space "$need_mib"
	tmp=$root.tmp.$$
	trap 'drop "$tmp"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	start=$SECONDS
}

# publish DIR: DIR is the whole product.
publish() {
	mv -T "$1" "$root"
	say "ready after $((SECONDS - start)) s, $(du -sm "$root" 2>/dev/null | cut -f1) MiB: $root"
}
