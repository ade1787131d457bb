# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # cases and run set and use the rest
#
# A host for the real mdevctl below $MDEVCTL_ENV_ROOT: the parts of sysfs that mdevctl
# and the callout read, laid out like the kernel's.

callout=${MDR_CALLOUT:-build/tests-mdevctl/mdr-callout}
port=0000:00:14.0
dev=0000:05:00.0
uuid=b2b0d1d4-6f2a-4d8e-9a30-0c4f5a1f7e11
uuid2=b2b0d1d4-6f2a-4d8e-9a30-0c4f5a1f7e12

# host_new DIR: an empty host with the callout and the notifier installed
host_new() {
	host=${1:?no folder}
	export MDEVCTL_ENV_ROOT=$host
	sys=$host/sys
	scripts=$host/usr/lib/mdevctl/scripts.d
	mkdir -p "$host/etc/mdevctl.d" "$scripts"/{callouts,notifiers} \
		"$sys"/bus/{mdev,pci}/devices "$sys/class"/{mdev_bus,mdev_recovery} \
		"$sys/bus/pci_express/drivers/aer" "$sys/kernel/iommu_groups"
	kernel_settings >"$sys/class/mdev_recovery/settings"
	cp "$callout" "$scripts/callouts/mdev-recovery"
	cp "$callout" "$scripts/notifiers/mdev-recovery"
	mkdir -p "$sys/devices/pci0000:00/$port/$port:pcie002"
	ln -s "$sys/devices/pci0000:00/$port/$port:pcie002" "$sys/bus/pci_express/drivers/aer"
}

# host_function ADDRESS PATH GROUP: a PCI function without a driver
host_function() {
	local dir=$sys/devices/pci0000:00/$2
	mkdir -p "$dir"
	ln -sfn "$dir" "$sys/bus/pci/devices/$1"
	[ -n "$3" ] || return 0
	mkdir -p "$sys/kernel/iommu_groups/$3"
	ln -sfn "$sys/kernel/iommu_groups/$3" "$dir/iommu_group"
}

# host_bind ADDRESS DRIVER: binds DRIVER; ADDRESS is a parent of its three types, if any
host_bind() {
	local dir=$sys/bus/pci/devices/$1 group type policy
	rm -rf "$dir/driver" "$dir/mdev_supported_types" "$sys/class/mdev_bus/$1"
	group=$sys/class/mdev_recovery/group$(basename "$(readlink "$dir/iommu_group")")
	rm -rf "$group"
	[ -n "$2" ] || return 0
	mkdir -p "$sys/bus/pci/drivers/$2"
	ln -s "$sys/bus/pci/drivers/$2" "$dir/driver"
	case $2 in mdr-* | acme) ;; *) return 0 ;; esac
	for policy in resume hold evict; do
		type=$dir/mdev_supported_types/$2-$policy
		mkdir -p "$type"
		echo 1 >"$type/available_instances"
		echo vfio-pci >"$type/device_api"
		echo "PCI function" >"$type/name"
		: >"$type/create"
	done
	ln -s "$(readlink "$dir")" "$sys/class/mdev_bus/$1"
	mkdir -p "$group"
	echo open >"$group/state"
	echo none >"$group/cause"
	echo resume >"$group/policy"
	echo "$port" >"$group/domain"
	: >"$group/blockers"
	ln -s "$(readlink "$dir")" "$group/$1"
}

# host_mdev UUID ADDRESS TYPE: a running mdev with the kernel's defaults
host_mdev() {
	local dir name default
	dir=$(readlink "$sys/bus/pci/devices/$2")
	mkdir -p "$dir/$1/recovery"
	ln -sfn "$dir/mdev_supported_types/$3" "$dir/$1/mdev_type"
	while read -r name _ default _; do
		echo "$default" >"$dir/$1/recovery/$name"
	done < <(kernel_settings)
	ln -sfn "$dir/$1" "$sys/bus/mdev/devices/$1"
}

# host_usual: the host that each case starts from
host_usual() {
	host_new "$(mktemp -d -p "$work")"
	host_function "$dev" "$port/$dev" 16
	host_bind "$dev" mdr-pci
}

definition() {
	printf '%s' "$host/etc/mdevctl.d/$dev/$uuid"
}

recovery() {
	cat "$sys/bus/mdev/devices/$uuid/recovery/$1"
}
