# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # cases and run set and use the rest
#
# A host for mdrctl: that of tests/mdevctl, with all files that a group has.

. tests/mdevctl/kernel.sh
. tests/mdevctl/host.sh

port2=0000:00:15.0
dev2=0000:06:00.0
dev3=0000:05:00.1

# pci_files ADDRESS CLASS VENDOR DEVICE: what every function has
pci_files() {
	local dir=$sys/bus/pci/devices/$1
	echo "$2" >"$dir/class"
	echo "$3" >"$dir/vendor"
	echo "$4" >"$dir/device"
	echo '(null)' >"$dir/driver_override"
	echo 'flr bus' >"$dir/reset_method"
	mkdir -p "$sys/kernel/iommu_groups/$(basename "$(readlink "$dir/iommu_group")")/devices"
	ln -sfn "$(readlink "$dir")" \
		"$sys/kernel/iommu_groups/$(basename "$(readlink "$dir/iommu_group")")/devices/$1"
}

# group_files NUMBER STATE EVENT CAUSE TYPE: what is said of a group
group_files() {
	local dir=$sys/class/mdev_recovery/group$1 name
	echo "$2" >"$dir/state"
	echo "$3" >"$dir/event"
	echo "$4" >"$dir/cause"
	echo "$5" >"$dir/policy"
	(cd "$dir" && printf '%s\n' *:*) >"$dir/functions"
	: >"$dir/recover"
	mkdir -p "$dir/stats"
	sed -n 's/^MDR_STAT(\([a-z_]*\),.*/\1/p' "$kernel_dir/group_sysfs.c" |
		while read -r name; do
			echo 0 >"$dir/stats/$name"
		done
}

# host_two: group 9 is open and has no mdev; group 16 has one, of type hold, and has
# recovered once. Nothing has a driver of its own.
host_two() {
	host_new "$(mktemp -d -p "$work")"
	host_function "$dev" "$port/$dev" 16
	host_function "$dev2" "$port2/$dev2" 9
	pci_files "$dev" 0x020000 0x8086 0x10c9
	pci_files "$dev2" 0x010802 0x1b36 0x0010
	host_bind "$dev" mdr-pci
	host_bind "$dev2" mdr-pci
	host_mdev "$uuid" "$dev" mdr-pci-hold
	ln -s "$(readlink "$sys/bus/mdev/devices/$uuid")" "$sys/class/mdev_recovery/group16"
	touch "$sys/bus/pci_express/drivers/aer/$port2:pcie002"
	echo "$port2" >"$sys/class/mdev_recovery/group9/domain"
	group_files 16 open 3 fatal hold
	group_files 9 open 0 none none
	echo 1 >"$sys/class/mdev_recovery/group16/stats/recoveries"
	echo 186417554 >"$sys/class/mdev_recovery/group16/stats/recovery_ns_last"
	: >"$sys/bus/pci/drivers_probe"
	mkdir -p "$sys/module/mdev_recovery" "$host/usr/share/mdev-recovery/profiles"
	echo "$version" >"$sys/module/mdev_recovery/version"
	echo "$version" >"$host/usr/share/mdev-recovery/version"
	cp mdevctl-profiles/*.json "$host/usr/share/mdev-recovery/profiles"
}

# kernel_probes ADDRESS DRIVER: the kernel's part of one bind: waits for an override,
# or for its end, then takes the function from its driver and gives it to DRIVER, and
# lets the write to drivers_probe return. Gives up after 10 s each.
kernel_probes() {
	local override=$sys/bus/pci/devices/$1/driver_override was i
	was=$(cat "$override")
	rm -f "$sys/bus/pci/drivers_probe"
	mkfifo "$sys/bus/pci/drivers_probe"
	{
		for ((i = 0; i < 1000; i++)); do
			[ "$(cat "$override")" = "$was" ] || break
			sleep 0.01
		done
		[ "$i" -lt 1000 ] || exit 0
		# the write to unbind is next, if there is a driver
		sleep 0.1
		host_bind "$1" "$2"
		timeout 10 cat "$sys/bus/pci/drivers_probe" >"$host/probed"
	} &
}

# driver_of ADDRESS
driver_of() {
	basename "$(readlink "$sys/bus/pci/devices/$1/driver" || echo none)"
}
