# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
#
# The packages come to a host, and go again, while a domain runs on it that has a function
# by a managed <hostdev type='pci'>: for the domain nothing changes. In a machine where
# nothing is installed, see ../boot. (managed.sh has what libvirt binds to afterwards.)

igb=0000:02:00.0
kernel=$(uname -r)

driver_is() { [ "$(basename "$(readlink "/sys/bus/pci/devices/$igb/driver")")" = "$1" ]; }

# What must stay, a file each.
look() {
	local device pid
	rm -rf "$1"
	mkdir -p "$1"
	for pid in $(pidof qemu-system-x86_64 libvirtd); do
		# with the time at which it has started
		echo "$(cat "/proc/$pid/comm") $pid $(cut -d ' ' -f 22 "/proc/$pid/stat")"
	done >"$1/processes"
	for device in /sys/bus/pci/devices/*; do
		echo "${device##*/} $(basename "$(readlink "$device/driver")") $(cat "$device/driver_override")"
	done >"$1/drivers"
	# COMMAND and BARs, which a reset clears
	od -An -tx1 -j4 -N2 "/sys/bus/pci/devices/$igb/config" >"$1/registers"
	od -An -tx1 -j16 -N24 "/sys/bus/pci/devices/$igb/config" >>"$1/registers"
	grep '^alias vfio_pci:' "/lib/modules/$kernel/modules.alias" >"$1/aliases"
	virsh -q dumpxml guest >"$1/domain"
	find /etc/libvirt /run/libvirt/hostdevmgr -type f -exec md5sum {} + | sort >"$1/libvirt"
	cp /var/log/libvirt/qemu/guest.log "$1/log"
}

# same FILE: it is as it was
same() { diff "/run/before/$1" "/run/now/$1"; }

# What the host has, but for caches and what dpkg notes.
files() {
	{
		find /etc -xdev -type f -exec md5sum {} +
		find /etc -xdev -printf '%p %l\n'
		find /usr /var/lib "/usr/lib/modules/$kernel" -xdev -path /var/lib/dpkg -prune -o -print
	} | sort
}

# Of what the kernel has said since: that names a function, or VFIO
kernel_says() {
	dmesg -k | tail -n "+$((kernel_lines + 1))"
	! dmesg -k | tail -n "+$((kernel_lines + 1))" |
		grep -E '[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]|vfio|DMAR'
}

# From the first message on it is one connection; the driver has noticed nothing.
undisturbed() {
	[ "$(grep -ac 'net igb up' "$guest_log")" = 1 ] &&
		! grep -aE 'net igb failed|wrong=[1-9]|igb.*([Rr]eset|Hang|Down|removed)' "$guest_log"
}

# logged COMMAND...: what it says is in the log, too, as it comes
logged() {
	"$@" 2>&1 | while IFS= read -r line; do
		echo "$line"
		log "$line"
	done
	return "${PIPESTATUS[0]}"
}

# unchanged WHAT: all that must stay has, so far
unchanged() {
	local messages
	messages=$(last messages 'net igb messages')
	check "install, $1: the guest goes on" wait_for 120 exchanged igb $((messages + 3))
	check "install, $1: its connection has never stopped, no driver of it has noticed" undisturbed
	look /run/now
	check "install, $1: QEMU and libvirtd are the same processes" same processes
	check "install, $1: the domain is running" state_is running
	check "install, $1: each function of the host has the driver and the override that it had" \
		same drivers
	check "install, $1: the domain's function has the registers that it had" same registers
	check "install, $1: modules.alias offers for vfio_pci: what it did" same aliases
	check "install, $1: the domain is what it was" same domain
	check "install, $1: so are libvirt's files" same libvirt
	check "install, $1: QEMU has logged nothing" same log
	check "install, $1: nor has the kernel, of functions and VFIO" kernel_says
}

# its network functions have their names
udevadm settle
peer 52:54:00:00:01:01 1 || bail "no peer"
wait_for 60 virsh -q version || bail "no libvirtd"
check "install: nothing is installed" \
	eval '! modinfo mdev_recovery && ! command -v mdrctl mdr-agent'
domain_define 64
check "install: a domain with a managed hostdev starts" \
	eval 'managed_hostdev 2 && virsh -q start guest'
check "install: its guest boots" wait_for 300 said 'guest ready' || bail "no guest"
# its work takes all the time that it gets, and the packages need some
systemctl set-property --runtime machine.slice CPUWeight=25
check "install: and talks to its peer" wait_for 120 exchanged igb 5
look /run/before
check "install: through vfio-pci" grep -qx "$igb vfio-pci vfio-pci" /run/before/drivers
check "install: for which there is an alias" test -s /run/before/aliases
files >/run/files
kernel_lines=$(dmesg -k | wc -l)

check "install: the packages are installed" \
	logged env PATH="/mdr/compiler:$PATH" dpkg -i mdev-recovery-*.deb
check "install: with modules by DKMS" \
	eval '[[ $(modinfo -n mdev_recovery_pci) == */updates/dkms/* ]]'
check "install: the module is loaded" eval 'modprobe mdev_recovery_pci && loaded'
check "install: udev looks at all functions again, as at boot" \
	eval 'udevadm trigger --action=add --subsystem-match=pci && udevadm settle'
check "install: mdr-agent runs" systemctl -q is-active mdr-agent
check "install: nothing is bound to mdr-pci" \
	eval '[ -d /sys/bus/pci/drivers/mdr-pci ] && ! ls -d /sys/bus/pci/drivers/mdr-pci/*:*'
unchanged installed

check "install: the packages are purged" \
	logged dpkg --purge mdev-recovery-agent mdev-recovery-tools mdev-recovery-dkms
check "install: the modules stay loaded, and can be unloaded" \
	eval 'loaded && rmmod mdev_recovery_pci mdev_recovery'
files >/run/files-now
check "install: no file is left of them, none of the host's has changed" \
	diff /run/files /run/files-now
check "install: nor a process" eval '! pidof mdr-agent'
unchanged purged
stalls=$(grep -ao 'stall_ms=[0-9]*' "$guest_log" | cut -d= -f2 | sort -n)
note "install: one message of the guest took up to ${stalls##*[!0-9]} ms"

virsh -q destroy guest
check "install: the domain ends, its function is igb's again" wait_for 30 driver_is igb
