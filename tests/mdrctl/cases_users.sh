# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# Functions that somebody uses, who would lose them.

# lent_to PID NAME FILE [DRIVER]: the function is DRIVER's, and a process has FILE open
lent_to() {
	host_bind "$dev" "${4:-vfio-pci}"
	: >"$sys/bus/pci/drivers/${4:-vfio-pci}/unbind"
	mkdir -p "$host/proc/$1/fd" "$sys/bus/pci/devices/$dev/vfio-dev/vfio3"
	echo "$2" >"$host/proc/$1/comm"
	ln -s /dev/null "$host/proc/$1/fd/0"
	ln -s "$3" "$host/proc/$1/fd/27"
}

declare_case bind_used "a function that a process has through vfio-pci is taken from it only by force"
bind_used() {
	local file
	host_igb
	lent_to 4711 qemu-system-x86 /dev/vfio/16
	golden bind-used bind --persistent "$dev"
	# what others have open
	mkdir -p "$host/proc/1/fd"
	ln -s /dev/vfio/1 "$host/proc/1/fd/3"
	ln -s /dev/vfio/116 "$host/proc/1/fd/4"
	ln -s /dev/vfio/devices/vfio33 "$host/proc/1/fd/5"
	for file in /srv/jail/dev/vfio/16 /dev/vfio/devices/vfio3 /dev/vfio/noiommu-16; do
		ln -sfn "$file" "$host/proc/4711/fd/27"
		ctl bind "$dev"
		says "mdrctl: $dev: is in use through vfio-pci: qemu-system-x86 (4711) has it" "exit 1"
	done
	printf 'a\033[m\n' >"$host/proc/4711/comm"
	lent_to 4712 dpdk-testpmd /dev/vfio/16 nvgrace-gpu-vfio-pci
	rm -r "$sys/bus/pci/devices/$dev/vfio-dev"
	ctl bind "$dev"
	says "through nvgrace-gpu-vfio-pci: a?[m (4711), dpdk-testpmd (4712) has it"
	is unbound "$(cat "$sys"/bus/pci/drivers/{vfio-pci,nvgrace-gpu-vfio-pci}/unbind)" ''
	is override "$(cat "$sys/bus/pci/devices/$dev/driver_override")" '(null)'
	is saved "$(saved)" none
	kernel_probes "$dev" mdr-pci
	ctl bind --force "$dev"
	wait
	is said "$said" "$dev: bound to mdr-pci, was bound to nvgrace-gpu-vfio-pci; group16"
}

declare_case bind_unused "a function is taken from vfio-pci if nobody has it, and from a driver that lends nothing"
bind_unused() {
	host_igb
	lent_to 4711 qemu-system-x86 /dev/vfio/9
	kernel_probes "$dev" mdr-pci
	ctl bind "$dev"
	wait
	is said "$said" "$dev: bound to mdr-pci, was bound to vfio-pci; group16"
	# a driver that lends nothing
	lent_to 4712 qemu-system-x86 /dev/vfio/16 pci-stub
	rm -r "$sys/bus/pci/devices/$dev/vfio-dev"
	echo '(null)' >"$sys/bus/pci/devices/$dev/driver_override"
	kernel_probes "$dev" mdr-pci
	ctl bind "$dev"
	wait
	is said "$said" "$dev: bound to mdr-pci, was bound to pci-stub; group16"
}

declare_case bind_saved_used "a saved function that a process has is left to it, and the next one is bound"
bind_saved_used() {
	local dir
	host_igb
	host_function "$dev2" "$port2/$dev2" 9
	pci_files "$dev2" 0x010802 0x1b36 0x0010
	dir=$host/etc/mdev-recovery/bind.d
	mkdir -p "$dir"
	echo '{"driver":"mdr-pci","vendor":32902,"device":4297}' >"$dir/$dev"
	echo '{"driver":"mdr-pci","vendor":6966,"device":16}' >"$dir/$dev2"
	lent_to 4711 qemu-system-x86 /dev/vfio/devices/vfio3
	host_bind "$dev2" mdr-pci
	golden bind-saved-used bind --saved
	is driver "$(driver_of "$dev")" vfio-pci
	is unbound "$(cat "$sys/bus/pci/drivers/vfio-pci/unbind")" ''
	golden bind-saved-force bind --saved --force "$dev"
}

# host_disk: a function that is nvme's, with a disk of two parts
host_disk() {
	host_new "$(mktemp -d -p "$work")"
	host_function "$dev" "$port/$dev" 16
	pci_files "$dev" 0x010802 0x1b36 0x0010
	host_bind "$dev" nvme
	mkdir -p "$sys/bus/pci/drivers/mdr-pci" "$sys/class/block" "$host/proc/self"
	: >"$sys/bus/pci/drivers/nvme/unbind"
	block nvme0n1 259:0 "bus/pci/devices/$dev/nvme/nvme0/nvme0n1"
	block nvme0n1p2 259:2 "bus/pci/devices/$dev/nvme/nvme0/nvme0n1/nvme0n1p2"
	block sda1 8:1 devices/sda/sda1
	mkdir "$sys/class/block/sda1/holders/dm-0"
	echo '24 1 8:1 / / rw - ext4 /dev/sda1 rw' >"$host/proc/self/mountinfo"
	printf '%s\n' 'Filename Type' '/dev/sda2 partition' >"$host/proc/swaps"
}

# block NAME NUMBER DIR
block() {
	mkdir -p "$sys/$3/holders"
	echo "$2" >"$sys/$3/dev"
	ln -s "../../$3" "$sys/class/block/$1"
}

# disk_refused USE
disk_refused() {
	ctl bind "$dev"
	is refused "$said" "mdrctl: $dev: is in use through nvme: its disk $1: nothing was done
  next: end that; --force takes it all the same
exit 1"
	is driver "$(driver_of "$dev")" nvme
}

declare_case bind_disk "a function whose disk the host uses is left alone"
bind_disk() {
	local mounts swaps
	host_disk
	mounts=$(cat "$host/proc/self/mountinfo") swaps=$(cat "$host/proc/swaps")
	kernel_probes "$dev" mdr-pci
	ctl bind "$dev"
	wait
	is unused "$said" "$dev: bound to mdr-pci, was bound to nvme; group16"

	host_bind "$dev" nvme
	printf '%s\n' '30 24 259:2 / /home/a\040b rw shared:1 - ext4 /dev/root rw' \
		>>"$host/proc/self/mountinfo"
	disk_refused 'nvme0n1p2 is mounted on /home/a\040b'
	echo "30 24 0:41 / /$(printf '\033')[2J rw - btrfs /dev/nvme0n1p2 rw" >"$host/proc/self/mountinfo"
	disk_refused 'nvme0n1p2 is mounted on /?[2J'
	echo '(null)' >"$sys/bus/pci/devices/$dev/driver_override"
	kernel_probes "$dev" mdr-pci
	ctl bind --force "$dev"
	wait
	is forced "$said" "$dev: bound to mdr-pci, was bound to nvme; group16"

	host_bind "$dev" nvme
	echo "$mounts" >"$host/proc/self/mountinfo"
	echo '/dev/nvme0n1p2 partition 8 0 -2' >>"$host/proc/swaps"
	disk_refused 'nvme0n1p2 is swap space'
	echo "$swaps" >"$host/proc/swaps"
	mkdir "$sys/class/block/nvme0n1/holders/md0"
	disk_refused 'nvme0n1 is part of a volume'

	# at boot, too
	mkdir -p "$host/etc/mdev-recovery/bind.d"
	echo '{"driver":"mdr-pci","vendor":6966,"device":16}' >"$host/etc/mdev-recovery/bind.d/$dev"
	ctl bind --saved
	is saved "$said" "mdrctl: $dev: is in use through nvme: its disk nvme0n1 is part of a volume: nothing was done
exit 1"

	# one with several paths is below none of them
	rm -r "$sys/class/block/nvme0n1" "$sys/class/block/nvme0n1p2"
	mkdir "$sys/bus/pci/devices/$dev/nvme/nvme0/nvme3c0n1"
	block nvme3n1 259:7 devices/nvme-subsystem/nvme3n1
	echo '30 24 259:7 / /srv rw - xfs /dev/nvme3n1 rw' >>"$host/proc/self/mountinfo"
	disk_refused 'nvme3n1 is mounted on /srv'
}
