# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# The host: a Debian with the packages installed. systemd has started their services
# and those of libvirt. This file has only the monitor and the peers of the network
# functions.

# walk PAGE SCRIPT...: runs a page's commands, in a directory with its files
walk() {
	local page=$PWD/doc/$1 script
	shift
	mkdir -p /run/walk
	cp -f "$page"/*.xml /run/walk 2>/dev/null
	for script; do
		log "guide: $script"
		(cd /run/walk && bash -eux "$page/$script") >/run/walk.log 2>&1 || {
			cat /run/walk.log
			return 1
		}
		log_file /run/walk.log
	done
}

# peer MAC SUBNET
peer() {
	local dev name=''
	for dev in /sys/class/net/*; do
		[ "$(cat "$dev/address")" != "$1" ] || name=${dev##*/}
	done
	[ -n "$name" ] || return 1
	ip address add "10.0.$2.1/24" dev "$name"
	ip link set "$name" up
	./peer "10.0.$2.1" &
}

# The modules in the kernel are those that DKMS built from the package's sources.
modules_of_dkms() {
	local module file
	for module in mdev_recovery mdev_recovery_pci; do
		file=$(modinfo -n "$module") || return 1
		case $file in */updates/dkms/*) ;; *) echo "$file" && return 1 ;; esac
		dpkg -S "$file" 2>/dev/null && return 1
		[ "$(cat "/sys/module/$module/srcversion")" = "$(modinfo -F srcversion "$module")" ] || return 1
	done
}

loaded() { [ -d /sys/module/mdev_recovery_pci ]; }

# is_confined NAME PROFILE: the profile of the program with this path is enforced
is_confined() {
	local pid='' profile
	for pid in $(pidof "$1"); do
		profile=$(cat "/proc/$pid/attr/current")
		echo "$1 $pid: $profile"
		[[ $profile == $2*" (enforce)" ]] || return 1
	done
	[ -n "$pid" ]
}

# apparmor_said WHAT: in the journal
apparmor_said() { journalctl -q -b --no-pager | grep "apparmor=\"$1\""; }
refused() { apparmor_said DENIED; }

host_start() {
	udevadm settle
	peer 52:54:00:00:01:01 1 || return 1
	peer 52:54:00:00:02:01 2 || return 1
	peer 52:54:00:00:03:01 3 || return 1
	check "installed: the module was loaded at boot" loaded
	check "installed: the installation guide's commands run as they are written" \
		walk installation 20-load.sh 30-service.sh || return 1
	check "installed: the modules are those that DKMS built" modules_of_dkms
	wait_for 60 virsh -q version || return 1
	check "apparmor: libvirtd is confined" is_confined /usr/sbin/libvirtd libvirtd
	# else "it has refused nothing" would say nothing
	check "apparmor: the journal has that it loaded a profile" wait_for 30 apparmor_said STATUS
	log "libvirtd up"
}
