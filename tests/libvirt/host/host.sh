# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# The host: modules, udevd, libvirtd, peers of the network functions.

# What libvirtd needs where there is no systemd.
host_configure() {
	cat >>/etc/libvirt/qemu.conf <<-EOF
		namespaces = []
		cgroup_controllers = []
		security_driver = "none"
		stdio_handler = "file"
		user = "root"
		group = "root"
	EOF
	cat >>/etc/libvirt/libvirtd.conf <<-EOF
		auth_unix_rw = "none"
		auth_unix_ro = "none"
	EOF
	rm -rf /etc/libvirt/qemu/networks/autostart
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

host_start() {
	mount -t tmpfs tmpfs /run
	mount -t tmpfs tmpfs /tmp
	mkdir -p /run/lock /dev/pts /dev/shm
	mount -t devpts devpts /dev/pts
	mount -t tmpfs tmpfs /dev/shm
	mount -t tracefs tracefs /sys/kernel/tracing
	ln -sf /proc/self/fd /dev/fd
	ln -sf fd/0 /dev/stdin
	ln -sf fd/1 /dev/stdout
	ln -sf fd/2 /dev/stderr
	ip link set lo up
	stty -F "$tap" raw -echo
	monitor_open || return 1
	log "monitor open"
	/usr/lib/systemd/systemd-udevd --daemon
	modprobe -a virtio_net vfio vfio-pci-core vfio_iommu_type1 mdev vfio-pci nvme igb kvm-amd
	udevadm settle
	peer 52:54:00:00:01:01 1 || return 1
	peer 52:54:00:00:02:01 2 || return 1
	insmod modules/mdev_recovery.ko
	insmod modules/mdev_recovery_pci.ko
	host_configure
	log "starting libvirtd"
	libvirtd --daemon || return 1
	wait_for 60 virsh -q version || return 1
	log "libvirtd up"
}
